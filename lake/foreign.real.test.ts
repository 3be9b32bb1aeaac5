/** Tables that Spark made, in the folder of a lake: read as Spark means them, or refused by the name of what they use. */
import { cp, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import { openSpark, type Spark } from '../infra/spark/spark.ts'
import { openQuery } from './query.ts'
import { engines, hearthEngine } from './testing/engines.ts'
import { openTypedLake, type TypedLake } from './testing/typed-table.ts'

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

const path = (table: string) => join(typed.folder, table)

/** Runs statements in which `t` is the table. */
async function made(table: string, ...statements: readonly string[]): Promise<void> {
  for (const statement of statements) await spark.sql(statement.replace(/\bt\b/, `delta.\`${path(table)}\``))
}

/** The rows of a question, on which all engines must agree, or only Hearth and Spark. */
async function agreed(table: string, question: string, which: 'all' | 'two' = 'all') {
  let ours: readonly (readonly unknown[])[] | undefined
  for (const engine of engines(spark, typed.folder, table).slice(0, which === 'all' ? 3 : 2)) {
    const [rows] = await engine.ask([question])
    ours ??= rows
    expect(rows, `${engine.name}: ${question}`).toEqual(ours)
  }
  return ours ?? []
}

async function asHearth(table: string, question: string) {
  const [rows] = await hearthEngine(typed.folder, table).ask([question])
  return rows
}

describe('Hearth reads', () => {
  test('every type, with the times and names that Spark writes, beside events in one question', async () => {
    await made(
      'types',
      `CREATE TABLE t (ID bigint, Name string, s short, b byte, n int, f float, x double, d decimal(38,10), bin binary, yes boolean,
        day date, ts timestamp, nt timestamp_ntz) USING delta`,
      `INSERT INTO t VALUES (1, 'n', -2, 3, 4, 1.5, double('NaN'), 12.34, X'00ff', true, DATE '0001-01-01', TIMESTAMP '1900-01-01 00:00:00.000001Z', TIMESTAMP_NTZ '2026-01-01 00:00:00.000001'),
        (2, 'ü', null, null, null, null, null, -9999999999999999999999999999.9999999999, null, null, null, null, null)`,
    )
    expect(await agreed('types', 'SELECT * FROM t')).toHaveLength(2)
    await made(
      'nested',
      'CREATE TABLE t (l array<int>, m map<string,bigint>, st struct<X: int, y: array<timestamp>>) USING delta',
      `INSERT INTO t VALUES (array(1, null), map('a', 1L), struct(1, array(TIMESTAMP '2026-01-01 00:00:00Z')))`,
    )
    const rows = await asHearth('nested', 'SELECT l, m, st.X, epoch_us(st.y[1]) FROM t')
    expect(rows).toEqual([[[1, null], { a: '1' }, 1, 1767225600000000]])

    await using query = await openQuery({ lake: typed.lake, clock: machineClock, threads: 1 })
    const joined = 'SELECT count(*) AS n FROM types LEFT JOIN events ON events.hub_id = types.name WHERE types.ID > 1'
    expect((await query.run(joined)).rows).toEqual([['1']])
    expect((await query.schema()).find(({ name }) => name === 'types')?.columns).toContainEqual(
      expect.objectContaining({ name: 'd', type: 'DECIMAL(38,10)' }),
    )
  })

  test('partitions of every type, with names that have to be escaped', async () => {
    await made(
      'parts',
      `CREATE TABLE t (id int, region string, day date, seen timestamp, n bigint, yes boolean, x double, d decimal(4,1))
        USING delta PARTITIONED BY (region, day, seen, n, yes, x, d)`,
    )
    const regions = [
      'a b',
      'ü/ä',
      '50%',
      '50%25',
      'a=b',
      "it''s",
      '#?&+',
      'x:y',
      'a.',
      '{}[]',
      'ends ',
      '__x',
      '\u{1f525}',
    ]
    const rows = regions.map(
      (region, i) =>
        `(${i}, '${region}', DATE '2026-11-2${i % 5}', TIMESTAMP '2026-11-24 12:00:0${i % 10}.5Z', ${i - 3}, ${i % 2 === 0}, ${i === 1 ? "double('NaN')" : `${i}e10`}, ${i}.5)`,
    )
    await made(
      'parts',
      `INSERT INTO t VALUES ${rows.join(', ')}, (90, '', null, null, null, null, null, null), (91, null, null, null, null, null, null, null)`,
    )
    expect(await agreed('parts', 'SELECT * FROM t ORDER BY id')).toHaveLength(15)
    for (const condition of [
      ...regions.map((region) => `region = '${region}'`),
      "region = ''",
      'region IS NULL',
      "day >= DATE '2026-11-23'",
      'n < 0',
      'yes',
      'NOT yes',
      'x > 5e10',
      'x = 3e10',
      'd >= 3.5',
    ]) {
      await agreed('parts', `SELECT id FROM t WHERE ${condition} ORDER BY id`)
    }
    for (const comparison of ['=', '<', '>=']) {
      const question = `SELECT id FROM t WHERE seen ${comparison} TIMESTAMP '2026-11-24 12:00:04.500Z' ORDER BY id`
      expect(await agreed('parts', question, 'two')).not.toEqual([])
    }
  })

  test('what was added, deleted and updated by rewriting', async () => {
    await made(
      'changed',
      'CREATE TABLE t (id bigint, name string) USING delta',
      "INSERT INTO t SELECT id, 'n' || id FROM range(100)",
      'ALTER TABLE t ADD COLUMNS (room string FIRST)',
      "INSERT INTO t SELECT 'kitchen', id, 'm' FROM range(100, 120)",
      'DELETE FROM t WHERE id % 10 = 3',
      "UPDATE t SET room = 'hall' WHERE id < 5",
    )
    expect(await agreed('changed', 'SELECT * FROM t ORDER BY id')).toHaveLength(108)
    const [rows] = await hearthEngine(typed.folder, 'changed').ask(['SELECT * FROM t ORDER BY id'], 1)
    expect(rows).toHaveLength(100)
  })

  test('files without statistics, and with those of a session in another zone', async () => {
    await made(
      'zoned',
      `CREATE TABLE t (id int, seen timestamp) USING delta`,
      'SET spark.sql.session.timeZone = America/New_York',
      "INSERT INTO t VALUES (1, TIMESTAMP '2026-11-24 12:00:00.000123Z')",
      "INSERT INTO t VALUES (2, TIMESTAMP '2026-11-24 13:00:00Z')",
      'SET spark.sql.session.timeZone = UTC',
      "ALTER TABLE t SET TBLPROPERTIES ('delta.dataSkippingNumIndexedCols' = '0')",
      "INSERT INTO t VALUES (3, TIMESTAMP '2026-11-24 14:00:00Z')",
    )
    for (const time of ['12:00:00.000122', '12:00:00.000123', '12:00:00.000124', '13:00:00', '14:00:00']) {
      for (const comparison of ['=', '<', '<=', '>', '>=']) {
        await agreed(
          'zoned',
          `SELECT id FROM t WHERE seen ${comparison} TIMESTAMP '2026-11-24 ${time}Z' ORDER BY id`,
          'two',
        )
      }
    }
  })

  test('a checkpoint in several parts, with statistics as columns alone and nothing below it', async () => {
    await made(
      'several',
      `CREATE TABLE t (id bigint, P string) USING delta PARTITIONED BY (P) TBLPROPERTIES ('delta.checkpointInterval' = '3',
        'delta.checkpoint.writeStatsAsJson' = 'false', 'delta.checkpoint.writeStatsAsStruct' = 'true')`,
      'SET spark.databricks.delta.checkpoint.partSize = 2',
      "INSERT INTO t SELECT /*+ REPARTITION(5) */ id, 'a b' FROM range(10)",
      "INSERT INTO t SELECT id, 'c/d' FROM range(10)",
      'DELETE FROM t WHERE id = 3',
      "INSERT INTO t SELECT id, 'e' FROM range(10)",
      'RESET spark.databricks.delta.checkpoint.partSize',
    )
    const log = join(path('several'), '_delta_log')
    expect(
      (await readdir(log)).filter((name) => /^\d+\.checkpoint\.\d+\.\d+\.parquet$/.test(name)).length,
    ).toBeGreaterThan(1)
    const before = await agreed('several', 'SELECT * FROM t ORDER BY P, id')
    await cp(path('several'), path('severed'), { recursive: true })
    for (const version of [0, 1, 2]) await rm(join(path('severed'), `_delta_log/0000000000000000000${version}.json`))
    expect(await agreed('severed', 'SELECT * FROM t ORDER BY P, id')).toEqual(before)
  })

  test.each(['name', 'id'])('columns mapped by %s, renamed and dropped', async (mode) => {
    const table = `mapped_${mode}`
    await made(
      table,
      `CREATE TABLE t (id bigint, name string, old int, day date) USING delta PARTITIONED BY (day) TBLPROPERTIES ('delta.columnMapping.mode' = '${mode}')`,
      "INSERT INTO t VALUES (1, 'a', 1, DATE '2026-11-24'), (2, 'b', 2, null)",
      'ALTER TABLE t RENAME COLUMN name TO title',
      'ALTER TABLE t DROP COLUMN old',
      'ALTER TABLE t ADD COLUMN old string',
      "INSERT INTO t VALUES (5, 'c', DATE '2026-11-25', 'new')",
    )
    expect(await agreed(table, 'SELECT * FROM t ORDER BY id', 'two')).toHaveLength(3)
    expect(await agreed(table, "SELECT id FROM t WHERE day = DATE '2026-11-25' AND id > 2", 'two')).toEqual([[5]])
    expect(await agreed(table, 'SELECT id FROM t WHERE id < 2', 'two')).toEqual([[1]])
  })

  test('a column whose type was widened', async () => {
    await made(
      'widened',
      "CREATE TABLE t (id int, x float) USING delta TBLPROPERTIES ('delta.enableTypeWidening' = 'true')",
      'INSERT INTO t VALUES (1, 0.5)',
      'ALTER TABLE t ALTER COLUMN id TYPE bigint',
      'ALTER TABLE t ALTER COLUMN x TYPE double',
      'INSERT INTO t VALUES (5000000000, 0.1)',
    )
    expect(await agreed('widened', 'SELECT * FROM t ORDER BY id', 'two')).toEqual([
      [1, 0.5],
      [5000000000, 0.1],
    ])
    expect(await agreed('widened', 'SELECT id FROM t WHERE id > 2', 'two')).toEqual([[5000000000]])
  })

  test('a table with deletion vectors only once they are purged', async () => {
    await made(
      'vectors',
      "CREATE TABLE t (id bigint) USING delta TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')",
      'INSERT INTO t SELECT id FROM range(0, 100, 1, 1)',
    )
    expect(await agreed('vectors', 'SELECT count(*) FROM t', 'two')).toEqual([[100]])
    await made('vectors', 'DELETE FROM t WHERE id = 7')
    await expect(asHearth('vectors', 'SELECT count(*) FROM t')).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringMatching(/deletion vector.*REORG TABLE/),
    })
    await made('vectors', 'REORG TABLE t APPLY (PURGE)')
    expect(await agreed('vectors', 'SELECT count(*) FROM t', 'two')).toEqual([[99]])
  })
})

