/**
 * What each metric means, case by case: a few hubs that each had something happen to them, and the numbers that a person
 * counts from it by hand. Three hours, all over.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bucketOf } from '../contract/bucket.ts'
import { HOUR_MS } from './limits.ts'
import {
  alive,
  BUCKETS,
  batch,
  command,
  connected,
  connection,
  enrolled,
  type History,
  openHistory,
  type Row,
} from './testing/history.ts'

const T0 = Date.UTC(2026, 10, 20, 8)
const MINUTE = 60_000
const after = (hours: number, minutes = 0, ms = 0) => T0 + hours * HOUR_MS + minutes * MINUTE + ms
const by = (source_id: string, rows: readonly Row[]): Row[] => rows.map((row) => ({ ...row, source_id }))
const lost = (hub: string, at_ms: number, epoch: string) =>
  connection(hub, 'disconnected', at_ms, epoch, { planned: 'false' })

let history: History

beforeAll(async () => {
  history = await openHistory(after(3, 5))
  const everyone = ['window', 'taken', 'crashing', 'outcomes', 'retired', 'silent-15', 'next-run', 'unknown']
  await history.add([
    ...everyone.filter((hub) => hub !== 'window' && hub !== 'retired').map((hub) => enrolled(hub, T0)),
    // relay-0 lives all the time, and says so in each bucket.
    ...new Map(everyone.map((hub) => [bucketOf(hub, BUCKETS), hub]))
      .values()
      .flatMap((hub) => alive(hub, T0, after(3, 5))),
    ...window(),
    ...taken(),
    ...crashing(),
    ...outcomes(),
    ...retired(),
    ...lostRelays(),
    ...command('stranger', 'to a stranger', after(0, 10), [
      ['issued', 0],
      ['offline', 1],
    ]),
  ])
  await history.jobs.run()
}, 60_000)

afterAll(() => history[Symbol.asyncDispose]())

/** Enrolled half an hour in, in maintenance for half an hour, when it is rebooted and told something. */
function window(): Row[] {
  const maintenance = JSON.stringify([{ from_ms: after(1, 15), to_ms: after(1, 45) }])
  return [
    enrolled('window', after(0, 30), { maintenance }),
    connection('window', 'connected', after(0, 30), '1.1.1'),
    lost('window', after(1, 20), '1.1.1'),
    ...command('window', 'in the window', after(1, 30), [
      ['issued', 0],
      ['offline', 1],
    ]),
    connection('window', 'connected', after(1, 40), '1.2.1'),
  ]
}

/** Connects anew over a line that it had lost, twice within a second; an hour later it is away for two minutes. */
function taken(): Row[] {
  return [
    connection('taken', 'connected', T0, '1.1.1'),
    // An older relay called the end of a take-over planned.
    {
      ...connection('taken', 'disconnected', after(0, 10), '1.1.1', { planned: 'true' }),
      reason: 'taken-over',
    },
    connection('taken', 'connected', after(0, 10, 2), '1.1.2'),
    connection('taken', 'connected', after(0, 10, 602), '1.1.3'),
    lost('taken', after(1, 10), '1.1.3'),
    connection('taken', 'connected', after(1, 12), '1.1.4'),
  ]
}

/** Up for a minute every ten. */
function crashing(): Row[] {
  return Array.from({ length: 18 }, (_, i) => [
    connection('crashing', 'connected', after(0, 10 * i), `1.${i + 1}.1`),
    lost('crashing', after(0, 10 * i + 1), `1.${i + 1}.1`),
  ]).flat()
}

