/** A field becomes a column while hubs of two firmwares send it, one of which means another thing by it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openFolderStore } from '../lake/folder-store.ts'
import { openLake } from '../lake/lake.ts'
import { machineClock as clock, machineRandom as random } from './machine.ts'
import { startLoad } from './testing/load-process.ts'
import { openSystem, type System, until } from './testing/system.ts'

const START_MS = 60_000
const WORDS = ['lake', 'promote', 'level', '--type', 'double', '--unit', '%', '--meaning', 'how full it is']

let system: System
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-promote-'))
  system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '300' })
})
afterAll(async () => {
  await system[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

const events = async () => {
  const lake = await openLake({ store: openFolderStore(join(system.home, 'lake')), clock, random })
  return await lake.table('events')
}

it('a field that is promoted under load: no value is lost, no file is made for it, and writers go on', {
  timeout: 240_000,
}, async () => {
  const ingest = system.start(['ingest'])
  await ingest.untilSaid(/"event":"ready"/, START_MS)
  const load = await startLoad(system, { folder, hubs: 6, seed: 7, levels: true })
  const versionPast = (version: number) =>
    until(`version ${version} is past`, START_MS, async () => (await (await events()).snapshot()).version > version)
  await versionPast(8)
  const dry = await system.run([...WORDS, '--dry-run'])
  expect(dry.stdout).toMatch(/^\d+ events of the last 7 days have level, \d+ of them fit double; \d+ do not, and stay/)
  expect(await system.must(['lake', 'promoted', '--json'])).toBe('[]\n')

  expect(await system.must(WORDS)).toContain('level is a column of events from now on')
  expect(await system.must(WORDS)).toContain('level is a column already')
  await versionPast((await (await events()).snapshot()).version + 8)
  const counts = await load.end()
  expect(counts.refused).toEqual([])
  ingest.signal('SIGINT')
  expect(await ingest.ended).toEqual({ code: 0, signal: null })

  const found = JSON.parse(await system.must(['verify', '--acks', join(folder, 'acks.ndjson'), '--json']))
  expect(found).toMatchObject({ ok: true, totals: { lost: 0, broken: 0 }, acknowledged: { found: counts.events } })
  const [row = []] = await system.csv(`select count(*) filter (where firmware = '1.0.0' and level = value / 8),
    count(*) filter (where firmware = '1.0.0'), count(*) filter (where firmware = '2.0.0'),
    count(*) filter (where firmware = '2.0.0' and level is null and extra['level'] = 'L' || seq) from events where kind = 'reading'`)
  const [fits = '', numbers = '', words = '', kept = ''] = row
  expect(fits).toBe(numbers)
  expect(kept).toBe(words)
  expect(Math.min(Number(numbers), Number(words))).toBeGreaterThan(100)

  const kinds: (string | undefined)[] = []
  for await (const { info, adds } of (await events()).history(1)) {
    kinds.push(info?.kind)
    // One file for each date and bucket, before and after.
    const partitions = adds.map(({ partitionValues }) => JSON.stringify(partitionValues))
    expect(new Set(partitions).size).toBe(partitions.length)
  }
  const at = kinds.indexOf('metadata')
  expect([kinds[at - 1], kinds[at], kinds[at + 1]]).toEqual(['ingest', 'metadata', 'ingest'])
  console.warn(
    `${numbers} numbers and ${words} words of ${counts.events} events; promoted at version ${at + 1} of ${kinds.length}`,
  )
})

it('what cannot become a column is refused with why, and what no event has is warned of', async () => {
  const type = ['--type', 'long', '--meaning', 'x']
  const refusals: readonly (readonly [string, RegExp])[] = [
    ['level', /was promoted as double, and a column keeps its type/],
    ['device', /the field device has a column already/],
    ['bucket', /events has a column bucket/],
    ['a.b', /lower-case snake_case/],
  ]
  for (const [field, why] of refusals) {
    const { code, stderr } = await system.run(['lake', 'promote', field, ...type])
    expect(code).not.toBe(0)
    expect(stderr).toMatch(why)
  }
  const unknown = await system.run(['lake', 'promote', 'levle', ...type, '--dry-run'])
  expect(unknown.stderr).toMatch(/no event of the last 7 days has a field levle/)
  const boolean = ['--type', 'boolean', '--meaning', 'x']
  const wrong = await system.run(['lake', 'promote', 'rssi_dbm', ...boolean, '--dry-run'])
  expect(wrong.stderr).toMatch(/none of them fits boolean/)
  expect((await system.run(['lake', 'promote', 'x', '--type', 'date', '--meaning', 'x'])).code).toBe(2)
})
