import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { bucketOf } from '../contract/bucket.ts'
import type { Identity } from '../contract/source.ts'
import { batchOf, packed, reading } from '../ingest/testing/batch.ts'
import { openSystem, type System } from '../ingest/testing/system.ts'
import { METRIC_DATE } from '../jobs/ledger.ts'
import { floorOf } from '../lake/table-floor.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { configSchema } from './config.ts'
import { openUpkeep } from './upkeep.ts'

const DAY_MS = 86_400_000
const T0 = Date.UTC(2026, 9, 1, 12)
const hub: Identity = { source: 'demo-01', role: 'hub', generation: 1 }
const registry: Identity = { source: 'registry', role: 'service', generation: 1 }
const stream = `e1b0${bucketOf('demo-01', 4)}`

let folder: string
let clock: ManualClock
let system: System
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-retention-'))
  clock = new ManualClock(T0)
  system = await openSystem(folder, clock)
})
afterEach(async () => {
  await system.close()
  await rm(folder, { recursive: true })
})

async function send(events: readonly (object | string)[], change: object = {}, identity = hub): Promise<void> {
  expect(await system.gateway.receive(identity, packed(batchOf(events, change)), 'https')).toEqual({ kind: 'durable' })
  await system.writer.commitOnce()
}

function keep(events_days: number, metrics_days = 0) {
  const config = configSchema.parse({ retention: { events_days, metrics_days } })
  const { lake } = system
  const options = { lake, clock, random: seededRandom(1), scratch_folder: join(folder, 'scratch') }
  return openUpkeep({ ...options, config: config.upkeep, retention: config.retention })
}

const enrolled = { m: 1, kind: 'registry', hub: 'demo-01', stage: 'enrolled', generation: 1, valid_from_ms: T0 }
const days = async () => {
  const day = `substr(CAST(event_date AS VARCHAR), 6) || ' ' || kind`
  return (await system.rows(`SELECT DISTINCT ${day} AS day FROM events ORDER BY ALL`)).map((row) => row['day'])
}

test('days older than a table keeps go, those of the registry stay, and what went is known as received', async () => {
  await send([reading(1, 10), 'no json'], { now: 1 })
  await send([enrolled], { stream, now: 1 }, registry)
  clock.jump(40 * DAY_MS)
  await send([reading(2, 11)], { first: 2, now: 2 })
  expect(await keep(30).retain('events', { dry_run: true })).toMatchObject({ floor: '2026-10-11', files: 2, rows: 4 })
  expect(await keep(30).retain('events')).toMatchObject({ floor: '2026-10-11', files: 2, rows: 4, commits: 1 })
  expect(await days()).toEqual(['10-01 registry', '11-10 batch', '11-10 reading'])
  const { table } = system
  expect(floorOf(await table.snapshot())).toBe('2026-10-11')
  expect(await system.verify()).toMatchObject({ ok: true, totals: { stored: 3, dead: 1, gone: 2 } })
  const { version } = await table.snapshot()
  expect(await keep(30).retain('events')).toMatchObject({ files: 0, rows: 0 })
  expect((await table.snapshot()).version).toBe(version)
})

test('a writer that was at work goes on from the ranges that retention left, and takes nothing twice', async () => {
  await send([reading(1, 10)], { now: 1 })
  clock.jump(40 * DAY_MS)
  await system.gateway.receive(hub, batchOf([reading(1, 10), reading(2, 11)], { now: 2 }), 'https')
  const late = await system.openOne(() => keep(30).retain('events'))
  await late.commitOnce()
  expect(system.facts).toContainEqual(expect.objectContaining({ kind: 'retry', cause: 'conflict' }))
  await late.commitOnce()
  expect(await days()).toEqual(['11-10 batch', '11-10 reading'])
  expect(await system.verify()).toMatchObject({ ok: true, totals: { sent: 2, stored: 2, duplicates: 1, gone: 1 } })
})

test('a writer that learned nothing of it before its attempt keeps no ranges from before', async () => {
  await send([reading(1, 10)], { now: 1 })
  clock.jump(40 * DAY_MS)
  const eager = await system.openOne(undefined, { snapshot_commits: 1 })
  await keep(30).retain('events')
  await system.gateway.receive(hub, batchOf([reading(2, 11)], { first: 1, now: 2 }), 'https')
  await eager.commitOnce()
  await eager.commitOnce()
  expect(await days()).toEqual(['11-10 batch', '11-10 reading'])
  expect(await system.verify()).toMatchObject({ ok: true, totals: { stored: 2, gone: 1 } })
})

test('hours of metrics go by whole days, without being read', async () => {
  const { lake, store } = system
  const columns = [{ name: 'hour', type: 'timestamp', meaning: '' }] as const
  const table = await lake.createTable('some_hours', { columns, partition: [METRIC_DATE] })
  const days = ['2026-09-01', '2026-09-02', '2026-10-01']
  const adds = days.map((metric_date) => ({
    ...{ path: `metric_date=${metric_date}/x.parquet`, partitionValues: { metric_date }, size: 1 },
    ...{ modificationTime: 1, dataChange: true, stats: '{"numRecords":24}', tags: { unit: `${metric_date}/0` } },
  }))
  for (const { path } of adds) await store.put(`some_hours/${path}`, Buffer.from('x'))
  const base = await table.snapshot()
  await table.commit({ id: 'a', kind: 'replace', base, adds, removes: [], txns: [], info: {} })
  expect(await keep(0, 29).retain('some_hours')).toMatchObject({ floor: '2026-09-02', files: 1, rows: 24 })
  const { files } = await table.snapshot()
  expect([...files.values()].map(({ partitionValues }) => partitionValues['metric_date'])).toEqual(days.slice(1))
  expect(await keep(0, 29).retain('events')).toMatchObject({ floor: undefined })
})

test('a late event from below the floor is stored, and removed by the next run', async () => {
  clock.jump(40 * DAY_MS)
  await keep(30).retain('events')
  await send([reading(1, 10)], { now: undefined, wall: T0 })
  expect(await days()).toEqual(['10-01 reading', '11-10 batch'])
  expect(await keep(30).retain('events')).toMatchObject({ rows: 1 })
  expect(await days()).toEqual(['11-10 batch'])
  expect(await system.verify()).toMatchObject({ ok: true, totals: { stored: 1, gone: 1 } })
})