/** One command for each way in which a command can end, in the hour of 8 o'clock. */
function outcomes(): Row[] {
  const at = (minute: number) => after(0, minute)
  const told = (id: string, minute: number, ...stages: [string, number, boolean?][]) =>
    command('outcomes', id, at(minute), [['issued', 0], ...stages])
  return [
    // Offline at one relay, done at another to which the app turned two seconds later.
    ...by('relay-1', told('done elsewhere', 1, ['offline', 1])),
    ...command('outcomes', 'done elsewhere', at(1) + 2000, [
      ['issued', 0],
      ['routed', 1],
      ['sent', 2],
      ['received', 0, true],
      ['executed', 40, true],
      ['acked', 60],
      ['done', 60],
    ]),
    ...told('done and late', 2, ['done', 10], ['late', 20]),
    ...told('late', 3, ['expired', 5000], ['late', 6000]),
    ...told('interrupted', 4, ['rejected', 10]),
    ...by('relay-1', told('interrupted', 4, ['interrupted', 9000])),
    ...told('rejected', 5, ['expired', 5000], ['rejected', 6000]),
    ...told('expired', 6, ['expired', 5000]),
    ...by('relay-1', told('expired', 6, ['offline', 1])),
    ...told('offline', 7, ['offline', 1]),
    ...told('the hub knows better', 8, ['expired', 5000], ['executed', 40, true]),
    ...told('nobody knows', 9),
    ...told('at once', 10, ['sent', 0], ['acked', 30], ['done', 30]),
  ]
}

/** Retired after an hour, and told something after that. */
function retired(): Row[] {
  return [
    enrolled('retired', T0),
    enrolled('retired', after(1), { enrolled_ms: String(T0), retired_ms: String(after(1)) }),
    connection('retired', 'connected', T0, '1.1.1'),
    connection('retired', 'disconnected', after(1, 0, 5), '1.1.1', { planned: 'false' }),
    ...command('retired', 'too late', after(1, 10), [
      ['issued', 0],
      ['offline', 1],
    ]),
  ]
}

/** Three relays that fell silent: for 15 minutes and more, until their next run, and just now. */
function lostRelays(): Row[] {
  const held = (hub: string, relay: string, from_ms: number, to_ms: number) =>
    by(relay, connected(hub, from_ms, to_ms + 1))
  return [
    ...held('silent-15', 'relay-5', T0, after(0, 20)),
    batch('silent-15', after(0, 34), 0, 1),
    batch('silent-15', after(0, 36), 1, 1),
    ...held('next-run', 'relay-6', after(2), after(2, 50)),
    ...by('relay-6', alive('next-run', after(2, 55), after(3), '1-2-dddddddd')),
    ...held('unknown', 'relay-7', after(2, 40), after(2, 50)),
  ]
}

/** A hub's three hours, of one column each. */
async function hoursOf(hub: string, ...columns: readonly string[]): Promise<readonly (readonly unknown[])[]> {
  const rows = await history.rows('hub_hours', `hub_id = '${hub}' AND hour < '2026-11-20T11:00:00Z'`)
  return rows.map((row) => columns.map((column) => (row[column] === null ? null : Number(row[column]))))
}

test('availability counts the time that a hub is enrolled and not in maintenance', async () => {
  expect(await hoursOf('window', 'expected_ms', 'connected_ms', 'availability')).toEqual([
    [30 * MINUTE, 30 * MINUTE, 1],
    [30 * MINUTE, 30 * MINUTE, 1],
    [60 * MINUTE, 60 * MINUTE, 1],
  ])
  expect(await hoursOf('retired', 'expected_ms', 'connected_ms')).toEqual([
    [60 * MINUTE, 60 * MINUTE],
    [0, 0],
    [0, 0],
  ])
})

test('a hub that crashes again and again has the availability of its minutes, and each crash as a disconnect', async () => {
  const hour = [6 * MINUTE, 0.1, 6]
  expect(await hoursOf('crashing', 'connected_ms', 'availability', 'disconnects')).toEqual([hour, hour, hour])
})

test('an end in maintenance or after retirement is no unplanned disconnect', async () => {
  expect(await hoursOf('window', 'disconnects', 'planned_disconnects', 'reconnects')).toEqual([
    [0, 0, 0],
    [0, 1, 0],
    [0, 0, 0],
  ])
  expect((await hoursOf('retired', 'disconnects', 'planned_disconnects'))[1]).toEqual([0, 1])
})

test('take-overs within a second are one disconnect; MTBF and MTTR follow from the sums', async () => {
  const rows = await hoursOf('taken', 'connected_ms', 'disconnects', 'reconnects', 'reconnect_ms')
  expect(rows).toEqual([
    [60 * MINUTE - 2, 1, 1, 2],
    [58 * MINUTE, 1, 1, 2 * MINUTE],
    [60 * MINUTE, 0, 0, 0],
  ])
})

