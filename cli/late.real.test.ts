/**
 * Late data, end to end: two homes and the relay between them and the world are cut off for two days while the fleet goes
 * on and its metrics are made. Then they are back. What is due is told from what was sent, in the test's own words.
 */
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { bucketOf, EMBEDDED_BUCKETS } from '../contract/bucket.ts'
import { commandId } from '../contract/command.ts'
import { catalogue, METRICS } from '../jobs/catalogue.ts'
import { DAY_MS, dayOf } from '../jobs/day.ts'
import { type At, type HeldSource, openHeldSource } from './testing/held-source.ts'
import { openSystem, type Running, type System, until } from './testing/system.ts'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
const SETTLE_MS = 120_000
const HUB = 'late-01'
/** It told its relay nothing: only its telemetry is late, of two runs. */
const OTHER = 'late-02'

type Due = { readonly metric: string; readonly hour_ms: number; readonly bucket: number }

let system: System
let up: Running
let hubs: Running
let relay: HeldSource
const METRICS_OF_HOURS = new Set(
  catalogue()
    .filter(({ columns }) => columns.some(({ name }) => name === 'hour'))
    .map(({ name }) => name),
)
/** Hour 0 of the story: 52 hours before the running hour. */
let base_ms: number
/** Hours before this one are over; in what comes after, live hubs speak and time passes. */
let running_ms: number
/** When the metrics were made last. */
let made_ms: number

const at = (hour: number, minute = 0) => base_ms + hour * HOUR_MS + minute * MINUTE_MS
const hours = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

const health = (hour: number, minute = 0): At => ({
  time_ms: at(hour, minute),
  event: { kind: 'health', uptime_ms: 1000, queue: 0, rssi_dbm: -60 },
})
const reading = (hour: number): At => ({
  time_ms: at(hour, 7),
  event: { kind: 'reading', device: 'hall', attribute: 'temperature', value: 20.5, unit: '°C' },
})
const connection = (stage: string, epoch: string, time_ms: number, more = {}): At => ({
  time_ms,
  event: { kind: 'connection', hub: HUB, stage, epoch, ...more },
})
/** A relay says each minute that it lives, while a session is open. */
const alive = (from_ms: number, to_ms: number): At[] =>
  Array.from({ length: Math.floor((to_ms - from_ms) / MINUTE_MS) }, (_, i) => ({
    time_ms: from_ms + (i + 1) * MINUTE_MS,
    event: { kind: 'alive', hub: HUB },
  }))
/** A session with its signs of life. */
const session = (epoch: string, from_ms: number, to_ms: number): At[] => [
  connection('connected', epoch, from_ms),
  ...alive(from_ms, to_ms),
  connection('disconnected', epoch, to_ms, { reason: 'keep-alive-timeout', planned: false }),
]
function stages(
  key: string,
  issued: number,
  told: readonly (readonly [stage: string, ms: number])[],
  byHub = false,
): At[] {
  const command = commandId('home', 'app', HUB, key, new Date(issued).toISOString().slice(0, 10))
  const about = { kind: 'command', command, issued, device: 'kitchen-lamp', ...(byHub ? {} : { hub: HUB }) }
  return told.map(([stage, ms]) => ({
    time_ms: issued + ms,
    event: {
      ...{ ...about, stage, ms },
      ...(stage === 'issued' ? { app: 'app', deadline_ms: 5000, set: '{"powered":true}' } : {}),
    },
  }))
}
const DONE = [
  ['issued', 0],
  ['sent', 2],
  ['acked', 60],
  ['done', 60],
] as const
const HEARD = [
  ['received', 10],
  ['executed', 50],
] as const
const UNHEARD = [
  ['issued', 0],
  ['sent', 2],
  ['expired', 5000],
] as const
const COMMAND_HOURS = [9, 11, 21] as const

