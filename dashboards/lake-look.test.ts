import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { bucketOf } from '../contract/bucket.ts'
import { batchOf, packed, reading } from '../ingest/testing/batch.ts'
import { openSystem, type System } from '../ingest/testing/system.ts'
import { type LakeLook, openLakeLook } from './lake-look.ts'
import { SIZE_BINS } from './size-bins.ts'

let folder: string
let system: System
let look: LakeLook
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-look-'))
  system = await openSystem(folder)
  look = openLakeLook(system.lake)
})
afterEach(async () => {
  await system.close()
  await rm(folder, { recursive: true })
})

const send = async (first: number) => {
  const batch = packed(batchOf([reading(1, first), reading(2, first)], { first }))
  await system.gateway.receive({ source: 'demo-01', role: 'hub', generation: 1 }, batch, 'https')
  await system.writer.commitOnce()
}

test('tells of a table that holds nothing', async () => {
  expect(await look.tables()).toMatchObject([
    {
      ...{ name: 'events', version: 0, rows: 0, bytes: 0, files: 0, small_files: 0 },
      upkeep: { looked_versions: 1, compacted_ms: null, vacuumed_ms: null, floor: null },
      buckets: [0, 1, 2, 3].map((bucket) => ({ bucket, rows: 0, files: 0, newest_ms: null })),
    },
  ])
  expect(await look.versions('events', 10)).toMatchObject([{ version: 0, kind: 'metadata', added: 0, batches: null }])
  await expect(look.versions('nothing', 10)).rejects.toMatchObject({ kind: 'missing' })
})

test('tells what is in a table and in its buckets, and what each version did, newest first', async () => {
  const begun_ms = Date.now()
  await send(0)
  await send(1)
  const [events] = await look.tables()
  expect(events).toMatchObject({ version: 2, rows: 5, files: 2, small_files: 2, fullest_partition: 2 })
  expect(events?.sizes).toEqual([2, ...SIZE_BINS.map(() => 0)])
  const mine = events?.buckets[bucketOf('demo-01', 4)]
  expect(mine).toMatchObject({ rows: 5, files: 2, bytes: events?.bytes })
  expect(mine?.newest_ms).toBeGreaterThanOrEqual(begun_ms - 1)
  expect(await look.versions('events', 2)).toMatchObject([
    { version: 2, kind: 'ingest', added: 1, removed: 0, rows: 2, batches: 1, duplicates: 1 },
    { version: 1, kind: 'ingest', added: 1, rows: 3, batches: 1, duplicates: 0 },
  ])
})

test('tells when a table was last joined and cleaned up, as far as its newest versions say', async () => {
  await send(0)
  const base = await system.table.snapshot()
  const more = { base, adds: [], removes: [], info: {} }
  await system.table.commit({ ...more, id: 'a', kind: 'compact', txns: [] })
  await system.table.commit({
    ...more,
    id: 'b',
    kind: 'floor',
    txns: [{ appId: 'vacuum', expected: undefined, next: 1 }],
  })
  const [events] = await look.tables()
  expect(events?.upkeep).toMatchObject({ looked_versions: 4, floor: 1 })
  expect(events?.upkeep.compacted_ms).toBeGreaterThan(0)
  expect(events?.upkeep.vacuumed_ms).toBeGreaterThanOrEqual(events?.upkeep.compacted_ms ?? 0)
})
