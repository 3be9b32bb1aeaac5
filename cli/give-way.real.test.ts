/** Who goes first where cores are short: what a person waits for. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { openSystem } from './testing/system.ts'

const START_MS = 60_000

/** The nice value of each thread (proc(5), /proc/PID/stat, field 19). */
function nicenessOf(pid: number): readonly number[] {
  const stats = readdirSync(`/proc/${pid}/task`).map((task) => readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8'))
  // The name in parentheses may hold anything: fields are counted after it, from the third on.
  return stats.map((stat) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]))
}

it('all threads of the scheduler of jobs give way, and none of the relay does', async () => {
  await using system = await openSystem()
  await system.must(['registry', 'add', 'hub-01'])
  const [jobs, relay] = [system.start(['jobs', 'scheduler']), system.start(['relay'])]
  for (const running of [jobs, relay]) await running.untilSaid(/"event":"ready"/, START_MS)
  const [least = 0] = nicenessOf(process.pid)
  expect(new Set(nicenessOf(relay.pid))).toEqual(new Set([least]))
  const threads = nicenessOf(jobs.pid)
  // V8's, libuv's and DuckDB's.
  expect(threads.length).toBeGreaterThan(4)
  expect(new Set(threads)).toEqual(new Set([Math.max(least, 10)]))
})