beforeAll(async () => {
  // The schedule looks once, at its start; after that the test says when.
  system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '500', HEARTH_JOBS_INTERVAL_MS: '86400000' })
  const now_ms = Date.now()
  running_ms = Math.floor((now_ms - SETTLE_MS) / HOUR_MS) * HOUR_MS
  base_ms = running_ms - 52 * HOUR_MS
  for (const hub of [HUB, OTHER]) {
    await system.must(['registry', 'add', hub, '--from', new Date(base_ms - HOUR_MS).toISOString()])
  }
  up = system.start(['up', '--demo', '--hubs', '2', '--days', '3'])
  await up.untilSaid(/Hearth is ready/, 120_000)

  // In time: an hour and a half of the one home, an hour of the other, and that the first was back at hour 46.
  const boot = { boot_ms: at(0, 1), firmware: '4.1.0' }
  relay = await openHeldSource(system, { source: 'relay-9', role: 'service', generation: 1 }, boot)
  const hub = await openHeldSource(system, { source: HUB, role: 'hub', generation: 1 }, boot)
  const other = await openHeldSource(system, { source: OTHER, role: 'hub', generation: 1 }, boot)
  await relay.tell([
    ...session('1.1.1', at(0, 10), at(1, 50)),
    ...stages('in-time', at(0, 20), DONE),
    ...stages('unheard', at(1, 20), UNHEARD),
    ...stages('unheard for long', at(0, 40), UNHEARD),
  ])
  await hub.tell([health(0, 5), ...stages('in-time', at(0, 20), HEARD, true), health(1, 5)])
  await other.tell([health(0, 5)])
  const away = await openHeldSource(
    system,
    { source: 'relay-8', role: 'service', generation: 1 },
    { boot_ms: at(46), firmware: '1' },
  )
  await away.tell([connection('connected', '1.1.9', at(46, 5)), ...alive(at(46, 5), now_ms)])
  for (const source of [relay, hub, other, away]) await source.send()
  away.close()

  // Held: two days.
  await relay.tell([
    ...session('1.1.2', at(8, 20), at(12, 40)),
    ...session('1.1.3', at(20, 5), at(22, 30)),
    ...COMMAND_HOURS.flatMap((hour) => stages(`held ${hour}`, at(hour, 30), DONE)),
    // When the line of the home was back, its hub told what had become of it.
    ...stages('unheard', at(1, 20), [['late', at(8, 21) - at(1, 20)]]),
  ])
  await hub.tell([
    ...stages('unheard', at(1, 20), HEARD, true),
    reading(4),
    reading(5),
    ...COMMAND_HOURS.flatMap((hour) => stages(`held ${hour}`, at(hour, 30), HEARD, true)),
  ])
  await other.tell([reading(10)])
  for (const source of [hub, other]) source.close()
  const upgraded = { boot_ms: at(48, 1), firmware: '4.2.0' }
  const next = await openHeldSource(system, { source: OTHER, role: 'hub', generation: 1 }, upgraded)
  await next.tell([health(48, 5), health(49, 5)])
  next.close()
  await made()
}, 300_000)

afterAll(() => system[Symbol.asyncDispose]())

/** Metrics are made; also by the tree's own schedule, whose first look may still go on. */
async function made(): Promise<void> {
  await until('all that is over is made', 200_000, async () => {
    await system.run(['jobs', 'run'])
    return (await planned(['--direct'])).length === 0
  })
}

async function make(): Promise<void> {
  made_ms = Date.now()
  await system.must(['jobs', 'run'])
}

/** What the plan lists of the hours that are over. */
async function planned(words: readonly string[] = []): Promise<readonly Due[]> {
  const units: unknown = JSON.parse(await system.must(['jobs', 'plan', '--json', ...words]))
  if (!Array.isArray(units)) throw new Error('the plan is a list')
  return units.filter((unit: Due) => unit.hour_ms < running_ms)
}

/** `metric hour bucket`, hours counted from the story's own. */
const listed = (units: readonly Due[]) =>
  units.map(({ metric, hour_ms, bucket }) => `${metric} ${(hour_ms - base_ms) / HOUR_MS} ${bucket}`).sort()

