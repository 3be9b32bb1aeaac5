import { expect, test } from 'vitest'
import { bucketOf } from '../contract/bucket.ts'
import { dayOf } from './day.ts'
import { HOUR_MS } from './limits.ts'
import {
  BUCKETS,
  batch,
  command,
  connected,
  connection,
  enrolled,
  type History,
  health,
  openHistory,
  sameAsAnew,
} from './testing/history.ts'

const T0 = Date.UTC(2026, 10, 20, 22)
const MINUTE = 60_000
const DONE: readonly [string, number, boolean?][] = [
  ['issued', 0],
  ['sent', 2],
  ['received', 0, true],
  ['executed', 40, true],
  ['acked', 50],
  ['done', 50],
]

/** Two hubs, connected for four hours over midnight, a command each hour, one batch each hour. */
async function twoHubs(): Promise<History> {
  const history = await openHistory(T0 + 4 * HOUR_MS + 5 * MINUTE)
  const rows = ['demo-01', 'demo-02'].flatMap((hub) => [
    enrolled(hub, T0),
    ...connected(hub, T0, T0 + 4 * HOUR_MS),
    ...[0, 1, 2, 3].flatMap((h) => [
      ...command(hub, `${hub}-${h}`, T0 + h * HOUR_MS + 10 * MINUTE, DONE),
      health(hub, T0 + h * HOUR_MS + MINUTE),
      batch(hub, T0 + h * HOUR_MS + 11 * MINUTE, h * 10, 10),
    ]),
  ])
  await history.add(rows)
  return history
}

test('four connected hours of two hubs are fully available, with every command done and nothing lost', async () => {
  await using history = await twoHubs()
  await history.jobs.run()
  const fleet = await history.rows('fleet_hours', `firmware = '*' AND complete`)
  expect(fleet).toHaveLength(4)
  for (const hour of fleet) {
    expect(hour).toMatchObject({ hubs: '2', availability: 1, issued: '2', done: '2', command_success: 1 })
    expect(hour).toMatchObject({ sent: '20', stored: '20', lost: '0', pending: '0', disconnects: '0' })
    expect(hour['tap_to_light_p50_ms']).toBeCloseTo(2 + 4 + 40, 0)
    expect(hour['issued_to_acked_p99_ms']).toBeCloseTo(50, 0)
  }
  expect(await history.jobs.plan()).toEqual([])
  expect(await history.jobs.run()).toEqual([])
})

test('a command that says it was issued a year ago makes that hour, and not the year between', async () => {
  await using history = await twoHubs()
  const usual = await history.jobs.plan()
  const one_hour = usual.filter(({ hour_ms }) => hour_ms === T0)
  const one_day = usual.filter(({ hour_ms }) => hour_ms === dayOf(T0))
  const long_ago = T0 - 360 * 24 * HOUR_MS
  const said = command('demo-01', 'old', long_ago, DONE).map((row) => ({ ...row, event_time: T0, received_time: T0 }))
  await history.add(said)
  const plan = await history.jobs.plan()
  expect(plan).toHaveLength(usual.length + one_hour.length + one_day.length)
  expect(new Set(plan.filter(({ hour_ms }) => hour_ms < dayOf(T0)).map(({ hour_ms }) => hour_ms))).toEqual(
    new Set([0, long_ago, dayOf(long_ago)]),
  )
  await history.jobs.run()
  expect(await history.rows('command_traces', `command_id = 'old'`)).toMatchObject([{ outcome: 'done' }])
  await expect(history.look.explain('hub_hours', long_ago + HOUR_MS)).rejects.toThrow(
    /more than a month around it; the next hour that it has is 2026-11-20T22:00Z/,
  )
})

