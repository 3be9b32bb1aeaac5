import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Column } from '../contract/column.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { removeOf } from './action.ts'
import { type DuckDb, openDuckDb, rowsOf } from './duckdb.ts'
import { openFolderStore } from './folder-store.ts'
import { createLake, type Lake } from './lake.ts'
import { scanSql } from './scan.ts'
import type { Snapshot } from './snapshot.ts'
import { STATISTICS_COLUMNS_KEY } from './statistics.ts'
import type { Table } from './table.ts'
import { writeFile } from './write.ts'

const COLUMNS: readonly Column[] = [
  { name: 'hub_id', type: 'string', meaning: 'the hub' },
  { name: 'value', type: 'double', meaning: 'a number' },
  { name: 'event_time', type: 'timestamp', meaning: 'when' },
]
const PARTITION: readonly Column[] = [
  { name: 'day', type: 'date', meaning: 'UTC day' },
  { name: 'bucket', type: 'integer', meaning: 'bucket' },
]

let folder: string
let duckdb: DuckDb
let lake: Lake
let table: Table
const clock = new ManualClock()
const random = seededRandom(7)

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-table-'))
  duckdb = await openDuckDb({ threads: 1 })
  lake = await createLake({
    store: openFolderStore(join(folder, 'lake')),
    clock,
    random,
    fleet: 'test',
    region: 'local',
    buckets: 4,
  })
  table = await lake.createTable('metric', { columns: COLUMNS, partition: PARTITION })
})

