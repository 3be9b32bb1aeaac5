import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { openDuckDb, rowsOf } from './duckdb.ts'
import {
  encodePromoted,
  fillSql,
  PROMOTED_KEY,
  PROMOTED_TYPES,
  type PromotedColumn,
  promotedOf,
  promoteSql,
  storedValue,
  textSql,
  valueSql,
  withColumns,
} from './promoted.ts'
import { literal } from './schema.ts'

const duckdb = await openDuckDb({ threads: 1 })
afterAll(() => duckdb[Symbol.asyncDispose]())
const ask = (sql: string) => rowsOf(duckdb.connection, sql)

const promoted = PROMOTED_TYPES.map((type): PromotedColumn => ({ name: `a_${type}`, type, meaning: '' }))

/** Rows with these texts in `extra`; a null is a field that was sent as null. */
const rowsSql = (rows: readonly Extra[]) =>
  `SELECT * FROM (VALUES ${rows.map((extra, i) => `(${i}, ${mapSql(extra)})`).join(', ')}) t(n, extra)`

type Extra = Readonly<Record<string, string | null>>

function mapSql(extra: Extra): string {
  const keys = Object.keys(extra)
  if (keys.length === 0) return 'CAST(NULL AS MAP(VARCHAR, VARCHAR))'
  const values = keys.map((key) => (extra[key] === null ? 'NULL' : literal(extra[key] ?? '')))
  return `CAST(MAP([${keys.map(literal).join(', ')}], [${values.join(', ')}]) AS MAP(VARCHAR, VARCHAR))`
}

const columns = promoted.map(({ name }) => name).join(', ')
const seen = (sql: string) =>
  ask(`SELECT n, ${columns}, list_sort(map_entries(extra)) AS extra FROM (${sql}) ORDER BY n`)

/** NUL and lone surrogates are in no text that DuckDB takes. */
const words = fc.string({ unit: 'grapheme', maxLength: 8 }).filter((text) => !text.includes('\0'))
const texts = fc.oneof(
  words,
  fc.double().map(String),
  fc.double({ noNaN: true }).map((value) => JSON.stringify(value)),
  fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }).map(String),
  fc.integer().map(String),
  fc.constantFrom('true', 'false', '1', 'TRUE', '21.50', '21.0', '1e400', '-0', '9007199254740993', ' 5', '1_000'),
  fc.constantFrom('{"a":[1,null]}', '[]', '""', 'inf', 'nan', '2026-11-24', '2026-02-30T10:00:00Z'),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString().replace('Z', '456+05:30')),
)
const names = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...promoted.map(({ name }) => name)) },
  { weight: 1, arbitrary: words },
)
const rows = fc.array(fc.dictionary(names, fc.option(texts), { maxKeys: 8, noNullPrototype: true }), {
  minLength: 1,
  maxLength: 20,
})