describe('Hearth refuses by name', () => {
  test.each([
    ['variants', 'CREATE TABLE t (v variant) USING delta', 'variantType'],
    ['second', "CREATE TABLE t (id int) USING delta TBLPROPERTIES ('delta.checkpointPolicy' = 'v2')", 'v2Checkpoint'],
  ])('the table %s', async (table, statement, feature) => {
    await made(table, statement)
    const refused = { kind: 'invalid', message: expect.stringContaining(feature) }
    await expect(asHearth(table, 'SELECT count(*) FROM t')).rejects.toMatchObject(refused)
  })

  test('checkpoints of the second kind, when there is nothing else to begin with', async () => {
    await made(
      'second',
      'INSERT INTO t VALUES (1)',
      "ALTER TABLE t SET TBLPROPERTIES ('delta.checkpointInterval' = '1')",
    )
    await made('second', 'INSERT INTO t VALUES (2)')
    await rm(join(path('second'), '_delta_log/00000000000000000000.json'))
    await rm(join(path('second'), '_delta_log/00000000000000000001.json'))
    const refused = { kind: 'invalid', message: expect.stringContaining('v2Checkpoint') }
    await expect(asHearth('second', 'SELECT count(*) FROM t')).rejects.toMatchObject(refused)
  })

  test('what nobody knows yet', async () => {
    await made('later', 'CREATE TABLE t (id int) USING delta')
    const protocol = {
      minReaderVersion: 3,
      minWriterVersion: 7,
      readerFeatures: ['telepathy'],
      writerFeatures: ['telepathy'],
    }
    await writeFile(join(path('later'), '_delta_log/00000000000000000001.json'), JSON.stringify({ protocol }))
    const refused = { kind: 'invalid', message: expect.stringContaining('telepathy') }
    await expect(asHearth('later', 'SELECT count(*) FROM t')).rejects.toMatchObject(refused)
  })

  test('files that lie in another table', async () => {
    await made('cloned', `CREATE TABLE t SHALLOW CLONE delta.\`${path('changed')}\``)
    const refused = { kind: 'invalid', message: expect.stringContaining('shallow clone') }
    await expect(asHearth('cloned', 'SELECT count(*) FROM t')).rejects.toMatchObject(refused)
  })
})