afterEach(async () => {
  await duckdb[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const write = (rows: number, day: string, bucket: number, columns = COLUMNS, configuration = {}) =>
  writeFile({
    connection: duckdb.connection,
    select: `SELECT 'hub-' || (i % 3) AS hub_id, CAST(i AS DOUBLE) AS value, TIMESTAMPTZ '${day} 00:00:00.0005Z' + to_seconds(i) AS event_time, 'x' AS note FROM range(${rows}) r(i)`,
    store: lake.store,
    prefix: table.prefix,
    columns,
    configuration,
    partitionValues: { day, bucket: String(bucket) },
    sort: ['hub_id'],
    random,
    clock,
    scratch_folder: join(folder, 'scratch'),
  })

const request = (id: string, base: Snapshot) => ({ id, base, adds: [], removes: [], txns: [], info: {} })

function rows(snapshot: Snapshot, select: string) {
  const files = [...snapshot.files.values()].map((add) => ({
    add,
    path: lake.store.localPath?.(`${table.prefix}/${add.path}`) ?? '',
  }))
  return rowsOf(duckdb.connection, `WITH t AS (${scanSql(snapshot, files)}) ${select}`)
}

describe('a table', () => {
  test('gives back what was appended, with partition values from the log', async () => {
    const base = await table.snapshot()
    const adds = [await write(10, '2026-11-24', 1), await write(5, '2026-11-25', 2)]
    const outcome = await table.commit({ ...request('a', base), kind: 'ingest', adds })
    expect(outcome).toMatchObject({ kind: 'committed', version: 1 })
    const found = await rows(await table.snapshot(), 'SELECT day, bucket, count(*) AS n FROM t GROUP BY ALL ORDER BY 1')
    expect(found).toEqual([
      { day: '2026-11-24', bucket: 1, n: '10' },
      { day: '2026-11-25', bucket: 2, n: '5' },
    ])
  })

  test('replaces files, and an older version still reads as it was', async () => {
    const first = await write(10, '2026-11-24', 1)
    await table.commit({ ...request('a', await table.snapshot()), kind: 'ingest', adds: [first] })
    clock.jump(1000)
    const base = await table.snapshot()
    const adds = [await write(3, '2026-11-24', 1)]
    await table.commit({ ...request('b', base), kind: 'replace', adds, removes: [removeOf(first)] })
    const count = 'SELECT count(*) AS n FROM t'
    expect(await rows(await table.snapshot(), count)).toEqual([{ n: '3' }])
    expect(await rows(await table.snapshot({ version: 1 }), count)).toEqual([{ n: '10' }])
    expect(await rows(await table.snapshot({ time_ms: base.timestamp_ms }), count)).toEqual([{ n: '10' }])
    expect(await rows(await table.snapshot({ version: 0 }), count)).toEqual([{ n: '0' }])
    await expect(table.snapshot({ time_ms: Date.UTC(2026, 10, 24, 11, 59) })).rejects.toThrow(
      'no version as old as 2026-11-24T11:59:00.000Z: its oldest is v0, of 2026-11-24T12:00:00.000Z',
    )
  })

  test('reads an added column as null in older files', async () => {
    await table.commit({
      ...request('a', await table.snapshot()),
      kind: 'ingest',
      adds: [await write(2, '2026-11-24', 1)],
    })
    const note: Column = { name: 'note', type: 'string', meaning: 'a note' }
    await lake.ensureTable('metric', { columns: [...COLUMNS, note], partition: PARTITION })
    const base = await table.snapshot()
    await table.commit({
      ...request('b', base),
      kind: 'ingest',
      adds: [await write(3, '2026-11-24', 1, [...COLUMNS, note])],
    })
    const found = await rows(await table.snapshot(), 'SELECT note, count(*) AS n FROM t GROUP BY ALL ORDER BY n')
    expect(found).toEqual([
      { note: null, n: '2' },
      { note: 'x', n: '3' },
    ])
  })

  test('keeps statistics of the columns that its definition names, once it does, and of others where it says so', async () => {
    const definition = { columns: COLUMNS, partition: PARTITION, statistics: ['value'] }
    await lake.ensureTable('metric', definition)
    const { configuration, version } = await table.snapshot()
    expect(configuration).toMatchObject({ [STATISTICS_COLUMNS_KEY]: 'value', 'delta.enableExpiredLogCleanup': 'false' })
    const add = await write(10, '2026-11-24', 1, COLUMNS, configuration)
    expect(JSON.parse(add.stats ?? '')).toEqual({
      ...{ numRecords: 10, minValues: { value: 0 }, maxValues: { value: 9 }, nullCount: { value: 0 } },
    })
    await lake.ensureTable('metric', { ...definition, statistics: ['hub_id'] })
    expect(await table.snapshot()).toMatchObject({ version, configuration })
  })

  test('keeps bounds that hold: timestamps floored and ceiled to ms', async () => {
    const add = await write(10, '2026-11-24', 1)
    expect(JSON.parse(add.stats ?? '')).toEqual({
      numRecords: 10,
      minValues: { hub_id: 'hub-0', value: 0, event_time: '2026-11-24T00:00:00.000Z' },
      maxValues: { hub_id: 'hub-2', value: 9, event_time: '2026-11-24T00:00:09.001Z' },
      nullCount: { hub_id: 0, value: 0, event_time: 0 },
    })
  })

  test('fences a commit whose txn is not as expected, and says which', async () => {
    const base = await table.snapshot()
    const txn = { appId: 'ingest:log:1:0', expected: undefined, next: 5 }
    await table.commit({ ...request('a', base), kind: 'ingest', txns: [txn] })
    const late = await table.commit({ ...request('b', base), kind: 'ingest', txns: [txn] })
    expect(late).toEqual({ kind: 'fenced', appIds: ['ingest:log:1:0'] })
    const next = { appId: 'ingest:log:1:0', expected: 5, next: 9 }
    expect(await table.commit({ ...request('c', base), kind: 'ingest', txns: [next] })).toMatchObject({ version: 2 })
  })

  test('tells its history', async () => {
    const adds = [await write(1, '2026-11-24', 1)]
    await table.commit({ ...request('a', await table.snapshot()), kind: 'ingest', adds, info: { hours: [1] } })
    const history = await Array.fromAsync(table.history(1))
    expect(history).toMatchObject([{ version: 1, info: { id: 'a', kind: 'ingest', hours: [1] } }])
    expect(history[0]?.adds).toHaveLength(1)
  })

  test('a second process sees what the first committed', async () => {
    const other = await createLake({
      store: openFolderStore(join(folder, 'lake')),
      clock,
      random,
      fleet: 'test',
      region: 'local',
      buckets: 9,
    })
    expect(other.layouts).toEqual([{ epoch: 1, buckets: 4 }])
    expect(await other.tables()).toEqual(['events', 'metric'])
    const theirs = await other.table('metric')
    expect((await theirs.snapshot()).version).toBe(0)
    await table.commit({
      ...request('a', await table.snapshot()),
      kind: 'ingest',
      adds: [await write(1, '2026-11-24', 1)],
    })
    expect((await theirs.snapshot()).version).toBe(1)
  })
})
