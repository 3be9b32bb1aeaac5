/** Recorded rooms go in as hubs, through mutual TLS and MQTT; the table and a day of metrics are held against the files. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openSystem, type System } from './testing/system.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const SHARED = fileURLToPath(new URL('../../shared/data/open-smart-home', import.meta.url))

/** A reading as the test itself reads it from a file: nothing here goes through the product's reader. */
type Reading = { readonly time_ms: number; readonly key: string }

let system: System
let folder: string
/** By room. */
let expected: ReadonlyMap<string, readonly Reading[]>
let shift_ms: number
let first_ms: number

beforeAll(async () => {
  system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '1000' })
  folder = recordings(system.home)
  const raw = readAll(folder)
  const times = [...raw.values()].flat().map(({ time_ms }) => time_ms)
  const newest_ms = times.reduce((a, b) => Math.max(a, b), 0)
  first_ms = times.reduce((a, b) => Math.min(a, b), newest_ms)
  // By whole days, so that the last reading is two to three days old: well within what a hub's own clock may say.
  shift_ms = Math.floor((Date.now() - 2 * DAY_MS - newest_ms) / DAY_MS) * DAY_MS
  expected = raw
  for (const room of rooms()) {
    // In the fleet since a day before its first reading.
    await system.must(['registry', 'add', room, '--from', iso(startOf(room)), '--model', 'recorded'])
  }
})

afterAll(() => system[Symbol.asyncDispose]())

const rooms = () => [...expected.keys()]
const iso = (time_ms: number) => new Date(time_ms).toISOString()
/** Half an hour into the first hour of the room's first reading's day: an hour in part. */
const startOf = (_room: string) => Math.floor((first_ms + shift_ms) / DAY_MS) * DAY_MS + HOUR_MS / 2

/** HEARTH_RECORDINGS, else the folder beside the checkout; without either, files of the same form that are made here. */
function recordings(home: string): string {
  const asked = process.env['HEARTH_RECORDINGS'] ?? SHARED
  if (existsSync(asked)) return asked
  console.warn(`no recordings at ${asked}: running on made-up ones of the same form`)
  const made = join(home, 'recordings')
  mkdirSync(made)
  for (const room of ['Kitchen', 'Bathroom']) {
    for (const attribute of ['Temperature', 'Humidity', 'SetpointHistory', 'Virtual_OutdoorTemperature']) {
      let time_s = 1_489_017_527
      const lines = Array.from({ length: 5_000 }, (_, i) => {
        time_s += 60 + ((i * 7919) % 1_200)
        return `${time_s}\t${(15 + 10 * Math.sin(i / 50)).toFixed(i % 4)}\n`
      })
      writeFileSync(join(made, `${room}_${attribute}.csv`), lines.join(''))
    }
  }
  return made
}

function readAll(from: string): Map<string, Reading[]> {
  const found = new Map<string, Reading[]>()
  for (const file of readdirSync(from).filter((name) => name.endsWith('.csv'))) {
    const cut = file.indexOf('_')
    const room = file.slice(0, cut).toLowerCase()
    const words = file.slice(cut + 1, -'.csv'.length).match(/[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])/g) ?? []
    const attribute = words.join('_').toLowerCase()
    const list = found.get(room) ?? []
    found.set(room, list)
    for (const line of readFileSync(join(from, file), 'utf8').split(/\r?\n/)) {
      if (line === '') continue
      const [seconds = '', value = ''] = line.split('\t')
      list.push({ time_ms: Number(seconds) * 1000, key: `${room} ${attribute} ${Number(value)}` })
    }
  }
  return found
}

const sorted = (lines: string[]) => lines.sort()

it('keeps every recorded reading once, its value and shifted time exact', { timeout: 170_000 }, async () => {
  expect(rooms().length).toBeGreaterThanOrEqual(2)
  const ingest = system.start(['ingest'])
  await ingest.untilSaid(/telemetry on mqtts:/, 30_000)
  await Promise.all(rooms().map(replay))
  // Told again it tells nothing twice.
  const [again = ''] = rooms()
  await replay(again)
  ingest.signal('SIGTERM')
  expect(await ingest.ended).toEqual({ code: 0, signal: null })
  for (const room of rooms()) {
    const rows = await system.csv(
      `select epoch_ms(event_time), device_id, attribute, value, time_source from readings where hub_id = '${room}'`,
    )
    expect(new Set(rows.map(([, , , , source]) => source))).toEqual(new Set(['wall']))
    const found = sorted(rows.map(([time, device, name, value]) => `${time} ${device} ${name} ${Number(value)}`))
    const wanted = sorted((expected.get(room) ?? []).map(({ time_ms, key }) => `${time_ms + shift_ms} ${key}`))
    expect(found.length).toBe(wanted.length)
    expect(found.findIndex((line, i) => line !== wanted[i])).toBe(-1)
  }
  expect((await system.run(['verify'])).code).toBe(0)
})

async function replay(room: string): Promise<void> {
  const words = ['hub', '--recorded', folder, '--hub', room, '--device', room, '--shift', String(shift_ms), '--json']
  const facts = (await system.must(words))
    .trim()
    .split('\n')
    .map((line): Record<string, unknown> => JSON.parse(line))
  const replayed = facts.find(({ fact }) => fact === 'replayed')
  expect(replayed).toMatchObject({ hub: room, readings: expected.get(room)?.length, bad_lines: 0, shift_ms })
}

it('calculates a day of metrics over them that equal numbers counted from the files', {
  timeout: 170_000,
}, async () => {
  // A maintenance window takes 90 minutes of one hub's expected time.
  await system.must(['jobs', 'run'])
  expect(JSON.parse(await system.must(['jobs', 'plan', '--json']))).toEqual([])
})
