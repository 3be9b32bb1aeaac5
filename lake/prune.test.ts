import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Column } from '../contract/column.ts'
import { encodePromoted, PROMOTED_KEY } from './promoted.ts'
import { type Bound, prune } from './prune.ts'
import { encodeSchema } from './schema.ts'
import { snapshotOf } from './snapshot.ts'
import { statisticsOf, type WrittenBound, type WrittenColumn } from './statistics.ts'

const COLUMNS: readonly Column[] = [
  { name: 'n', type: 'long', meaning: '' },
  { name: 's', type: 'string', meaning: '' },
  { name: 't', type: 'timestamp', meaning: '' },
]
const PARTITION: readonly Column[] = [{ name: 'p', type: 'integer', meaning: '' }]

type Row = { readonly n: number | null; readonly s: string | null; readonly micros: number | null }
const START_MS = Date.UTC(2026, 10, 24)

const row: fc.Arbitrary<Row> = fc.record({
  n: fc.option(fc.integer({ min: -5, max: 5 })),
  s: fc.option(fc.constantFrom('a', 'b', 'z', 'ä', '￿', '😀', 'x'.repeat(70))),
  micros: fc.option(fc.integer({ min: 0, max: 5000 })),
})

/** What a writer tells of rows: bounds without nulls, texts by their UTF-8 bytes. */
function written(rows: readonly Row[]): ReadonlyMap<string, WrittenColumn> {
  const of = <T>(values: readonly (T | null)[], compare: (a: T, b: T) => number, bound: (value: T) => WrittenBound) => {
    const known = values.filter((value) => value !== null).toSorted(compare)
    const [min, max] = [known[0], known.at(-1)]
    const null_count = values.length - known.length
    return min === undefined || max === undefined ? { null_count } : { min: bound(min), max: bound(max), null_count }
  }
  const [n, s, t] = [rows.map((one) => one.n), rows.map((one) => one.s), rows.map(({ micros }) => micros)]
  const numeric = (a: number, b: number) => a - b
  const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
  return new Map<string, WrittenColumn>([
    ['n', of(n, numeric, (value) => value)],
    ['s', of(s, byBytes, (value) => value)],
    ['t', of(t, numeric, (value) => BigInt(START_MS) * 1000n + BigInt(value))],
  ])
}

const comparison = fc.constantFrom('=', '<', '<=', '>', '>=' as const)
type Asked = {
  readonly column: 'n' | 's' | 't' | 'p'
  readonly comparison: '=' | '<' | '<=' | '>' | '>='
  readonly number: number
  readonly text: string
}
const asked: fc.Arbitrary<Asked> = fc.record({
  column: fc.constantFrom('n', 's', 't', 'p'),
  comparison,
  number: fc.integer({ min: -5, max: 5000 }),
  text: fc.constantFrom('a', 'b', 'z', 'ä', '￿', '😀'),
})

/** The truth, row by row, as SQL has it: NULL meets nothing. */
function meets({ column, comparison, number, text }: Asked, { n, s, micros }: Row, p: number): boolean {
  const order =
    column === 's'
      ? s === null
        ? undefined
        : Buffer.compare(Buffer.from(s), Buffer.from(text))
      : { n, t: micros, p }[column] === null
        ? undefined
        : Math.sign(Number({ n, t: micros, p }[column]) - number)
  if (order === undefined) return false
  return { '=': order === 0, '<': order < 0, '<=': order <= 0, '>': order > 0, '>=': order >= 0 }[comparison]
}

function boundOf({ column, comparison, number, text }: Asked): Bound {
  const value =
    column === 's' ? text : column === 't' ? new Date(START_MS + Math.floor(number / 1000)).toISOString() : number
  return { column, comparison, value }
}

test('leaves out no file for its statistics of a promoted column, which is filled from extra', () => {
  const column: Column = { name: 'level', type: 'double', meaning: '' }
  const statistics = { numRecords: 2, minValues: { n: 1, level: 1 }, maxValues: { n: 1, level: 1 }, nullCount: {} }
  const metadata = (configuration: Readonly<Record<string, string>>) => ({
    ...{ id: 'm', format: { provider: 'parquet', options: {} }, partitionColumns: [], configuration },
    schemaString: encodeSchema([...COLUMNS, column]),
  })
  const file = { path: 'a', partitionValues: {}, size: 1, modificationTime: 0, dataChange: true }
  const state = {
    ...{ version: 0, timestamp_ms: 0, protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
    ...{ files: new Map([['a', { ...file, stats: JSON.stringify(statistics) }]]), txns: new Map(), removed: new Map() },
  }
  const kept = (configuration: Readonly<Record<string, string>>, asked: string) =>
    prune(snapshotOf({ ...state, metadata: metadata(configuration) }), [{ column: asked, comparison: '=', value: 2 }])
      .length
  const promoted = { [PROMOTED_KEY]: encodePromoted(['level']) }
  expect([kept({}, 'level'), kept(promoted, 'level'), kept(promoted, 'n')]).toEqual([0, 1, 0])
})

test('never leaves out a file that has a row which meets all conditions', () => {
  const files = fc.array(fc.record({ rows: fc.array(row, { maxLength: 4 }), p: fc.integer({ min: -1, max: 3 }) }), {
    maxLength: 6,
  })
  let left_out = 0
  fc.assert(
    fc.property(files, fc.array(asked, { minLength: 1, maxLength: 3 }), (made, conditions) => {
      const snapshot = snapshotOf({
        version: 0,
        timestamp_ms: 0,
        protocol: { minReaderVersion: 1, minWriterVersion: 2 },
        metadata: {
          id: 'm',
          format: { provider: 'parquet', options: {} },
          schemaString: encodeSchema([...COLUMNS, ...PARTITION]),
          partitionColumns: ['p'],
          configuration: {},
        },
        files: new Map(
          made.map(({ rows, p }, i) => [
            String(i),
            {
              path: String(i),
              partitionValues: { p: String(p) },
              size: 1,
              modificationTime: 0,
              dataChange: true,
              stats: JSON.stringify(statisticsOf(rows.length, COLUMNS, written(rows))),
            },
          ]),
        ),
        txns: new Map(),
        removed: new Map(),
      })
      const kept = new Set(prune(snapshot, conditions.map(boundOf)).map(({ path }) => path))
      left_out += made.length - kept.size
      for (const [i, { rows, p }] of made.entries()) {
        const matching = rows.some((one) => conditions.every((condition) => meets(condition, one, p)))
        if (matching) expect(kept).toContain(String(i))
      }
    }),
    { numRuns: 2000 },
  )
  expect(left_out).toBeGreaterThan(1000)
})
