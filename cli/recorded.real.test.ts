/** Recorded rooms go in as hubs, through mutual TLS and MQTT; the table and a day of metrics are held against the files. */
import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { batchOf, packed } from '../ingest/testing/batch.ts'
import { readDelta } from '../lake/testing/delta-reader.ts'
import { batchPoster } from '../link/post-batch.ts'
import { localIdentities } from './hub-identity.ts'
import { loadConfig } from './load-config.ts'
import { machineClock as clock, machineRandom as random } from './machine.ts'
import { fleetHour, type HubHour, hubHour, type Stay } from './testing/expected-hours.ts'
import { type Reading, readRooms, recordings } from './testing/recorded-rooms.ts'
import { openSystem, type Running, type System, until } from './testing/system.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
/** Numbers of the hub that loses some: it says that it gave out 200, sends two stretches, and names ten as dropped. */
const LOSSY = { sent: 200, first: [0, 100], second: [150, 200], dropped: [120, 130], lost: 40 } as const

let system: System
let folder: string
/** By room, at the times that the table is to hold. */
let rooms: ReadonlyMap<string, readonly Reading[]>
let stays: readonly Stay[]
let shift_ms: number
/** The whole day that metrics are held against: the first after the one in which the recordings begin. */
let day_ms: number
let begun_ms: number

beforeAll(async () => {
  system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '1000' })
  begun_ms = Date.now()
  folder = recordings(system.home)
  const recorded = readRooms(folder)
  const times = [...recorded.values()].flat().map(({ time_ms }) => time_ms)
  const newest_ms = times.reduce((a, b) => Math.max(a, b), 0)
  const first_ms = times.reduce((a, b) => Math.min(a, b), newest_ms)
  // By whole days, so that the last reading is two to three days old: well within what a hub's own clock may say.
  shift_ms = Math.floor((begun_ms - 2 * DAY_MS - newest_ms) / DAY_MS) * DAY_MS
  rooms = new Map(
    [...recorded].map(([room, list]) => [room, list.map((one) => ({ ...one, time_ms: one.time_ms + shift_ms }))]),
  )
  day_ms = Math.floor((first_ms + shift_ms) / DAY_MS) * DAY_MS + DAY_MS
  stays = fleet([...rooms.keys()].sort())
  for (const stay of stays) await register(stay)
})

afterAll(() => system[Symbol.asyncDispose]())

/** Who is to be in the fleet when: hours in part by enrolment, maintenance and retirement. */
function fleet([late = '', serviced = '', ...others]: readonly string[]): readonly Stay[] {
  const enrolled_ms = day_ms - DAY_MS + 30 * MINUTE_MS
  const maintenance = [[day_ms + 10 * HOUR_MS + 15 * MINUTE_MS, day_ms + 11 * HOUR_MS + 45 * MINUTE_MS]] as const
  return [
    { hub: late, enrolled_ms: day_ms + 6 * HOUR_MS + 30 * MINUTE_MS, maintenance: [] },
    { hub: serviced, enrolled_ms, maintenance },
    ...others.map((hub) => ({ hub, enrolled_ms, maintenance: [] })),
    { hub: 'lossy-house', enrolled_ms, maintenance: [] },
    { hub: 'silent-house', enrolled_ms, maintenance: [] },
    { hub: 'sold-house', enrolled_ms, retired_ms: day_ms + 20 * HOUR_MS + 10 * MINUTE_MS, maintenance: [] },
  ]
}

const iso = (time_ms: number) => new Date(time_ms).toISOString()

async function register({ hub, enrolled_ms, retired_ms, maintenance }: Stay): Promise<void> {
  await system.must(['registry', 'add', hub, '--from', iso(enrolled_ms), '--model', 'recorded'])
  for (const [from_ms, to_ms] of maintenance) {
    await system.must(['registry', 'maintenance', hub, '--from', iso(from_ms), '--until', iso(to_ms)])
  }
  if (retired_ms !== undefined) await system.must(['registry', 'retire', hub, '--at', iso(retired_ms)])
}

async function startIngest(): Promise<Running> {
  const ingest = system.start(['ingest'])
  await ingest.untilSaid(/telemetry on mqtts:/, 60_000)
  return ingest
}