const due = (metric: string, which: readonly number[], hub: string | undefined): string[] => {
  const bucket = hub === undefined ? -1 : bucketOf(hub, EMBEDDED_BUCKETS)
  return which.map((hour) => `${metric} ${hour} ${bucket}`)
}

/** The days of these hours that are over, as hours of the story. */
const days = (which: readonly number[]) =>
  [...new Set(which.map((hour) => dayOf(at(hour))))]
    .filter((day_ms) => day_ms + DAY_MS <= running_ms)
    .map((day_ms) => (day_ms - base_ms) / HOUR_MS)

/** How many rows of `events` these hubs' two days have. */
async function arrived(): Promise<number> {
  const [row] = await system.csv(
    `select count(*) from events where kind in ('reading', 'health', 'command') and source_id in ('${HUB}', '${OTHER}') and event_time < to_timestamp(${running_ms / 1000})`,
  )
  return Number(row?.[0])
}

/**
 * A metric's rows of the hours that are over; all hours that were made of `stream_hours`: what came this hour belongs to
 * it, and its rows do not tell how far the hour has gone.
 */
function table(of: System, metric: string): Promise<string> {
  const end_ms = metric === 'stream_hours' ? made_ms : running_ms
  const ofHours = METRICS_OF_HOURS.has(metric)
  const where = !ofHours ? '' : `where hour < to_timestamp(${end_ms / 1000})`
  return of.must(['sql', '--csv', `select * from ${metric} ${where} order by all`])
}

it('plans exactly what two late days affect, and nothing once it is made', { timeout: 300_000 }, async () => {
  expect(await planned()).toEqual([])
  const before = await arrived()
  // The line is back: the relay sends its spool, and the homes' agents find their outboxes as they were left.
  hubs = system.start(['hub', '--simulated', '2', '--prefix', 'late-'])
  await relay.send()
  const held = 2 + 2 + 2 * COMMAND_HOURS.length + 1 + 2
  await until('the two days are in the table', 60_000, async () => (await arrived()) >= before + held)
  expect(await arrived()).toBe(before + held)
  // Nobody speaks any more, so that the plan is about what came.
  for (const running of [hubs, up]) running.signal('SIGTERM')
  expect([await hubs.ended, await up.ended]).toEqual(Array.from({ length: 2 }, () => ({ code: 0, signal: null })))

  /** The hours of its events, its relay's word of it among them. */
  const events = [1, 4, 5, ...hours(8, 12), ...hours(20, 22)]
  /** The hours in which its commands were issued: one of them is from before the line fell. */
  const issued = [1, ...COMMAND_HOURS]
  /** From the first late connect until it was known to be back. */
  const sessions = hours(8, 46)
  /** The other's new run, with its new firmware, is the newest known from here on. */
  const booted = hours(48, 51)
  /** Where a hub's hour came out otherwise: connected, back again, commands, firmware; not for readings alone. */
  const other = [1, ...hours(8, 12), ...hours(20, 22), 46, ...booted]
  const expected = [
    ...due('command_traces', issued, HUB),
    ...due('sessions', [...events, ...sessions], HUB),
    ...due('sessions', [10, 48, 49], OTHER),
    ...due('hub_hours', [...events, ...sessions], HUB),
    ...due('hub_hours', [10, ...booted], OTHER),
    ...due('latency_hours', issued, HUB),
    ...due('fleet_hours', other, undefined),
    ...due('slo_hours', other, undefined),
    ...due('device_days', days(issued), undefined),
    ...due('firmware_cohorts', days(other), undefined),
  ]
  expect(listed(await planned())).toEqual([...new Set(expected)].sort())
  await make()
  expect(await planned()).toEqual([])
})

