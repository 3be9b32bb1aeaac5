/** What Hearth writes as Spark has it, and both writing to one table. */
import { cp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Column } from '../contract/column.ts'
import { openSpark, type Spark } from '../infra/spark/spark.ts'
import { removeOf } from './action.ts'
import type { CommitRequest } from './commit.ts'
import { CHECKPOINT_INTERVAL } from './limits.ts'
import { engines, hearthEngine } from './testing/engines.ts'
import { openTypedLake, TYPED_COLUMNS, TYPED_PARTITION, type TypedLake } from './testing/typed-table.ts'

const NOTE: Column = { name: 'note', type: 'string', meaning: 'added later' }

let typed: TypedLake
let spark: Spark
let columns = TYPED_COLUMNS

beforeAll(async () => {
  spark = await openSpark({ 'spark.databricks.delta.retentionDurationCheck.enabled': 'false' })
  typed = await openTypedLake()
  await typed.lake.createTable('t', { columns, partition: TYPED_PARTITION })
})

afterAll(async () => {
  await spark?.[Symbol.asyncDispose]()
  await typed?.[Symbol.asyncDispose]()
})

const path = () => join(typed.folder, 't')
const asSpark = async (sql: string) => (await spark.sql(sql.replaceAll('{t}', `delta.\`${path()}\``))).rows
const snapshot = async () => (await typed.lake.table('t')).snapshot()

/** Commits one file of `rows` rows. */
async function append(rows: number, day: string, bucket: number, more: Partial<CommitRequest> = {}) {
  return await typed.commit('t', { adds: [await file(rows, day, bucket)], ...more })
}

function file(rows: number, day: string, bucket: number) {
  const select = `SELECT i AS id, 'hub-' || i % 7 AS hub_id, i * 1000 AS big, i % 100 AS small, CASE WHEN i % 5 > 0 THEN i / 8 END AS value,
    i % 2 = 0 AS powered, TIMESTAMPTZ '${day} 00:00:00.000123Z' + to_milliseconds(i) AS event_time, DATE '${day}' AS seen,
    MAP {'k': CAST(i AS VARCHAR)} AS extra${columns.includes(NOTE) ? `, 'n' || i AS note` : ''} FROM range(${rows}) r(i)`
  return typed.write('t', select, { event_date: day, bucket: String(bucket) }, columns)
}

/** Every row of a version, which must be the same for all; how many there are. */
async function agreed(version?: number, lake_folder = typed.folder): Promise<number> {
  const question = 'SELECT * FROM t ORDER BY event_date, bucket, id'
  let ours: readonly (readonly unknown[])[] | undefined
  for (const engine of engines(spark, lake_folder, 't')) {
    const [rows] = await engine.ask([question], version)
    ours ??= rows
    expect(rows, engine.name).toEqual(ours)
  }
  return ours?.length ?? -1
}

/** A copy of the lake, which Spark has no memory of. */
async function copied(name: string): Promise<string> {
  const copy = join(typed.folder, '..', name)
  await cp(typed.folder, copy, { recursive: true })
  return copy
}

