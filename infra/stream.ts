/** Other makers' way from a topic of JSON messages to Parquet in S3, each in a process of its own that takes task after task. */
import type { JavaProcess } from './java.ts'

/** A column of the messages and of the files; `event_ms` becomes `event_time`. */
export type StreamColumn = { readonly name: string; readonly type: 'text' | 'integer' | 'number' | 'map' }

export type StreamTask = {
  /** `host:port` of a broker. */
  readonly bootstrap: string
  readonly topic: string
  readonly columns: readonly StreamColumn[]
  /** Where in the bucket. */
  readonly folder: string
  /** A local folder, empty. */
  readonly scratch_folder: string
}

/** An S3 server on this machine, and a bucket in it. */
export type StreamStore = {
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  readonly environment: Readonly<Record<string, string>>
}

export type StreamProcess = {
  readonly pid: number
  /** Everything that the topic holds, as one run; resolves when it is committed. */
  carry(task: StreamTask): Promise<void>
  kill(): void
  [Symbol.asyncDispose](): Promise<void>
}

/** Types by the words of an engine: `name TYPE, name TYPE`. */
export function columnList(columns: readonly StreamColumn[], words: Readonly<Record<StreamColumn['type'], string>>) {
  return columns.map(({ name, type }) => `\`${name}\` ${words[type]}`).join(', ')
}

/** One that answers a task with `done` or an `error`. */
export function streamProcess(java: JavaProcess, taskOf: (task: StreamTask) => unknown): StreamProcess {
  return {
    pid: java.pid,
    async carry(task) {
      const { error } = (await java.ask(taskOf(task))) as { readonly error?: string }
      if (error !== undefined) throw new Error(error)
    },
    kill: () => java.kill(),
    [Symbol.asyncDispose]: () => java[Symbol.asyncDispose](),
  }
}