describe('promoted fields', () => {
  test('of events from before and after a promotion, column and extra give back what was sent', async () => {
    await fc.assert(
      fc.asyncProperty(rows, async (sent) => {
        const rows = withColumns(rowsSql(sent), promoted)
        const asSent = await ask(`SELECT n, list_sort(map_entries(extra)) AS extra FROM (${rows}) ORDER BY n`)
        const before = await seen(fillSql(rows, promoted))
        const after = await seen(fillSql(promoteSql(rows, promoted), promoted))
        expect(before.map(({ n, extra }) => ({ n, extra }))).toEqual(asSent)
        expect(after).toEqual(before)
        // As compaction does it again.
        const twice = promoteSql(promoteSql(rows, promoted), promoted)
        const stored = await seen(promoteSql(rows, promoted))
        expect(await seen(twice)).toEqual(stored)
        // As a removal does it of what it has read.
        const read = fillSql(promoteSql(rows, promoted), promoted)
        expect(await seen(promoteSql(read, promoted))).toEqual(stored)
      }),
      { numRuns: 60 },
    )
  })

  test.for([
    ['double', '21.5', 21.5, null],
    ['double', '-61', -61, null],
    ['double', '21.50', 21.5, '21.50'],
    ['double', '9007199254740993', 9007199254740992, '9007199254740993'],
    ['double', '1e400', null, '1e400'],
    ['double', 'warm', null, 'warm'],
    ['double', ' 5', null, ' 5'],
    ['double', '1_000', null, '1_000'],
    ['long', '9007199254740993', '9007199254740993', null],
    ['long', '9223372036854775808', null, '9223372036854775808'],
    ['long', '5.5', null, '5.5'],
    ['long', '007', '7', '007'],
    ['boolean', 'true', true, null],
    ['boolean', '1', null, '1'],
    ['string', '{"a":1}', '{"a":1}', null],
    ['timestamp', '2026-11-24T10:00:00.123Z', '2026-11-24 10:00:00.123+00', null],
    ['timestamp', '2026-11-24T12:00:00+02:00', '2026-11-24 10:00:00+00', '2026-11-24T12:00:00+02:00'],
    ['timestamp', '2026-02-30T10:00:00Z', null, '2026-02-30T10:00:00Z'],
    ['timestamp', '1764000000000', null, '1764000000000'],
  ] as const)('as %s, the text %j is stored as %j, and in extra as %j', async ([type, text, value, left]) => {
    const one: PromotedColumn = { name: 'x', type, meaning: '' }
    const sql = promoteSql(withColumns(rowsSql([{ x: text }]), [one]), [one])
    const shown = type === 'timestamp' ? 'CAST(x AS VARCHAR)' : 'x'
    expect(await ask(`SELECT ${shown} AS x, extra['x'] AS left FROM (${sql})`)).toEqual([{ x: value, left }])
    const [extra] = await ask(`SELECT extra IS NULL AS none FROM (${sql})`)
    expect(extra).toEqual({ none: left === null })
  })

  test('a list of a newer version, and one that names no column, are refused by name', () => {
    const listed = (text: string) => () => promotedOf({ columns: promoted, configuration: { [PROMOTED_KEY]: text } })
    expect(listed(encodePromoted(['a_long']))()).toEqual([promoted[1]])
    expect(listed('{"version":2,"fields":[]}')).toThrow('has version 2, this Hearth knows up to 1')
    expect(listed(encodePromoted(['b']))).toThrow('names b, and the table has no such column')
    expect(listed('[]')).toThrow('is not {version, fields}')
  })

  test('a value that does not fit is NULL, whatever the text', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...PROMOTED_TYPES), texts, async (type, text) => {
        await ask(`SELECT ${valueSql(type, literal(text))} AS value`)
      }),
      { numRuns: 200 },
    )
  })
})

test('what is stored of a text is what DuckDB makes of it, and a column that says the text gives it back', async () => {
  const more = fc.oneof(
    texts,
    fc.constantFrom(
      '9999-12-31T23:59:59.999999Z',
      '2300-01-01T00:00:00.001Z',
      '0000-01-01T00:00:00Z',
      '2026-01-01T24:00:00Z',
      '0.00001',
      '1e15',
      '123456789012345678',
      '-0.0',
      '007',
    ),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(more, { minLength: 1, maxLength: 30 }), async (some) => {
      for (const type of PROMOTED_TYPES) {
        const number = type === 'timestamp' ? `epoch_us(v)` : type === 'boolean' ? 'CAST(v AS INTEGER)' : 'v'
        const found = await ask(
          `SELECT ${type === 'string' ? 'NULL' : number} AS value, ${textSql(type, 'v')} AS text FROM (SELECT n, ${valueSql(type, 't')} AS v
            FROM (VALUES ${some.map((text, n) => `(${n}, ${literal(text)})`).join(', ')}) x(n, t)) ORDER BY n`,
        )
        some.forEach((text, i) => {
          const { value, isSaid } = storedValue(type, text)
          if (!Number.isNaN(value))
            // 0 and -0 are one number.
            expect([type, text, Number(found[i]?.['value']) + 0]).toEqual([type, text, value + 0])
          if (isSaid) expect([type, text, found[i]?.['text']]).toEqual([type, text, text])
        })
      }
    }),
    { numRuns: 60 },
  )
})