/** Ends ingest when the log is empty: what was acknowledged is in the table. */
async function end(ingest: Running): Promise<void> {
  await until('the log is empty', 120_000, async () => {
    const { stdout } = await system.run(['verify', '--json'])
    return JSON.parse(stdout).totals.in_log === 0
  })
  ingest.signal('SIGTERM')
  expect(await ingest.ended).toEqual({ code: 0, signal: null })
}

const wordsOf = (room: string) => [
  ...['hub', '--recorded', folder, '--hub', room, '--device', room, '--shift', String(shift_ms), '--json'],
]

async function replay(room: string): Promise<void> {
  const facts = (await system.must(wordsOf(room)))
    .trim()
    .split('\n')
    .map((line): Record<string, unknown> => JSON.parse(line))
  const replayed = facts.find(({ fact }) => fact === 'replayed')
  expect(replayed).toMatchObject({ hub: room, readings: rooms.get(room)?.length, bad_lines: 0, shift_ms })
}

/** Copies of a hub's disk, as somebody keeps them who restores one later. */
function copyDisk(room: string, from: string, to: string): void {
  const disk = join(system.home, 'hubs', room, 'agent.db')
  for (const part of ['', '-wal']) {
    if (existsSync(`${disk}${from}${part}`)) copyFileSync(`${disk}${from}${part}`, `${disk}${to}${part}`)
  }
}

it('keeps every recorded reading once, its value and shifted time exact', { timeout: 400_000 }, async () => {
  expect(rooms.size).toBeGreaterThanOrEqual(3)
  const [again = ''] = [...rooms.keys()].sort()
  // One hub is pulled from the wall with all of its readings on its disk and none sent; its disk is copied.
  const unplugged = system.start(wordsOf(again))
  await unplugged.untilSaid(/"fact":"boot"/, 60_000)
  await unplugged.killTree()
  copyDisk(again, '', '.copy')

  const ingest = await startIngest()
  await Promise.all([...rooms.keys()].map(replay))
  // Told again it tells nothing twice …
  await replay(again)
  // … and with the copy of its disk it tells everything twice.
  copyDisk(again, '.copy', '')
  await replay(again)
  // Ingest's drain has a limit, past which the rest waits in the log for the next start.
  const total = [...rooms.values()].reduce((sum, readings) => sum + readings.length, 0)
  await until('every reading is in the table', 200_000, async () => {
    return Number((await system.csv('select count(*) from readings'))[0]?.[0]) >= total
  })
  await end(ingest)

  for (const [room, readings] of rooms) {
    const rows = await system.csv(
      `select epoch_ms(event_time), device_id, attribute, value, time_source from readings where hub_id = '${room}'`,
    )
    const found = rows.map((row) => `${row[0]} ${row[1]} ${row[2]} ${Number(row[3])} ${row[4]}`).sort()
    const wanted = readings.map((one) => `${lineOf(one)} wall`).sort()
    expect(found.length).toBe(wanted.length)
    expect(found.findIndex((line, i) => line !== wanted[i])).toBe(-1)
  }
  expect((await system.run(['verify'])).code).toBe(0)
})

const lineOf = ({ time_ms, device, attribute, value }: Reading) => `${time_ms} ${device} ${attribute} ${value}`

it('holds the same readings for another reader of Parquet and of the Delta log', { timeout: 60_000 }, async () => {
  const date = iso(day_ms).slice(0, 10)
  const rows = await readDelta(join(system.home, 'lake', 'events'), ({ event_date }) => event_date === date)
  const found = rows
    .filter(({ kind }) => kind === 'reading')
    .map((row) => [timeOf(row['event_time']), row['device_id'], row['attribute'], Number(row['value'])].join(' '))
  const wanted = [...rooms.values()].flat().filter(({ time_ms }) => time_ms >= day_ms && time_ms < day_ms + DAY_MS)
  expect(wanted.length).toBeGreaterThan(100)
  expect(found.sort()).toEqual(wanted.map(lineOf).sort())
})

function timeOf(value: unknown): number {
  return value instanceof Date ? value.getTime() : Number.NaN
}