it('makes anew the hour of issue alone, and its day, when a stage comes two days late', {
  timeout: 300_000,
}, async () => {
  const ingest = system.start(['ingest'])
  await ingest.untilSaid(/telemetry on mqtts:/, 30_000)
  await relay.tell(stages('unheard for long', at(0, 40), [['late', Date.now() - at(0, 40)]]))
  await relay.send()
  ingest.signal('SIGTERM')
  expect(await ingest.ended).toEqual({ code: 0, signal: null })
  relay.close()
  expect(listed(await planned())).toEqual(
    [
      ...due('command_traces', [0], HUB),
      ...due('hub_hours', [0], HUB),
      ...due('latency_hours', [0], HUB),
      ...due('fleet_hours', [0], undefined),
      ...due('slo_hours', [0], undefined),
      ...due('device_days', days([0]), undefined),
      ...due('firmware_cohorts', days([0]), undefined),
    ].sort(),
  )
  await make()
  expect(await planned()).toEqual([])
  const [row] = await system.csv(
    `select outcome from command_traces where hub_id = '${HUB}' and hour = to_timestamp(${at(0) / 1000}) and outcome <> 'done'`,
  )
  expect(row).toEqual(['late'])
})

it('leaves the tables as a recompute of everything makes them', { timeout: 300_000 }, async () => {
  await sameAsAnew()
  // And they say what the story says.
  const [row] = await system.csv(
    `select sum(connected_ms), sum(disconnects), sum(done), sum(late), sum(expired) from hub_hours where hub_id = '${HUB}' and hour >= to_timestamp(${at(1) / 1000}) and hour < to_timestamp(${at(46) / 1000})`,
  )
  const connected_ms = at(1, 50) - at(1) + (at(12, 40) - at(8, 20)) + (at(22, 30) - at(20, 5))
  const told = row?.map(Number) ?? []
  // The relay's own clock counts, so a session's ends are right to within the delay of one transmission.
  expect(Math.abs((told[0] ?? 0) - connected_ms)).toBeLessThan(10_000)
  expect(told.slice(1)).toEqual([3, COMMAND_HOURS.length, 1, 0])
})

/** Another state folder with the same events and no metrics makes them all; each table is the same, row by row. */
async function sameAsAnew(): Promise<void> {
  await using other = await openSystem()
  cpSync(join(system.home, 'lake'), join(other.home, 'lake'), { recursive: true })
  for (const metric of METRICS) rmSync(join(other.home, 'lake', metric), { recursive: true })
  // The later half first: what was made without the hours before it is made again when those are there.
  const day = new Date(base_ms + 24 * HOUR_MS).toISOString().slice(0, 13)
  await other.must(['jobs', 'backfill', '--from', day, '--to', new Date(running_ms).toISOString().slice(0, 13)])
  // Started twice, as a queue may do: both end well, and what the one committed the other found made.
  const runs = await Promise.all([runUnits(other), runUnits(other)])
  for (const metric of METRICS) {
    // Of the running hour each may have made what had moved.
    const [fewer] = runs.map((units) => units.get(metric) ?? 0).sort((a, b) => a - b)
    expect(fewer, metric).toBeLessThanOrEqual(EMBEDDED_BUCKETS)
  }
  for (const metric of METRICS) {
    const [mine, anew] = [await table(system, metric), await table(other, metric)]
    expect(mine.split('\n').length, metric).toBeGreaterThan(2)
    expect(mine === anew ? 'the same' : difference(mine, anew), metric).toBe('the same')
  }
}

/** `hearth jobs run`: how many units of each metric it committed. */
async function runUnits(of: System): Promise<ReadonlyMap<string, number>> {
  const runs: unknown = JSON.parse(await of.must(['jobs', 'run', '--json']))
  if (!Array.isArray(runs)) throw new Error('runs are a list')
  return new Map(runs.map(({ metric, units }: { metric: string; units: number }) => [metric, units]))
}

function difference(mine: string, anew: string): string {
  const lines = new Set(anew.split('\n'))
  const only = mine.split('\n').filter((line) => !lines.has(line))
  return `${only.length} rows are otherwise, as ${only.slice(0, 3).join(' | ')}`
}
