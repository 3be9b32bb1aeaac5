/** Statistics and partition values as other engines write them. */
import { expect, test } from 'vitest'
import type { Column, ColumnType } from '../contract/column.ts'
import type { AddFile } from './action.ts'
import type { Comparison } from './predicate.ts'
import { prune } from './prune.ts'
import { encodeSchema } from './schema.ts'
import { snapshotOf } from './snapshot.ts'
import type { StatisticsValue } from './statistics.ts'

type Asked = readonly [Comparison, StatisticsValue]

/** Is a file kept whose column `c` has these bounds, or, as the partition's column, this one value? */
function kept(type: ColumnType, held: readonly [unknown, unknown] | string, [comparison, value]: Asked): boolean {
  const column: Column = { name: 'c', type, meaning: '' }
  const inPartition = typeof held === 'string'
  const stats = inPartition
    ? {}
    : { numRecords: 2, minValues: { c: held[0] }, maxValues: { c: held[1] }, nullCount: { c: 0 } }
  const add: AddFile = {
    ...{ path: 'f', size: 1, modificationTime: 0, dataChange: true, stats: JSON.stringify(stats) },
    partitionValues: inPartition ? { c: held } : {},
  }
  const snapshot = snapshotOf({
    ...{ version: 0, timestamp_ms: 0, protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
    metadata: {
      ...{ id: 'm', format: { provider: 'parquet', options: {} }, configuration: {} },
      schemaString: encodeSchema([column]),
      partitionColumns: inPartition ? ['c'] : [],
    },
    ...{ files: new Map([['f', add]]), txns: new Map(), removed: new Map() },
  })
  return prune(snapshot, [{ column: 'c', comparison, value }]).length > 0
}

const NOON = '2026-11-24T12:00:00.123Z'

test.each<[string, readonly [unknown, unknown]]>([
  ['microseconds', ['2026-11-24T12:00:00.123000Z', '2026-11-24T12:00:00.123456Z']],
  ['a zone of its own', ['2026-11-24T13:00:00.123+01:00', '2026-11-24T07:00:00.123-05:00']],
  ['no zone', ['2026-11-24 12:00:00.123', '2026-11-24T12:00:00.123456']],
  ['a maximum cut to ms', ['2026-11-24T12:00:00.123Z', '2026-11-24T12:00:00.123Z']],
])('times in statistics with %s', (_, bounds) => {
  for (const comparison of ['=', '<', '<=', '>', '>='] as const) {
    expect(kept('timestamp', bounds, [comparison, NOON]), comparison).toBe(true)
  }
  expect(kept('timestamp', bounds, ['>', '2026-11-24T12:00:00.125Z'])).toBe(false)
  expect(kept('timestamp', bounds, ['<', '2026-11-24T12:00:00.121Z'])).toBe(false)
})

test('whole seconds are written without a fraction', () => {
  const bounds = ['2026-11-24T12:00:00Z', '2026-11-24T12:00:00Z'] as const
  expect(kept('timestamp', bounds, ['=', '2026-11-24T12:00:00.000Z'])).toBe(true)
})

test('times past the year 9999 are later than all before', () => {
  expect(kept('timestamp', [NOON, NOON], ['<', '+012345-01-01T00:00:00.000Z'])).toBe(true)
  expect(kept('timestamp', ['+10000-01-01T00:00:00Z', '+10000-01-01T00:00:00Z'], ['>', NOON])).toBe(true)
  expect(kept('timestamp', [NOON, NOON], ['>', '-000043-01-01T00:00:00.000Z'])).toBe(true)
})

test('dates of other than four digits of year are not decided', () => {
  expect(kept('date', ['2026-11-24', '2026-11-24'], ['<', '12345-01-01'])).toBe(true)
  expect(kept('date', ['2026-11-24', '2026-11-24'], ['>', '0044-03-15 (BC)'])).toBe(true)
  expect(kept('date', ['-0043-03-15', '+12345-01-01'], ['=', '2026-11-24'])).toBe(true)
  expect(kept('date', ['2026-11-24', '2026-11-25'], ['=', '2026-11-26'])).toBe(false)
})

test.each(['2026-11-24 12:00:00', '2026-11-24 12:00:00.000000', '2026-11-24T12:00:00.000000Z'])(
  'a time as partition value: %s',
  (value) => {
    expect(kept('timestamp', value, ['=', '2026-11-24T12:00:00.000Z'])).toBe(true)
    expect(kept('timestamp', value, ['>', '2026-11-24T12:00:01.000Z'])).toBe(false)
  },
)

test('partition values of doubles, booleans and nothing', () => {
  expect(kept('double', 'NaN', ['>', 5])).toBe(true)
  expect(kept('double', '1.0E10', ['=', 1e10])).toBe(true)
  expect(kept('double', 'Infinity', ['>', 5])).toBe(true)
  expect(kept('boolean', 'true', ['=', true])).toBe(true)
  expect(kept('boolean', 'true', ['=', false])).toBe(false)
  expect(kept('integer', '', ['=', 1])).toBe(false)
})

test('NaN as a text in statistics decides nothing', () => {
  expect(kept('double', ['NaN', 'NaN'], ['=', 5])).toBe(true)
  expect(kept('double', [-5, 'NaN'], ['<', -6])).toBe(true)
})