/** A hub of the same fleet that loses some of its readings: the first that room `serviced` recorded on the day. */
async function loseSome(readings: readonly Reading[]): Promise<void> {
  const context = {
    ...{ home: system.home, config: loadConfig(system.home, system.environment, system.home), clock, random },
    ...{ print: () => undefined, note: () => undefined, signal: new AbortController().signal },
  }
  const [identity] = await localIdentities(context, ['lossy-house'], 'recorded')
  if (!identity) throw new Error('no identity')
  const poster = batchPoster({ url: `https://127.0.0.1:${system.ports.https}`, tls: identity.tls })
  const lines = readings.map(({ time_ms, device, attribute, value }) => ({
    ...{ m: time_ms - day_ms, kind: 'reading', device, attribute, value },
  }))
  const boot = '1-1-0000a11c'
  const account = { next: LOSSY.sent, acked: LOSSY.first[1], dropped: [LOSSY.dropped] }
  const common = { stream: 'readings', now: undefined, wall: day_ms, firmware: '1.0.0', agent: 'lossy' }
  const batches = [
    batchOf(lines.slice(...LOSSY.first), { ...common, boot, next: LOSSY.sent, acked: 0 }),
    batchOf(lines.slice(...LOSSY.second), { ...common, ...account, boot, first: LOSSY.second[0] }),
    // The next run holds nothing of that one any more.
    batchOf([], { ...common, boot: '1-2-0000a11d', previous: [{ boot, ...account, held: false }] }),
  ]
  for (const batch of batches) expect(await poster.post(packed(batch))).toEqual({ kind: 'durable' })
  poster.close()
}

it('calculates a day of metrics over them that equals numbers counted from the files', {
  timeout: 400_000,
}, async () => {
  const serviced = stays[1]?.hub ?? ''
  const lossy = [...(rooms.get(serviced) ?? [])]
    .filter(({ time_ms }) => time_ms >= day_ms && time_ms < day_ms + DAY_MS)
    .sort((a, b) => a.time_ms - b.time_ms)
    .slice(0, LOSSY.sent)
  expect(lossy.length).toBe(LOSSY.sent)
  const ingest = await startIngest()
  await loseSome(lossy)
  await end(ingest)
  const verified = await system.run(['verify', '--json'])
  expect(verified.code).toBe(1)
  expect(JSON.parse(verified.stdout).totals).toMatchObject({ lost: LOSSY.lost, broken: 0, dropped: 10 })

  const now_hour_ms = Math.floor(Date.now() / HOUR_MS) * HOUR_MS
  const begun_hour_ms = Math.floor(begun_ms / HOUR_MS) * HOUR_MS
  const receipt = `hour >= make_timestamptz(${begun_hour_ms * 1000})`
  await system.must(['jobs', 'backfill', '--from', iso(day_ms - DAY_MS), '--to', iso(day_ms + DAY_MS)])
  await system.must(['jobs', 'backfill', '--from', iso(begun_hour_ms), '--to', iso(now_hour_ms + HOUR_MS)])

  const sources = new Map<string, { readonly first_ms: number; readonly firmware: string }>()
  const heard = new Map([...rooms, ['lossy-house', lossy] as const])
  for (const [hub, readings] of heard) {
    const first_ms = readings.reduce((first, { time_ms }) => Math.min(first, time_ms), Number.POSITIVE_INFINITY)
    sources.set(hub, { first_ms, firmware: hub === 'lossy-house' ? '1.0.0' : 'recorded' })
  }
  const hours = Array.from({ length: 24 }, (_, i) => day_ms + i * HOUR_MS)
  const wanted = hours.flatMap((hour_ms) =>
    stays.flatMap((stay) => hubHour(stay, sources.get(stay.hub), hour_ms) ?? []),
  )
  await hubHoursAre(wanted)
  await fleetHoursAre(hours, wanted)
  await hubsAre(serviced)
  await accountsAre(receipt, sources.keys())
})

async function hubHoursAre(wanted: readonly HubHour[]): Promise<void> {
  const rows = await system.csv(
    `select epoch_ms(hour), hub_id, firmware, expected_ms, connected_ms, unknown_ms, availability, boots, sent + stored + lost + duplicates + pending
     from hub_hours where ${within()} order by all`,
  )
  const found = rows.map((row) => row.join(' '))
  const lines = wanted.map((one) =>
    [...[one.hour_ms, one.hub, one.firmware, one.expected_ms, 0, 0, one.expected_ms > 0 ? '0' : '', one.boots, 0]].join(
      ' ',
    ),
  )
  expect(found.sort()).toEqual(lines.sort())
  // Silent, and not forgotten.
  const silent = wanted.filter(({ hub }) => hub === 'silent-house')
  expect(silent.map(({ expected_ms }) => expected_ms)).toEqual(Array.from({ length: 24 }, () => HOUR_MS))
}

