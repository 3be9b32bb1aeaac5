/** A long back-fill is made in shares, each committed by itself. */
import { expect, test } from 'vitest'
import { seededRandom } from '../sim/clock.ts'
import { catalogue } from './catalogue.ts'
import { DAY_MS } from './day.ts'
import { type MetricRun, openJobs } from './jobs.ts'
import { HOUR_MS } from './limits.ts'
import { command, connected, enrolled, openHistory } from './testing/history.ts'

/** Those that carry and those that do not, and what they read. */
const NAMES = ['hubs', 'command_traces', 'sessions', 'stream_hours', 'hub_hours', 'latency_hours']
const METRICS = catalogue().filter(({ name }) => NAMES.includes(name))
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
    ...connected(hub, T0, T0 + 27 * HOUR_MS),
    ...[0, 1, 2].flatMap((day) =>
      command(
        hub,
        `${hub}-${day}`,
        T0 + day * DAY_MS,
        [...DONE].map(([s, ms]) => [s, ms]),
      ),
    ),
  ])
  await using whole = await openHistory(T0 + 27 * HOUR_MS, 1, METRICS)
  await using shared = await openHistory(T0 + 27 * HOUR_MS, 1, METRICS)
  for (const history of [whole, shared]) await history.add(rows)
  await whole.jobs.run()
  const { lake, clock } = shared
  const scratch_folder = lake.store.localPath?.('scratch-shares') ?? ''
  await using jobs = await openJobs({
    lake,
    clock,
    random: seededRandom(3),
    scratch_folder,
    units_a_run: 1,
    // And each bucket by itself.
    rows_at_once: 1,
    metrics: METRICS,
  })
  const shares: (readonly MetricRun[])[] = []
  const runs = await jobs.run({ ran: (share) => void shares.push(share) })
  const newest = shares[0]?.find(({ metric }) => metric === 'latency_hours')?.units.at(-1)?.hour_ms
  expect(newest).toBe(Math.floor((T0 + 27 * HOUR_MS) / HOUR_MS) * HOUR_MS)
  expect(shares.length).toBeGreaterThan(2)
  expect(await jobs.plan()).toEqual([])
  for (const { name: metric } of METRICS) {
    expect(await shared.rows(metric), metric).toEqual(await whole.rows(metric))
    const units = runs.filter((run) => run.metric === metric).flatMap((run) => run.units)
    expect(units.length, metric).toBe(new Set(units.map(({ hour_ms, bucket }) => `${hour_ms}/${bucket}`)).size)
  }
})
