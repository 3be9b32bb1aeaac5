import { execFile } from 'node:child_process'
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
