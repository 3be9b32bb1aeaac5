import { execFile, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import type { z } from 'zod'

const run = promisify(execFile)

/** Runs a script in a process of its own, with one JSON argument, and reads the JSON that it prints. */
export async function runChild<T>(script: string, argument: unknown, answer: z.ZodType<T>): Promise<T> {
  const { stdout } = await run(process.execPath, [script, JSON.stringify(argument)], { maxBuffer: 64 * 2 ** 20 })
  return answer.parse(JSON.parse(stdout))
}

/** What the child does with its argument, timed: wall clock and CPU of all its threads, without the process's start. */
export async function timed(work: () => Promise<void>): Promise<Timing> {
  const before = process.cpuUsage()
  const start_ms = performance.now()
  await work()
  const ms = performance.now() - start_ms
  const { user, system } = process.cpuUsage(before)
  return { ms, cpu_us: user + system }
}

export type Timing = { readonly ms: number; readonly cpu_us: number }

/** A script that goes on in a process of its own, and is spoken to in lines. */
export type Child = {
  readonly pid: number
  /** The next line that it prints. Rejects when it ended. */
  line(): Promise<string>
  write(line: string): void
  /** Ends it; resolves when it is gone. */
  stop(): Promise<void>
  /** Tells it that no more lines come; resolves when it is gone. */
  end(): Promise<void>
  kill(): void
}

export function startChild(script: string, argument: unknown, node: readonly string[] = []): Child {
  const child = spawn(process.execPath, [...node, script, JSON.stringify(argument)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const orphan = () => void child.kill('SIGKILL')
  process.once('exit', orphan)
  const ended = new Promise<void>((resolve) => {
    child.on('close', () => {
      process.removeListener('exit', orphan)
      resolve()
    })
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    pid: child.pid ?? 0,
    async line() {
      const { value, done } = await lines.next()
      if (done) throw new Error(`${script} ended before it was done`)
      return value
    },
    write: (line) => void child.stdin.write(`${line}\n`),
    async stop() {
      child.kill()
      await ended
    },
    async end() {
      child.stdin.end()
      await ended
    },
    kill: orphan,
  }
}
