import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import type { Column } from '../contract/column.ts'
import { appendWithDeltaRs, readWithDeltaRs } from '../infra/delta-rs/python.ts'
import { removeOf } from './action.ts'
import type { CommitRequest } from './commit.ts'
import { type DuckDb, openDuckDb } from './duckdb.ts'
import { openFolderStore } from './folder-store.ts'
import { createLake, type Lake, openLake } from './lake.ts'
import { CHECKPOINT_INTERVAL } from './limits.ts'
import { checkpointPath } from './log.ts'
import { openQuery } from './query.ts'
import type { Table } from './table.ts'
import { writeFile } from './write.ts'

const NOTE: Column = { name: 'note', type: 'string', meaning: 'added later' }
const COLUMNS: readonly Column[] = [
  { name: 'hub_id', type: 'string', meaning: 'the hub' },
  { name: 'seq', type: 'long', meaning: 'a number' },
  { name: 'small', type: 'integer', meaning: 'a small number' },
  { name: 'value', type: 'double', unit: 'ms', meaning: 'a measure' },
  { name: 'powered', type: 'boolean', meaning: 'yes or no' },
  { name: 'event_time', type: 'timestamp', meaning: 'when' },
  { name: 'seen', type: 'date', meaning: 'a date' },
  { name: 'extra', type: 'map', meaning: 'more' },
]
const PARTITION: readonly Column[] = [
  { name: 'event_date', type: 'date', meaning: 'UTC day' },
  { name: 'bucket', type: 'integer', meaning: 'bucket' },
]

/** The same text for both readers: counts, sums, nulls, the ends of times and texts, by partition. */
const SUMMARY = `SELECT CAST(event_date AS VARCHAR) AS day, CAST(bucket AS BIGINT) AS bucket, count(*) AS n,
  CAST(sum(seq) AS BIGINT) AS seq, CAST(sum(small) AS BIGINT) AS small, sum(value) AS value, count(value) AS valued,
  CAST(sum(CASE WHEN powered THEN 1 ELSE 0 END) AS BIGINT) AS powered, min(hub_id) AS first_hub, max(hub_id) AS last_hub,
  CAST(count(DISTINCT event_time) AS BIGINT) AS times, CAST(max(seen) AS VARCHAR) AS seen
  FROM t GROUP BY event_date, bucket ORDER BY 1, 2`

let folder: string
let duckdb: DuckDb
let lake: Lake
let table: Table

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-delta-rs-'))
  duckdb = await openDuckDb({ threads: 1 })
  const environment = { store: openFolderStore(join(folder, 'lake')), clock: machineClock, random: machineRandom }
  lake = await createLake({ ...environment, fleet: 'f', region: 'r', buckets: 4 })
  table = await lake.createTable('t', { columns: COLUMNS, partition: PARTITION })
})

