import { mkdir, readdir, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { catalogue } from './catalogue.ts'
import { HOUR_MS } from './limits.ts'
import type { Rehearsed } from './rehearsal.ts'
import { alive, batch, command, connected, connection, enrolled, METRIC_NAMES, openHistory } from './testing/history.ts'

const T0 = Date.UTC(2026, 10, 20, 22)

test('a rehearsal names the units that a run then makes, those that only follow too, and leaves no trace', async () => {
  await using history = await openHistory(T0 + 6 * HOUR_MS + 5 * 60_000)
  await history.add([
    enrolled('demo-01', T0),
    ...alive('demo-01', T0, T0 + 6 * HOUR_MS),
    batch('demo-01', T0 + 5 * HOUR_MS, 0, 10),
  ])
  await history.jobs.run()
  expect(await history.rehearse()).toEqual([])
  const versions = async () =>
    await Promise.all(METRIC_NAMES.map(async (name) => (await (await history.lake.table(name)).snapshot()).version))
  const before = await versions()
  // Late: a session over three hours, and a command within it.
  const late = [
    connection('demo-01', 'connected', T0 + HOUR_MS + 30 * 60_000, '1.1.1'),
    connection('demo-01', 'disconnected', T0 + 3 * HOUR_MS + 30 * 60_000, '1.1.1'),
    ...command('demo-01', 'c', T0 + 2 * HOUR_MS + 60_000, [
      ['issued', 0],
      ['done', 5],
    ]),
  ]
  await history.add(late.map((row) => ({ ...row, received_time: history.clock.now() })))
  const direct = await history.jobs.plan()
  const rehearsed = await history.rehearse()
  expect(await versions()).toEqual(before)
  const runs = await history.jobs.run()
  expect(rehearsed).toEqual(runs.flatMap(({ units }) => units))
  expect(rehearsed.length).toBeGreaterThan(direct.length)
  const hours = (metric: string) =>
    rehearsed.filter((unit) => unit.metric === metric).map(({ hour_ms }) => (hour_ms - T0) / HOUR_MS)
  expect(hours('command_traces')).toEqual([2])
  // From its first hour on: it ended, and the hub is not back, which each later hour goes on from.
  expect(hours('sessions')).toEqual([1, 2, 3, 4, 5, 6])
  // They read those rows; what comes out for the hours after 3 is what it was, and the fleet's hours stay.
  expect(hours('hub_hours')).toEqual([1, 2, 3, 4, 5, 6])
  expect(hours('fleet_hours')).toEqual([1, 2, 3])
  expect(hours('latency_hours')).toEqual([2])
  // Batches belong to the hour of their receipt, which is the running one.
  expect(hours('stream_hours')).toEqual([6])
}, 60_000)

test('of a metric whose check fails a rehearsal names what it would make, and why it fails, and goes on with the others', async () => {
  const strict = catalogue().map((metric) =>
    metric.name === 'sessions' ? { ...metric, checks: [{ name: 'no', condition: 'FALSE' }] } : metric,
  )
  await using history = await openHistory(T0 + HOUR_MS + 5 * 60_000, 1, strict)
  await history.add([enrolled('demo-01', T0), ...connected('demo-01', T0, T0 + HOUR_MS)])
  const direct = await history.jobs.plan()
  const rehearsed = await history.rehearse()
  const of = (units: readonly Rehearsed[], metric: string) => units.filter((unit) => unit.metric === metric)
  const failed = of(rehearsed, 'sessions')
  expect(failed.map(({ failed: _, ...unit }) => unit)).toEqual(of(direct, 'sessions'))
  expect(failed.every(({ failed: why }) => why?.startsWith('sessions failed its check "no"'))).toBe(true)
  // It waits for what it reads.
  expect(of(rehearsed, 'hub_hours')).toEqual(of(direct, 'hub_hours'))
  expect(of(rehearsed, 'command_traces')).toEqual(of(direct, 'command_traces'))
  expect(failed.length * of(rehearsed, 'command_traces').length).toBeGreaterThan(0)
})

test('what a killed rehearsal left is swept away a day later', async () => {
  await using history = await openHistory(Date.now())
  const scratch = join(fileURLToPath(history.lake.store.url), '..', 'scratch')
  const left = async (name: string, age_ms: number) => {
    await mkdir(join(scratch, name), { recursive: true })
    const time_s = (history.clock.now() - age_ms) / 1000
    await utimes(join(scratch, name), time_s, time_s)
  }
  await left('rehearsal-old', 25 * HOUR_MS)
  await left('rehearsal-young', 23 * HOUR_MS)
  await left('other', 25 * HOUR_MS)
  await history.rehearse()
  expect((await readdir(scratch)).sort()).toEqual(['other', 'rehearsal-young'])
})
