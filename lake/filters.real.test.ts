/** Filters on every type, at the edges of the statistics of files: Hearth, Spark and delta-rs give the same rows. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ColumnType } from '../contract/column.ts'
import { openSpark, type Spark } from '../infra/spark/spark.ts'
import { type Engine, engines } from './testing/engines.ts'
import { openTypedLake, TYPED_COLUMNS, TYPED_PARTITION, type TypedLake } from './testing/typed-table.ts'

let typed: TypedLake
let spark: Spark
let all: readonly Engine[]

const LONG = 'long-'.repeat(20)

/** One row a line; each list is a file. */
const FILES: readonly (readonly string[])[] = [
  [
    `1 AS id, 'alpha' AS hub_id, 10 AS big, 1 AS small, 0.1 AS value, false AS powered, TIMESTAMPTZ '2026-11-23 00:00:00.000123Z' AS event_time, DATE '2026-11-23' AS seen, MAP {'k': 'v', '': NULL} AS extra`,
    `2, 'beta', 20, 2, 0.3, true, TIMESTAMPTZ '2026-11-23 12:00:00.999999Z', DATE '2026-11-24', MAP {}`,
    `3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL`,
  ],
  [
    `4 AS id, '-' AS hub_id, -9223372036854775808 AS big, -2147483648 AS small, -1.5 AS value, false AS powered, TIMESTAMPTZ '1969-12-31 23:59:59.999999Z' AS event_time, DATE '1969-12-31' AS seen`,
    `5, '', -9007199254740993, -1, -0.0, false, TIMESTAMPTZ '1582-10-01 00:00:00.000001Z', DATE '1582-10-01'`,
    `6, '!', 9223372036854775807, 2147483647, 1e300, false, TIMESTAMPTZ '9999-12-31 23:59:59.999999Z', DATE '9999-12-31'`,
  ],
  [
    `7 AS id, 'ä' AS hub_id, 'NaN'::DOUBLE AS value, true AS powered, MAP {'ü': '"'} AS extra`,
    `8, '\u{fffd}', 5.0, true, NULL`,
    `9, '\u{1f525}', -5.0, true, NULL`,
  ],
  [`10 AS id, '${LONG}a' AS hub_id, 'Infinity'::DOUBLE AS value`, `11, '${LONG}ä', '-Infinity'::DOUBLE`],
  [
    `12 AS id, 'it''s "quoted" \\ and
broken' AS hub_id, 4.9e-324 AS value`,
  ],
  [`13 AS id, 'NaN'::DOUBLE AS value`, `14, 'NaN'::DOUBLE`],
  [`15 AS id, NULL::VARCHAR AS hub_id`],
]

/** Constants that a column is compared with: the edges of the files, just below, just above, and beyond. */
const CONSTANTS: readonly (readonly [string, ColumnType, readonly string[]])[] = [
  [
    'hub_id',
    'string',
    [
      '',
      '!',
      '-',
      'alph',
      'alpha',
      'alphaa',
      'beta',
      'betb',
      'ä',
      'z',
      '\u{fffd}',
      '\u{1f525}',
      `${LONG}a`,
      `${LONG}ä`,
    ].concat(`it's "quoted" \\ and\nbroken`),
  ],
  ['big', 'long', ['-9223372036854775807', '-9007199254740993', '9', '10', '11', '20', '21', '9223372036854775807']],
  ['small', 'integer', ['-2147483648', '-2147483647', '-1', '0', '1', '2', '3', '2147483647']],
  [
    'value',
    'double',
    [
      '-1.5',
      '-0.0',
      '0.0',
      '4.9e-324',
      '0.1',
      '0.3',
      '0.30000000000000004',
      '5',
      '1e300',
      'Infinity',
      '-Infinity',
      'NaN',
    ],
  ],
  ['powered', 'boolean', ['false', 'true']],
  [
    'event_time',
    'timestamp',
    [
      '1582-10-01 00:00:00.000001',
      '1582-10-01 00:00:00.000002',
      '1969-12-31 23:59:59.999999',
      '1970-01-01 00:00:00.000000',
    ]
      .concat(['2026-11-23 00:00:00.000122', '2026-11-23 00:00:00.000123', '2026-11-23 00:00:00.000124'])
      .concat(['2026-11-23 12:00:00.999998', '2026-11-23 12:00:00.999999', '2026-11-23 12:00:01.000000'])
      .concat(['9999-12-31 23:59:59.999999']),
  ],
  [
    'seen',
    'date',
    ['1582-09-30', '1582-10-01', '1969-12-31', '1970-01-01', '2026-11-22', '2026-11-23', '2026-11-24', '9999-12-31'],
  ],
  ['event_date', 'date', ['2026-11-22', '2026-11-23', '2026-11-24']],
  ['bucket', 'integer', ['-1', '0', '1', '6', '7']],
]

beforeAll(async () => {
  typed = await openTypedLake()
  await typed.lake.createTable('t', { columns: TYPED_COLUMNS, partition: TYPED_PARTITION })
  for (const [index, rows] of FILES.entries()) {
    const select = `SELECT ${rows.join(' UNION ALL SELECT ')}`
    const values = {
      event_date: index === 6 ? null : index % 2 === 0 ? '2026-11-23' : '2026-11-24',
      bucket: String(index),
    }
    await typed.commit('t', { adds: [await typed.write('t', select, values)] })
  }
  spark = await openSpark()
  all = engines(spark, typed.folder, 't')
})

afterAll(async () => {
  await spark?.[Symbol.asyncDispose]()
  await typed?.[Symbol.asyncDispose]()
})

/** The ids that each condition finds, in order. Spark is asked once: planning is most of what a question costs it. */
async function idsOf(engine: Engine, conditions: readonly string[]): Promise<readonly (readonly unknown[])[]> {
  const questions = conditions.map((condition, i) => `SELECT ${i} AS asked, id FROM t WHERE ${condition}`)
  const answers =
    engine.name === 'Spark'
      ? await engine.ask([`${questions.join(' UNION ALL ')} ORDER BY asked, id`])
      : await engine.ask(questions.map((question) => `${question} ORDER BY id`))
  const found = Map.groupBy(answers.flat(), ([asked]) => Number(asked))
  return conditions.map((_, i) => (found.get(i) ?? []).map(([, id]) => id))
}

describe('Hearth, Spark and delta-rs agree', () => {
  test('on every row and value', async () => {
    const [ours, ...others] = await Promise.all(all.map((engine) => engine.ask(['SELECT * FROM t ORDER BY id'])))
    expect(ours?.[0]).toHaveLength(15)
    for (const [i, theirs] of others.entries()) expect(theirs, all[i + 1]?.name).toEqual(ours)
  })

  test.each(CONSTANTS)('on the rows of %s (%s) below, at and above each edge', async (column, type, constants) => {
    const conditions = ({ dialect }: Engine) =>
      constants
        .map((value) => dialect(type, value))
        .flatMap((constant) => [...['=', '<', '<=', '>', '>='].map((operator) => `${column} ${operator} ${constant}`)])
        .concat([`${column} IS NULL`, `${column} IS NOT NULL`])
    let ours: Awaited<ReturnType<typeof idsOf>> | undefined
    for (const engine of all) {
      const asked = conditions(engine)
      const found = await idsOf(engine, asked)
      ours ??= found
      for (const [i, ids] of found.entries()) expect(ids, `${engine.name}: ${asked[i]}`).toEqual(ours[i])
    }
    expect(ours?.filter((ids) => ids.length > 0).length).toBeGreaterThan(3)
  })
})