afterAll(async () => {
  await duckdb[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

function write(rows: number, day: string, bucket: number, columns = COLUMNS) {
  return writeFile({
    connection: duckdb.connection,
    select: `SELECT 'hub-' || i % 7 AS hub_id, i AS seq, i % 100 AS small, CASE WHEN i % 5 = 0 THEN NULL ELSE i / 8 END AS value,
      i % 2 = 0 AS powered, TIMESTAMPTZ '${day} 00:00:00.000123Z' + to_milliseconds(i) AS event_time,
      DATE '${day}' AS seen, MAP {'k': CAST(i AS VARCHAR)} AS extra, 'n' || i AS note FROM range(${rows}) r(i)`,
    store: lake.store,
    prefix: table.prefix,
    columns,
    partitionValues: { event_date: day, bucket: String(bucket) },
    sort: ['hub_id', 'seq'],
    tags: { unit: `${day}/${bucket}` },
    random: machineRandom,
    clock: machineClock,
    scratch_folder: join(folder, 'scratch'),
  })
}

let commits = 0
async function commit(request: Partial<CommitRequest>) {
  const id = `commit-${commits++}`
  const base = await table.snapshot()
  const outcome = await table.commit({
    id,
    kind: 'ingest',
    base,
    adds: [],
    removes: [],
    txns: [],
    info: {},
    ...request,
  })
  expect(outcome.kind).toBe('committed')
}

/** Both readers on the same version: same answer, row for row; and the same columns. */
async function compare(version?: number) {
  await using query = await openQuery({ lake, clock: machineClock })
  const ours = await query.run(SUMMARY, version === undefined ? {} : { at: { versions: { t: version } } })
  const theirs = await readWithDeltaRs(join(folder, 'lake/t'), SUMMARY, version)
  const names = ours.columns.map(({ name }) => name)
  const plain = ours.rows.map((row) =>
    Object.fromEntries(
      names.map((name, i) => [
        name,
        name === 'value' || typeof row[i] !== 'string' || !/^\d+$/.test(row[i]) ? row[i] : Number(row[i]),
      ]),
    ),
  )
  expect(theirs.rows).toEqual(plain)
  expect(theirs.version).toBe(ours.statistics.versions['t'])
  expect(theirs.files).toBe(ours.statistics.files_total)
  expect(theirs.count).toBe(plain.reduce((sum, row) => sum + Number(row['n']), 0))
  const snapshot = await table.snapshot(version === undefined ? {} : { version })
  expect(Object.keys(theirs.schema)).toEqual(snapshot.columns.map(({ name }) => name))
  return theirs
}

describe('delta-rs reads what Hearth writes', () => {
  test('an empty table, then appends, with the same types', async () => {
    await compare()
    await commit({ adds: [await write(5000, '2026-11-23', 0), await write(300, '2026-11-24', 1)] })
    await commit({ adds: [await write(0, '2026-11-24', 2)], txns: [{ appId: 'a', expected: undefined, next: 7 }] })
    const { schema, count } = await compare()
    expect(count).toBe(5300)
    expect(schema).toMatchObject({
      seq: 'int64',
      small: 'int32',
      value: 'double',
      powered: 'bool',
      event_time: 'timestamp[us, tz=UTC]',
      seen: 'date32[day]',
      event_date: 'date32[day]',
      bucket: 'int32',
    })
  })

  test('filters by its own use of our statistics, to the microsecond at the edge of a file', async () => {
    const sql = `SELECT count(*) AS n FROM t WHERE event_time >= TIMESTAMP '2026-11-23 00:00:04.999123Z' AND bucket = 0`
    const { rows } = await readWithDeltaRs(join(folder, 'lake/t'), sql)
    expect(rows).toEqual([{ n: 1 }])
  })

  test('after files were replaced, now and as of before', async () => {
    const base = await table.snapshot()
    const [first] = [...base.files.values()]
    if (!first) throw new Error('a file is there')
    await commit({ kind: 'replace', base, adds: [await write(70, '2026-11-23', 0)], removes: [removeOf(first)] })
    expect((await compare()).count).toBe(370)
    expect((await compare(base.version)).count).toBe(5300)
    expect((await compare(0)).count).toBe(0)
  })

  test('after a column was added', async () => {
    await lake.ensureTable('t', { columns: [...COLUMNS, NOTE], partition: PARTITION })
    await commit({ adds: [await write(11, '2026-11-25', 3, [...COLUMNS, NOTE])] })
    const { schema } = await compare()
    expect(schema['note']).toMatch(/string/)
    const noted = await readWithDeltaRs(join(folder, 'lake/t'), 'SELECT count(note) AS n, count(*) AS m FROM t')
    expect(noted.rows).toEqual([{ n: 11, m: 381 }])
  })

  test('from a checkpoint, which keeps txns and tags, and which a fresh reader of ours begins with as well', async () => {
    while ((await table.snapshot()).version < CHECKPOINT_INTERVAL + 1) {
      await commit({ adds: [await write(3, '2026-11-26', 1)] })
    }
    expect(await lake.store.head(checkpointPath('t', CHECKPOINT_INTERVAL))).toBeDefined()
    const before = await compare()
    for (let version = 0; version < CHECKPOINT_INTERVAL; version++) {
      await lake.store.delete(`t/_delta_log/${String(version).padStart(20, '0')}.json`)
    }
    const known = await table.snapshot()
    lake = await openLake({ store: lake.store, clock: machineClock, random: machineRandom })
    table = await lake.table('t')
    const fresh = await table.snapshot()
    expect(await compare()).toEqual(before)
    expect(fresh.txns).toEqual(new Map([['a', 7]]))
    expect(fresh.timestamp_ms).toBe(known.timestamp_ms)
    expect(new Set([...fresh.files.values()].map(({ tags }) => tags?.['unit']))).toContain('2026-11-26/1')
    expect([...fresh.files.keys()].sort()).toEqual([...known.files.keys()].sort())
    expect([...fresh.removed.keys()]).toEqual([...known.removed.keys()])
    await expect(table.snapshot({ version: 3 })).rejects.toMatchObject({ kind: 'missing' })
  })

  test('and Hearth reads on over what delta-rs appended', async () => {
    const { version } = await table.snapshot()
    await appendWithDeltaRs(join(folder, 'lake/t'), `SELECT * FROM t WHERE bucket = 3`)
    const { count } = await compare()
    expect((await table.snapshot()).version).toBe(version + 1)
    await commit({ adds: [await write(5, '2026-11-27', 2, [...COLUMNS, NOTE])] })
    expect((await compare()).count).toBe(count + 5)
  })
})
