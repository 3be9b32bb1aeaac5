/** Hearth writes to tables that Spark made, or refuses by the name of what they ask of a writer. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Column } from '../contract/column.ts'
import { openSpark, type Spark } from '../infra/spark/spark.ts'
import { removeOf } from './action.ts'
import { CHECKPOINT_INTERVAL } from './limits.ts'
import { scanSql } from './scan.ts'
import { deltaRsEngine, engines } from './testing/engines.ts'
import { openTypedLake, type TypedLake } from './testing/typed-table.ts'

const COLUMNS: readonly Column[] = [
  { name: 'id', type: 'long', meaning: '' },
  { name: 'note', type: 'string', meaning: '' },
]

let typed: TypedLake
let spark: Spark

beforeAll(async () => {
  spark = await openSpark()
  typed = await openTypedLake()
})

afterAll(async () => {
  await spark?.[Symbol.asyncDispose]()
  await typed?.[Symbol.asyncDispose]()
})

const asSpark = (table: string, statement: string) =>
  spark.sql(statement.replace(/\bt\b/, `delta.\`${join(typed.folder, table)}\``))
const snapshot = async (table: string) => (await typed.lake.table(table)).snapshot()
const file = (table: string, select: string, values = {}) => typed.write(table, select, values, COLUMNS)

async function agreed(table: string): Promise<number> {
  let ours: readonly (readonly unknown[])[] | undefined
  for (const engine of engines(spark, typed.folder, table)) {
    const [rows] = await engine.ask(['SELECT * FROM t ORDER BY id, note'])
    ours ??= rows
    expect(rows, engine.name).toEqual(ours)
  }
  return ours?.length ?? -1
}

test('appends, joins files, and leaves checkpoints with names that Spark had to escape', async () => {
  await asSpark('own', 'CREATE TABLE t (id bigint, note string, room string) USING delta PARTITIONED BY (room)')
  await asSpark('own', "INSERT INTO t VALUES (1, 'a', 'ü/ä b'), (2, 'b', '50%'), (3, 'c', 'hall'), (4, 'd', null)")
  await asSpark('own', "INSERT INTO t VALUES (5, 'e', 'hall')")
  await typed.commit('own', { adds: [await file('own', "SELECT 6 AS id, 'f' AS note", { room: 'hall' })] })
  expect(await agreed('own')).toBe(6)

  const base = await snapshot('own')
  const halls = [...base.files.values()].filter(({ partitionValues }) => partitionValues['room'] === 'hall')
  const joined = await file('own', "SELECT 3 AS id, 'c' AS note UNION ALL SELECT 5, 'e' UNION ALL SELECT 6, 'f'", {
    room: 'hall',
  })
  const removes = halls.map((add) => removeOf(add, { dataChange: false }))
  const outcome = await typed.commit('own', {
    kind: 'compact',
    base,
    adds: [{ ...joined, dataChange: false }],
    removes,
  })
  expect(outcome).toMatchObject({ kind: 'committed' })
  expect(await agreed('own')).toBe(6)

  const escaped = [...(await snapshot('own')).files.values()].filter(({ path }) => /ü|%/.test(path))
  expect(escaped).toHaveLength(2)
  await typed.commit('own', {
    ...{ kind: 'replace', adds: [await file('own', "SELECT 7 AS id, 'g' AS note", { room: null })] },
    removes: escaped.map((add) => removeOf(add)),
  })
  expect(await agreed('own')).toBe(5)

  await asSpark('own', "INSERT INTO t VALUES (8, 'h', 'c d/e%f')")
  while ((await snapshot('own')).version % CHECKPOINT_INTERVAL !== 0) {
    await typed.commit('own', { adds: [await file('own', "SELECT 9 AS id, 'i' AS note", { room: 'x' })] })
  }
  await asSpark('own', 'DELETE FROM t WHERE id = 8')
  expect(await agreed('own')).toBeGreaterThan(5)
})

test('rewrites files of types that its own tables lack', async () => {
  await asSpark(
    'types',
    `CREATE TABLE t (id bigint, note string, s short, b byte, f float, d decimal(38,10), small decimal(4,1), bin binary,
      nt timestamp_ntz, day date, l array<int>, m map<string,string>) USING delta`,
  )
  await asSpark(
    'types',
    `INSERT INTO t VALUES (1, 'a', -2, 3, 0.1, -9999999999999999999999999999.9999999999, 12.5, X'00ff',
      TIMESTAMP_NTZ '1900-01-01 00:00:00.000001', DATE '0001-01-01', array(1, null), map('k', null)),
      (2, null, null, null, null, null, null, null, null, null, null, null)`,
  )
  await asSpark('types', 'ALTER TABLE t ADD COLUMNS (st struct<A: int, y: array<timestamp>>)')
  await asSpark('types', "INSERT INTO t (id, st) VALUES (3, struct(1, array(TIMESTAMP '2026-01-01 00:00:00Z')))")
  const base = await snapshot('types')
  const before = (await asSpark('types', 'SELECT * FROM t ORDER BY id')).rows
  const adds = [...base.files.values()]
  const scan = scanSql(
    base,
    adds.map((add) => ({ add, path: join(typed.folder, 'types', add.path) })),
  )
  const rewritten = await typed.write('types', scan, {}, base.columns)
  const removes = adds.map((add) => removeOf(add, { dataChange: false }))
  await typed.commit('types', { kind: 'compact', base, adds: [{ ...rewritten, dataChange: false }], removes })
  expect((await asSpark('types', 'SELECT * FROM t ORDER BY id')).rows).toEqual(before)
  const [theirs] = await deltaRsEngine(join(typed.folder, 'types')).ask([
    'SELECT id, d, bin, f, day FROM t ORDER BY id',
  ])
  expect(theirs?.map(([, d]) => d)).toEqual(before.map((row) => row[5]))
})

test('adds a column, and what Spark said of the others stays', async () => {
  await asSpark('more', "CREATE TABLE t (id bigint COMMENT 'theirs', d decimal(4,1)) USING delta")
  await asSpark('more', 'INSERT INTO t VALUES (1, 0.5)')
  await typed.lake.ensureTable('more', { columns: COLUMNS, partition: [] })
  await typed.commit('more', { adds: [await file('more', "SELECT 2 AS id, 'b' AS note")] })
  const { rows } = await spark.sql(`SELECT * FROM delta.\`${join(typed.folder, 'more')}\` ORDER BY id`)
  expect(rows).toEqual([
    [1, '0.5', null],
    [2, null, 'b'],
  ])
  expect((await snapshot('more')).columns[0]).toMatchObject({ name: 'id', meaning: 'theirs' })
})

test('removes no rows of a table for appends alone', async () => {
  await asSpark(
    'only',
    "CREATE TABLE t (id bigint, note string) USING delta TBLPROPERTIES ('delta.appendOnly' = 'true')",
  )
  const add = await file('only', "SELECT 1 AS id, 'a' AS note")
  await typed.commit('only', { adds: [add] })
  const replaced = typed.commit('only', { kind: 'replace', removes: [removeOf(add)] })
  await expect(replaced).rejects.toMatchObject({
    kind: 'invalid',
    message: expect.stringContaining('delta.appendOnly'),
  })
  expect(await agreed('only')).toBe(1)
})

describe('refuses to write', () => {
  test.each([
    ['feed', "(id bigint) USING delta TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')", 'changeDataFeed'],
    ['strict', '(id bigint NOT NULL) USING delta', 'invariants'],
    ['generated', '(id bigint, twice bigint GENERATED ALWAYS AS (id * 2)) USING delta', 'generatedColumns'],
    ['counted', '(id bigint GENERATED ALWAYS AS IDENTITY, v int) USING delta', 'identityColumns'],
    [
      'defaulted',
      "(id int DEFAULT 5) USING delta TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported')",
      'allowColumnDefaults',
    ],
    ['mapped', "(id bigint) USING delta TBLPROPERTIES ('delta.columnMapping.mode' = 'name')", 'columnMapping'],
    ['vectors', "(id bigint) USING delta TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')", 'deletionVectors'],
    ['tracked', "(id bigint) USING delta TBLPROPERTIES ('delta.enableRowTracking' = 'true')", 'rowTracking'],
    ['clustered', '(id bigint) USING delta CLUSTER BY (id)', 'clustering'],
    ['timed', "(id bigint) USING delta TBLPROPERTIES ('delta.enableInCommitTimestamps' = 'true')", 'inCommitTimestamp'],
  ])('the table %s: %s', async (table, definition, feature) => {
    await asSpark(table, `CREATE TABLE t ${definition}`)
    const refused = { kind: 'invalid', message: expect.stringContaining(feature) }
    await expect(typed.commit(table, { adds: [] })).rejects.toMatchObject(refused)
    expect((await snapshot(table)).version).toBe(0)
  })

  test('a table with constraints', async () => {
    await asSpark('checked', 'CREATE TABLE t (id bigint) USING delta')
    await asSpark('checked', 'ALTER TABLE t ADD CONSTRAINT positive CHECK (id > 0)')
    const refused = { kind: 'invalid', message: expect.stringContaining('checkConstraints') }
    await expect(typed.commit('checked', { adds: [] })).rejects.toMatchObject(refused)
  })
})
