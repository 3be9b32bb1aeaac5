import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Column, ForeignType } from '../contract/column.ts'
import { type DuckDb, openDuckDb, rowsOf } from './duckdb.ts'
import type { ChunkValues } from './parquet-chunk.ts'
import { openParquetFile } from './parquet-file.ts'
import { openWords } from './words.ts'

let folder: string
let duckdb: DuckDb
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-parquet-'))
  duckdb = await openDuckDb({ threads: 1 })
})
afterAll(async () => {
  await duckdb[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const COLUMNS: readonly Column[] = [
  { name: 'word', type: 'string', meaning: '' },
  { name: 'whole', type: 'long', meaning: '' },
  { name: 'small', type: 'integer', meaning: '' },
  { name: 'day', type: 'date', meaning: '' },
  { name: 'time', type: 'timestamp', meaning: '' },
  { name: 'real', type: 'double', meaning: '' },
  { name: 'yes', type: 'boolean', meaning: '' },
  { name: 'extra', type: 'map', meaning: '' },
]
type Row = {
  readonly word: string | undefined
  readonly whole: number | undefined
  readonly small: number | undefined
  /** Days since 1970. */
  readonly day: number | undefined
  readonly time: number | undefined
  readonly real: number | undefined
  readonly yes: boolean | undefined
  readonly extra: readonly (readonly [string, string | undefined])[]
}

/** Few different ones, which make runs and dictionaries, or many. */
function either<T>(many: fc.Arbitrary<T>, few: readonly T[]): fc.Arbitrary<T | undefined> {
  return fc.oneof(many, fc.constantFrom(...few), fc.constant(undefined))
}
const text = fc.string({ unit: 'grapheme', maxLength: 70 })
const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'ö', ''), { maxLength: 3 })
const row: fc.Arbitrary<Row> = fc.record({
  word: either(text, ['on', 'off', 'ä']),
  whole: either(fc.maxSafeInteger(), [1, 2, 0]),
  small: either(fc.integer({ min: 1 - 2 ** 30, max: 2 ** 30 - 1 }), [1, 2, 2 ** 31 - 1, -(2 ** 31)]),
  day: either(fc.integer({ min: -800_000, max: 2_900_000 }), [20_416]),
  time: either(fc.integer({ min: -1e12, max: 2 ** 51 }), [1_764_000_000_000_001]),
  real: either(fc.double({ noNaN: true, noDefaultInfinity: true }), [0.5, -0, 0]),
  yes: either(fc.boolean(), [true]),
  extra: names.chain((keys) =>
    fc.tuple(...keys.map((key) => fc.tuple(fc.constant(key), either(text, ['good', '217'])))),
  ),
})
const rowsToWrite = fc.array(fc.tuple(row, fc.integer({ min: 1, max: 20 })), { maxLength: 60 }).map((some) =>
  // Runs of equal rows.
  some.flatMap(([one, times]) => Array.from({ length: times }, () => one)),
)

async function written(rows: readonly Row[], group_rows: number) {
  const words = openWords()
  const ids = rows.map(({ word, extra }) => ({
    word: word === undefined ? 0 : words.of(word),
    extra: extra.map(([key, value]) => [words.of(key), value === undefined ? 0 : words.of(value)] as const),
  }))
  const file = openParquetFile(COLUMNS, words.list())
  for (let from = 0; from < rows.length; from += group_rows) {
    const some = rows.slice(from, from + group_rows)
    const words_of = ids.slice(from, from + group_rows)
    const entries = words_of.flatMap(({ extra }) => extra)
    const numbers = (of: (one: Row) => number | undefined) => ({
      numbers: Float64Array.from(some, (one) => of(one) ?? Number.NaN),
    })
    const values: Readonly<Record<string, ChunkValues>> = {
      word: { words: Uint32Array.from(words_of, ({ word }) => word) },
      whole: numbers(({ whole }) => whole),
      small: numbers(({ small }) => small),
      day: numbers(({ day }) => day),
      time: numbers(({ time }) => time),
      real: numbers(({ real }) => real),
      yes: numbers(({ yes }) => (yes === undefined ? undefined : Number(yes))),
      extra: {
        entries: Uint32Array.from(words_of, ({ extra }) => extra.length),
        keys: Uint32Array.from(entries, ([key]) => key),
        values: Uint32Array.from(entries, ([, value]) => value),
      },
    }
    await file.add(some.length, ({ name }) => values[name] ?? numbers(() => undefined))
  }
  return file.finish()
}

async function read(bytes: Buffer) {
  const path = join(folder, 'one.parquet')
  await writeFile(path, bytes)
  const found = await rowsOf(
    duckdb.connection,
    `SELECT word, whole, small, day - DATE '1970-01-01' AS day, epoch_us(time) AS time, real, yes,
       map_keys(extra) AS keys, map_values(extra) AS vals FROM read_parquet('${path}')`,
  )
  const number = (value: unknown) => (value === null ? undefined : Number(value))
  return found.map(({ word, whole, small, day, time, real, yes, keys, vals }) => ({
    word: word ?? undefined,
    ...{ whole: number(whole), small: number(small), day: number(day), time: number(time) },
    ...{ real: number(real), yes: yes ?? undefined },
    extra: Array.isArray(keys) && Array.isArray(vals) ? keys.map((key, i) => [key, vals[i] ?? undefined]) : [],
  }))
}

test('DuckDB reads what was written, whatever runs, nulls and row groups it has', async () => {
  await fc.assert(
    fc.asyncProperty(rowsToWrite, fc.integer({ min: 1, max: 300 }), async (rows, group_rows) => {
      const { bytes, written: statistics, rows: count } = await written(rows, group_rows)
      expect(count).toBe(rows.length)
      expect(await read(bytes)).toEqual(rows)
      for (const name of ['word', 'whole', 'small', 'day', 'time', 'real', 'yes', 'extra'] as const) {
        const nulls = rows.filter((one) => (name === 'extra' ? one.extra.length === 0 : one[name] === undefined)).length
        expect([name, statistics.get(name)?.null_count]).toEqual([name, nulls])
      }
      // Of the values of a map: rows without entries, and entries without a value.
      const footer = await rowsOf(
        duckdb.connection,
        `SELECT coalesce(sum(stats_null_count), 0) AS nulls FROM parquet_metadata('${join(folder, 'one.parquet')}')
          WHERE path_in_schema = 'extra, key_value, value'`,
      )
      const without = rows.map(({ extra }) =>
        extra.length === 0 ? 1 : extra.filter(([, value]) => value === undefined).length,
      )
      expect(Number(footer[0]?.['nulls'])).toBe(without.reduce((sum, one) => sum + one, 0))
      const wholes = rows.flatMap(({ whole }) => (whole === undefined ? [] : [whole]))
      const bounds = wholes.length > 0 && [Math.min(...wholes), Math.max(...wholes)]
      expect([statistics.get('whole')?.min, statistics.get('whole')?.max]).toEqual(bounds || [undefined, undefined])
      const bytesOf = (one: string) => Buffer.from(one, 'utf8')
      const texts = rows
        .flatMap(({ word }) => (word === undefined ? [] : [word]))
        .sort((a, b) => bytesOf(a).compare(bytesOf(b)))
      expect([statistics.get('word')?.min, statistics.get('word')?.max]).toEqual([texts[0], texts.at(-1)])
    }),
    { numRuns: 150 },
  )
})

test('statistics are of the type of their column', async () => {
  const first = { time: 1_764_000_000_000_001, small: -(2 ** 31), day: -1, real: -0.5, yes: false }
  const last = { time: 1_764_000_000_999_999, small: 2 ** 31 - 1, day: 20_781, real: 0.5, yes: true }
  const none = { word: undefined, whole: undefined, extra: [] }
  const { written: statistics } = await written(
    [last, first].map((one): Row => ({ ...none, ...one })),
    1,
  )
  const null_count = 0
  expect(Object.fromEntries(statistics)).toEqual({
    word: { null_count: 2 },
    whole: { null_count: 2 },
    small: { null_count, min: -(2 ** 31), max: 2 ** 31 - 1 },
    day: { null_count, min: '1969-12-31', max: '2026-11-24' },
    time: { null_count, min: 1_764_000_000_000_001n, max: 1_764_000_000_999_999n },
    real: { null_count, min: -0.5, max: 0.5 },
    yes: { null_count, min: false, max: true },
    extra: { null_count: 2 },
  })
})

test('a type that only other engines have is refused, by its name', () => {
  const blob: Column = { name: 'raw', type: 'BLOB' as ForeignType, meaning: '' }
  expect(() => openParquetFile([blob], openWords().list())).toThrow(/found raw of type BLOB/)
})
