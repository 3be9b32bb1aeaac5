import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { bucketOf } from '../contract/bucket.ts'
import { entryPath } from '../lake/log.ts'
import { openMemoryStore } from '../lake/memory-store.ts'
import { ManualClock } from '../sim/clock.ts'
import { RANGES_KEPT, RANGES_KEPT_MS } from './limits.ts'
import { putRanges } from './ranges-store.ts'
import { dropAdditions, keepAllRanges, vacuumRanges } from './ranges-upkeep.ts'
import { batchOf, packed, reading } from './testing/batch.ts'
import { openSystem, type System } from './testing/system.ts'

const layout = { epoch: 1, buckets: 4 }
let folder: string
let system: System

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-ranges-upkeep-'))
  system = await openSystem(folder)
})
afterEach(async () => {
  await system.close()
  await rm(folder, { recursive: true })
})

async function send(source: string, first: number): Promise<void> {
  await system.gateway.receive(
    { source, role: 'hub', generation: 1 },
    packed(batchOf([reading(1, 1)], { first })),
    'https',
  )
  await system.writer.commitOnce()
}

async function paths(prefix: string): Promise<string[]> {
  return (await Array.fromAsync(system.store.list(prefix))).map(({ path }) => path)
}

test('with the ranges of all buckets kept at a version, a writer needs no entry of the log up to it', async () => {
  for (const hub of ['a', 'b', 'c']) await send(hub, 0)
  const { version } = await system.table.snapshot()
  await keepAllRanges(system.lake, version)
  expect(await paths('_hearth/ranges')).toHaveLength(layout.buckets)
  await send('a', 1)
  for (let one = 0; one < version; one++) await system.store.delete(entryPath('events', one))
  const writer = await system.openOne()
  const known = ['a', 'b', 'c'].flatMap((hub) => [...writer.ranges(bucketOf(hub, layout.buckets)).values()])
  expect(new Set(known.map(({ source }) => source)).size).toBe(3)
  // What was received already is still a duplicate.
  await send('b', 0)
  expect(await system.verify()).toMatchObject({ ok: true, totals: { stored: 4, duplicates: 1 } })
})

test('additions in an object of their own go with the entry that names it, and no others', async () => {
  const info = (object: string) => ({
    ...{ id: object, kind: 'ingest' },
    ranges: { version: 1, epoch: 1, buckets: { 0: [], 1: { object } } },
  })
  for (const object of ['one', 'two']) await system.store.put(`_hearth/additions/${object}`, Buffer.from('[]'))
  await dropAdditions(system.lake, info('one'))
  await dropAdditions(system.lake, undefined)
  await dropAdditions(system.lake, { id: 'x', kind: 'compact' })
  expect(await paths('_hearth/additions')).toEqual(['_hearth/additions/two'])
})

/** Four snapshots of one bucket and one of another, at one time. */
async function ageing() {
  const clock = new ManualClock()
  const store = openMemoryStore({ clock })
  for (let version = 1; version <= 4; version++) await putRanges(store, layout, 0, version, new Map())
  await putRanges(store, layout, 1, 1, new Map())
  const snapshots = () => Array.fromAsync(store.list('_hearth/ranges'))
  return { clock, snapshots, lake: { store, layouts: [layout] } }
}

test('of snapshots of ranges the newest of each bucket are kept, and the young ones', async () => {
  const { clock, snapshots, lake } = await ageing()
  const before = await snapshots()
  expect(await vacuumRanges({ lake, clock })).toEqual([])
  await clock.advance(RANGES_KEPT_MS)
  const spare = before.slice(0, 4 - RANGES_KEPT)
  expect(await vacuumRanges({ lake, clock, dry_run: true })).toEqual(spare)
  expect(await snapshots()).toEqual(before)
  expect(await vacuumRanges({ lake, clock })).toEqual(spare)
  expect(await snapshots()).toEqual(before.slice(4 - RANGES_KEPT))
})

test("no snapshot of ranges is deleted when this machine's clock is ahead of the store's", async () => {
  const { clock, snapshots, lake } = await ageing()
  const before = await snapshots()
  const fast = new ManualClock(clock.now() + RANGES_KEPT_MS)
  await expect(vacuumRanges({ lake, clock: fast })).rejects.toMatchObject({ kind: 'unavailable' })
  expect(await snapshots()).toEqual(before)
})
