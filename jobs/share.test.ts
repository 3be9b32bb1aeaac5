/** A long back-fill is made in shares, each committed by itself. */
import { expect, test } from 'vitest'
import { seededRandom } from '../sim/clock.ts'
import { DAY_MS } from './day.ts'
import { openJobs, runAll } from './jobs.ts'
import { HOUR_MS } from './limits.ts'
import { command, connected, enrolled, METRIC_NAMES, openHistory } from './testing/history.ts'

const T0 = Date.UTC(2026, 10, 20, 22)
const DONE = [
  ['issued', 0],
  ['sent', 1],
  ['acked', 5],
  ['done', 5],
] as const

test('made in shares of a day it comes to what is made at once, and nothing is made twice', async () => {
  const rows = ['demo-01', 'demo-02'].flatMap((hub) => [
    enrolled(hub, T0),
    ...connected(hub, T0, T0 + 3 * DAY_MS),
    ...[0, 1, 2].flatMap((day) =>
      command(
        hub,
        `${hub}-${day}`,
        T0 + day * DAY_MS,
        [...DONE].map(([s, ms]) => [s, ms]),
      ),
    ),
  ])
  await using whole = await openHistory(T0 + 3 * DAY_MS)
  await using shared = await openHistory(T0 + 3 * DAY_MS)
  for (const history of [whole, shared]) await history.add(rows)
  await whole.jobs.run()
  const { lake, clock } = shared
  const scratch_folder = lake.store.localPath?.('scratch-shares') ?? ''
  await using jobs = await openJobs({ lake, clock, random: seededRandom(3), scratch_folder, units_a_run: 1 })
  const first = await jobs.run()
  expect(first.find(({ metric }) => metric === 'command_traces')).toMatchObject({ left: expect.any(Number) })
  const newest = first.find(({ metric }) => metric === 'latency_hours')?.units.at(-1)?.hour_ms
  expect(newest).toBe(Math.floor((T0 + 3 * DAY_MS) / HOUR_MS) * HOUR_MS)
  const runs = [...first, ...(await runAll(jobs))]
  expect(await jobs.plan()).toEqual([])
  for (const metric of METRIC_NAMES) {
    expect(await shared.rows(metric), metric).toEqual(await whole.rows(metric))
    const units = runs.filter((run) => run.metric === metric).flatMap((run) => run.units)
    expect(units.length, metric).toBe(new Set(units.map(({ hour_ms, bucket }) => `${hour_ms}/${bucket}`)).size)
  }
})