const within = () =>
  `hour >= make_timestamptz(${day_ms * 1000}) and hour < make_timestamptz(${(day_ms + DAY_MS) * 1000})`

async function fleetHoursAre(hours: readonly number[], wanted: readonly HubHour[]): Promise<void> {
  const rows = await system.csv(
    `select epoch_ms(hour), firmware, hubs, expected_ms, availability, boots from fleet_hours where ${within()}`,
  )
  const lines = hours.flatMap((hour_ms) => {
    const here = wanted.filter((one) => one.hour_ms === hour_ms)
    const groups = ['*', ...new Set(here.map(({ firmware }) => firmware))]
    return groups.map((firmware) => fleetHour(hour_ms, firmware, here))
  })
  expect(rows.map((row) => row.join(' ')).sort()).toEqual(lines.sort())
}

/** The history of the hub with the maintenance window: before, within, after. */
async function hubsAre(serviced: string): Promise<void> {
  const stay = stays.find(({ hub }) => hub === serviced)
  const [from_ms = 0, to_ms = 0] = stay?.maintenance[0] ?? []
  const rows = await system.csv(
    `select epoch_ms(valid_from), epoch_ms(valid_to), maintenance, expected, model from hubs where hub_id = '${serviced}' order by valid_from`,
  )
  expect(rows).toEqual([
    [String(stay?.enrolled_ms), String(from_ms), 'false', 'true', 'recorded'],
    [String(from_ms), String(to_ms), 'true', 'false', 'recorded'],
    [String(to_ms), '', 'false', 'true', 'recorded'],
  ])
}

/** The account is kept by the hour of receipt: what came while this test ran, counted from the files of the table. */
async function accountsAre(receipt: string, hubs: Iterable<string>): Promise<void> {
  const events = await readDelta(join(system.home, 'lake', 'events'), () => true)
  const [again = ''] = [...rooms.keys()].sort()
  let sent = 0
  let duplicates = 0
  for (const hub of hubs) {
    for (const stream of ['control', 'readings']) {
      const mine = events.filter((row) => row['source_id'] === hub && row['stream'] === stream)
      const stored = mine.filter(({ kind }) => kind !== 'batch').length
      const came = mine.filter(({ kind }) => kind === 'batch').reduce((sum, row) => sum + Number(row['batch_count']), 0)
      const lossy = hub === 'lossy-house' && stream === 'readings'
      const [row = []] = await system.csv(
        `select sum(sent), sum(stored), sum(dead), sum(dropped), sum(lost), sum(duplicates),
           sum(pending) filter (where hour = (select max(hour) from stream_hours where ${receipt}))
         from stream_hours where hub_id = '${hub}' and stream = '${stream}' and ${receipt}`,
      )
      const lost = lossy ? LOSSY.lost : 0
      const dropped = lossy ? LOSSY.dropped[1] - LOSSY.dropped[0] : 0
      const account = [stored + lost + dropped, stored, 0, dropped, lost, came - stored, 0]
      if (stored > 0) expect([hub, stream, ...row.map(Number)]).toEqual([hub, stream, ...account])
      if (stream === 'readings') {
        const recorded = rooms.get(hub)?.length ?? LOSSY.sent - LOSSY.lost - dropped
        expect([hub, stored, came - stored]).toEqual([hub, recorded, hub === again ? recorded : 0])
      }
      sent += stored + lost + dropped
      duplicates += came - stored
    }
  }
  for (const table of ['hub_hours', 'fleet_hours']) {
    const rows = table === 'fleet_hours' ? `firmware = '*' and ${receipt}` : receipt
    const sums = await system.csv(
      `select sum(sent), sum(stored), sum(lost), sum(duplicates) from ${table} where ${rows}`,
    )
    expect([table, ...(sums[0] ?? []).map(Number)]).toEqual([
      ...[table, sent, sent - LOSSY.lost - 10, LOSSY.lost, duplicates],
    ])
  }
}
