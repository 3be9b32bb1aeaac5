/** The outside witness of what was acknowledged: the journal that `hearth verify --acks` reads. */
import { closeSync, fsync, openSync, writeSync } from 'node:fs'
import { promisify } from 'node:util'

export type Ack = {
  readonly source: string
  readonly boot: string
  readonly stream: string
  readonly first: number
  readonly count: number
}

export type AckWriter = {
  /** Resolves when the line is synced to disk; those that arrive while a sync runs share the next one. */
  write(ack: Ack): Promise<void>
  /** Lines that were written so far. */
  lines(): number
  close(): void
}

const sync = promisify(fsync)

export function openAckWriter(path: string): AckWriter {
  const file = openSync(path, 'a')
  let waiting: string[] = []
  let next: Promise<void> | undefined
  let running: Promise<void> = Promise.resolve()
  let lines = 0

  async function flush(): Promise<void> {
    const group = waiting
    waiting = []
    next = undefined
    // One write: a journal that is cut off is cut in its last line.
    writeSync(file, group.join(''))
    await sync(file)
    lines += group.length
  }

  return {
    write(ack) {
      waiting.push(`${JSON.stringify(ack)}\n`)
      if (!next) {
        next = running.then(flush)
        running = next
      }
      return next
    },
    lines: () => lines,
    close: () => closeSync(file),
  }
}