test('a relay that is silent for 15 minutes, or runs anew, lost its sessions at its last sign of life', async () => {
  const sessions = await history.rows('sessions', `ended AND hub_id IN ('silent-15', 'next-run')`)
  const told = sessions.map((row) => [row['hub_id'], row['reason'], row['planned'], row['counted']])
  expect(told).toEqual([
    ['silent-15', 'relay-lost', false, true],
    ['next-run', 'relay-lost', false, true],
  ])
  const columns = ['connected_ms', 'unknown_ms', 'disconnects'] as const
  expect((await hoursOf('silent-15', ...columns))[0]).toEqual([20 * MINUTE, 0, 1])
  expect((await hoursOf('next-run', ...columns))[2]).toEqual([50 * MINUTE, 0, 1])
})

test('what follows the last sign of life is unknown until it is explained, neither up nor down', async () => {
  const rows = await hoursOf('unknown', 'expected_ms', 'connected_ms', 'unknown_ms', 'availability', 'disconnects')
  expect(rows[2]).toEqual([60 * MINUTE, 10 * MINUTE, 10 * MINUTE, 0.2, 0])
})

test('of several outcomes on record the first of done, late, interrupted, rejected, expired, offline counts', async () => {
  const traces = await history.rows('command_traces', `hub_id = 'outcomes'`)
  expect(Object.fromEntries(traces.map((row) => [row['command_id'], row['outcome']]))).toEqual({
    'done elsewhere': 'done',
    'done and late': 'done',
    late: 'late',
    interrupted: 'interrupted',
    rejected: 'rejected',
    expired: 'expired',
    offline: 'offline',
    'the hub knows better': 'late',
    'nobody knows': 'expired',
    'at once': 'done',
  })
})

test('a command is of its earliest issue, and its durations are of the relay that tells the outcome', async () => {
  const [trace] = await history.rows('command_traces', `command_id = 'done elsewhere'`)
  expect(new Date(String(trace?.['issued_time'])).getTime()).toBe(after(0, 1))
  // Network 60 − 2 − 40 = 18, so tap to light 2 + 9 + 40 = 51, and 60 at most.
  expect(trace).toMatchObject({ relay: 'relay-0', issued_to_sent_ms: 2, round_trip_ms: 58, hub_ms: 40 })
  expect(trace).toMatchObject({ network_ms: 18, tap_to_light_ms: 51, issued_to_acked_ms: 60 })
})

test('command success is done ÷ issued to hubs that were expected, and the outcomes sum to the issued', async () => {
  const outcomes = ['issued', 'done', 'late', 'interrupted', 'rejected', 'expired', 'offline', 'running'] as const
  expect((await hoursOf('outcomes', ...outcomes))[0]).toEqual([10, 3, 2, 1, 1, 2, 1, 0])
  for (const hub of ['window', 'retired']) {
    expect((await hoursOf(hub, 'issued', 'offline', 'unexpected'))[1], hub).toEqual([0, 0, 1])
  }
  expect((await hoursOf('stranger', 'issued', 'unexpected', 'expected_ms'))[0]).toEqual([0, 1, 0])
  const [fleet] = await history.rows('fleet_hours', `firmware = '*' AND hour = '2026-11-20T08:00:00Z'`)
  expect(fleet).toMatchObject({ issued: '10', done: '3', command_success: 0.3 })
})

test('durations are in buckets of 1 % relative error; zero and below stand apart', async () => {
  const histogram = async (hop: string) => {
    const rows = await history.rows('latency_hours', `hop = '${hop}' AND hour = '2026-11-20T08:00:00Z'`)
    return rows.map((row) => [row['log_bucket'], Number(row['count']), row['min_ms'], row['max_ms']])
  }
  // ln 51 ÷ ln(1.01 ÷ 0.99) = 196.59
  expect(await histogram('tap_to_light')).toEqual([[197, 1, 51, 51]])
  // ln 2 ÷ ln(1.01 ÷ 0.99) = 34.66
  expect(await histogram('relay_share')).toEqual([
    [35, 1, 2, 2],
    [null, 1, 0, 0],
  ])
})