test('tells of each metric what is computed, up to which hour, and what is due', async () => {
  await using history = await twoHubs()
  const before = await history.look.status()
  expect(before.map(({ computed, newest_ms }) => [computed, newest_ms])).toEqual(before.map(() => [0, undefined]))
  const of = async (name: string) => (await history.look.status()).find(({ metric }) => metric === name)
  expect((await of('fleet_hours'))?.due).toHaveLength(5)
  await history.jobs.run()
  // Of the whole fleet an hour is one unit; the fifth still runs.
  expect(await of('fleet_hours')).toMatchObject({ computed: 5, newest_ms: T0 + 4 * HOUR_MS, due: [] })
  expect(await of('hubs')).toMatchObject({ computed: BUCKETS, newest_ms: 0, due: [] })
})

test('a late stage recomputes the hour of its issue, and that day, and no other, and equals a full recompute', async () => {
  await using history = await twoHubs()
  await history.jobs.run()
  const late = T0 + HOUR_MS + 20 * MINUTE
  await history.add(
    command('demo-01', 'late', late, [
      ['issued', 0],
      ['offline', 1],
    ]),
  )
  const planned = await history.jobs.plan()
  const bucket = bucketOf('demo-01', BUCKETS)
  expect(planned.filter(({ metric }) => metric === 'command_traces')).toEqual([
    { metric: 'command_traces', hour_ms: T0 + HOUR_MS, bucket, cause: 'events moved' },
  ])
  const runs = await history.jobs.run()
  expect(new Set(runs.flatMap(({ units }) => units.map(({ hour_ms }) => hour_ms)))).toEqual(
    new Set([T0 + HOUR_MS, dayOf(T0)]),
  )
  expect(await history.jobs.plan()).toEqual([])
  await sameAsAnew(history)
})

test('a disconnect that comes late changes the hours that its session crosses', async () => {
  await using history = await twoHubs()
  await history.jobs.run()
  await history.add([connection('demo-01', 'disconnected', T0 + HOUR_MS + 30 * MINUTE, '1.1.1', { planned: 'false' })])
  const runs = await history.jobs.run()
  const sessions = runs
    .find(({ metric }) => metric === 'sessions')
    ?.units.map(({ hour_ms }) => (hour_ms - T0) / HOUR_MS)
  expect(sessions).toEqual([1, 2, 3, 4])
  const hours = await history.rows('hub_hours', `hub_id = 'demo-01' AND complete`)
  expect(hours.map((row) => row['availability'])).toEqual([1, 0.5, 0, 0])
  expect(hours.map((row) => row['disconnects'])).toEqual(['0', '1', '0', '0'])
  await sameAsAnew(history)
})

test('a silent hub has rows, with nothing connected', async () => {
  await using history = await twoHubs()
  await history.add([enrolled('demo-03', T0)])
  await history.jobs.run()
  const silent = await history.rows('hub_hours', `hub_id = 'demo-03' AND complete`)
  expect(silent.map((row) => [row['expected_ms'], row['availability']])).toEqual(
    Array.from({ length: 4 }, () => ['3600000', 0]),
  )
})

test('what a batch leaves open is pending, is stored when it comes, and lost when its boot is closed', async () => {
  await using history = await twoHubs()
  const at = T0 + 2 * HOUR_MS + 40 * MINUTE
  await history.add([
    batch('demo-01', at, 45, 5),
    batch('demo-01', at + HOUR_MS, 50, 5, {
      boot_id: '1-2-cccccccc',
      batch_first: 0,
      batch_next: 5,
      batch_dropped: JSON.stringify({
        dropped: [],
        previous: [{ boot: '1-1-bbbbbbbb', next: 60, acked: 50, dropped: [[50, 52]], held: false }],
      }),
    }),
  ])
  await history.jobs.run()
  const rows = await history.rows(
    'stream_hours',
    `hub_id = 'demo-01' AND boot_id = '1-1-bbbbbbbb' AND hour >= '2026-11-21'`,
  )
  const numbers = rows
    .slice(0, 2)
    .map((row) => ['pending_before', 'sent', 'stored', 'dropped', 'lost', 'pending'].map((name) => Number(row[name])))
  expect(numbers).toEqual([
    [0, 30, 15, 0, 0, 15],
    [15, 10, 10, 2, 13, 0],
  ])
  await sameAsAnew(history)
})