describe('Spark reads what Hearth writes', () => {
  test('an empty table and its types, then appends', async () => {
    expect(await agreed()).toBe(0)
    const { types } = await spark.sql(`SELECT * FROM delta.\`${path()}\``)
    const expected = ['BIGINT', 'STRING', 'BIGINT', 'INT', 'DOUBLE', 'BOOLEAN', 'TIMESTAMP', 'DATE']
    expect(types).toEqual([...expected, 'MAP<STRING, STRING>', 'DATE', 'INT'])
    await append(500, '2026-11-23', 0)
    await append(30, '2026-11-24', 1)
    await append(0, '2026-11-24', 2, { txns: [{ appId: 'a', expected: undefined, next: 7 }] })
    expect(await agreed()).toBe(530)
  })

  test('and leaves out partitions by our values', async () => {
    const [[plan] = []] = await asSpark('EXPLAIN SELECT count(*) FROM {t} WHERE bucket = 1')
    expect(plan).toMatch(/PartitionFilters: \[[^\]]*bucket#\d+ = 1/)
    expect(await asSpark('SELECT count(*) FROM {t} WHERE bucket = 1')).toEqual([[30]])
  })

  test('after files were replaced, now and as of before, by version and by time', async () => {
    const base = await snapshot()
    const [first] = [...base.files.values()]
    if (!first) throw new Error('a file is there')
    await typed.commit('t', {
      kind: 'replace',
      base,
      adds: [await file(70, '2026-11-23', 0)],
      removes: [removeOf(first)],
    })
    expect(await agreed()).toBe(100)
    expect(await agreed(base.version)).toBe(530)
    expect(await agreed(0)).toBe(0)
    const between_ms = Math.floor((base.timestamp_ms + (await snapshot()).timestamp_ms) / 2)
    const at = `TIMESTAMP AS OF '${new Date(between_ms).toISOString()}'`
    expect(await asSpark(`SELECT count(*) FROM {t} ${at}`)).toEqual([[530]])
    expect((await (await typed.lake.table('t')).snapshot({ time_ms: between_ms })).version).toBe(base.version)
  })

  test('after a column was added', async () => {
    columns = [...TYPED_COLUMNS, NOTE]
    await typed.lake.ensureTable('t', { columns, partition: TYPED_PARTITION })
    await append(11, '2026-11-25', 3)
    expect(await agreed()).toBe(111)
    expect(await asSpark('SELECT count(note) FROM {t}')).toEqual([[11]])
  })

  test('and its VACUUM takes what Hearth took out, and nothing else', async () => {
    const lake_folder = await copied('vacuumed')
    const table = `delta.\`${join(lake_folder, 't')}\``
    const { removed, files } = await snapshot()
    const [gone = ''] = removed.keys()
    const dry = await spark.sql(`VACUUM ${table} RETAIN 0 HOURS DRY RUN`)
    expect(dry.rows.map(([file]) => String(file))).toEqual([expect.stringContaining(gone)])
    await spark.sql(`VACUUM ${table} RETAIN 0 HOURS`)
    const left = (await readdir(join(lake_folder, 't'), { recursive: true })).filter((name) =>
      name.endsWith('.parquet'),
    )
    expect(left.sort()).toEqual([...files.keys()].sort())
    expect(await agreed(undefined, lake_folder)).toBe(111)
  })

  test('from a checkpoint alone, with the entries below it gone', async () => {
    while ((await snapshot()).version < CHECKPOINT_INTERVAL + 1) await append(3, '2026-11-26', 1)
    const lake_folder = await copied('checkpointed')
    for (let version = 0; version < CHECKPOINT_INTERVAL; version++) {
      await rm(join(lake_folder, `t/_delta_log/${String(version).padStart(20, '0')}.json`))
    }
    expect(await agreed(undefined, lake_folder)).toBe(await agreed())
    expect(await agreed(CHECKPOINT_INTERVAL, lake_folder)).toBe(await agreed(CHECKPOINT_INTERVAL))
  })
})

describe('Spark and Hearth write to one table', () => {
  test('an append of Spark between two of Hearth is rebased over', async () => {
    const base = await snapshot()
    const before = await agreed()
    await asSpark('INSERT INTO {t} SELECT * FROM {t} WHERE event_date = DATE "2026-11-25"')
    expect((await snapshot()).version).toBe(base.version + 1)
    const outcome = await append(5, '2026-11-27', 2, { base, txns: [{ appId: 'a', expected: 7, next: 8 }] })
    expect(outcome).toMatchObject({ kind: 'committed', version: base.version + 2 })
    expect(await agreed()).toBe(before + 11 + 5)
  })

  test('a rewrite by Spark lets an append pass, and stops what was to replace the same file', async () => {
    const base = await snapshot()
    const added = [...base.files.values()].find(({ partitionValues }) => partitionValues['event_date'] === '2026-11-27')
    if (!added) throw new Error('a file is there')
    const before = await agreed()
    await asSpark('DELETE FROM {t} WHERE id = 4 AND event_date = DATE "2026-11-27"')
    expect(await agreed()).toBe(before - 1)
    const replaced = await typed.commit('t', {
      ...{ kind: 'compact', base, adds: [await file(5, '2026-11-27', 2)], removes: [removeOf(added)] },
    })
    expect(replaced).toMatchObject({ kind: 'conflict', reason: expect.stringContaining(added.path) })
    expect(await append(2, '2026-11-27', 2, { base })).toMatchObject({ kind: 'committed' })
    expect(await agreed()).toBe(before + 1)
  })

  test('a column that Spark adds makes Hearth plan anew, and is there for both', async () => {
    const base = await snapshot()
    await asSpark('ALTER TABLE {t} ADD COLUMNS (room STRING)')
    expect(await append(2, '2026-11-28', 2, { base })).toMatchObject({ kind: 'conflict' })
    expect(await append(2, '2026-11-28', 2)).toMatchObject({ kind: 'committed' })
    await asSpark(`INSERT INTO {t} (id, room, event_date, bucket) VALUES (1000, 'kitchen', DATE '2026-11-28', 2)`)
    await agreed()
    const rooms = ["SELECT room FROM t WHERE event_date = DATE '2026-11-28' ORDER BY id"]
    expect(await hearthEngine(typed.folder, 't').ask(rooms)).toEqual([[[null], [null], ['kitchen']]])
  })

  test('their checkpoints follow each other', async () => {
    const hinted = new Set<string>()
    for (let i = 0; i < CHECKPOINT_INTERVAL; i++) {
      if (i % 2 === 0) await append(1, '2026-11-29', 0)
      else await asSpark(`INSERT INTO {t} (id, event_date, bucket) VALUES (${i}, DATE '2026-11-29', 0)`)
    }
    for (const name of await readdir(join(path(), '_delta_log'))) if (name.includes('.checkpoint.')) hinted.add(name)
    expect(hinted.size).toBeGreaterThanOrEqual(3)
    const rows = await agreed()
    expect(await agreed(undefined, await copied('followed'))).toBe(rows)
  })
})
