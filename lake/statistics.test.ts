import { expect, test } from 'vitest'
import type { ColumnType } from '../contract/column.ts'
import {
  STATISTICS_COLUMNS_KEY,
  STATISTICS_COUNT_KEY,
  statisticsOf,
  type WrittenColumn,
  withStatistics,
} from './statistics.ts'

function boundsOf(type: ColumnType, written: WrittenColumn) {
  const { minValues, maxValues } = statisticsOf(2, [{ name: 'c', type, meaning: '' }], new Map([['c', written]]))
  return [minValues['c'], maxValues['c']]
}

test('a double that holds NaN has no bounds: NaN is above all numbers, for some engines, and in no maximum', () => {
  expect(boundsOf('double', { min: 1, max: 2, has_nan: true })).toEqual([undefined, undefined])
  expect(boundsOf('double', { min: 1, max: 2, has_nan: false })).toEqual([1, 2])
})

const micros = (text: string, us = 0) => BigInt(Date.parse(text)) * 1000n + BigInt(us)

test('times are floored and ceiled to ms, before 1970 too', () => {
  const [min, max] = [micros('1969-12-31T23:59:59.998Z', 1), micros('1969-12-31T23:59:59.998Z', 999)]
  expect(boundsOf('timestamp', { min, max })).toEqual(['1969-12-31T23:59:59.998Z', '1969-12-31T23:59:59.999Z'])
})

test('a time whose ceiling would be past the year 9999 has no bounds', () => {
  const min = micros('2026-11-24T00:00:00.000Z', 1)
  const last = '9999-12-31T23:59:59.999Z'
  expect(boundsOf('timestamp', { min, max: micros(last, 999) })).toEqual([undefined, undefined])
  expect(boundsOf('timestamp', { min, max: micros(last) })).toEqual(['2026-11-24T00:00:00.000Z', last])
})

test('numbers that JSON does not tell rightly have no bounds', () => {
  expect(boundsOf('long', { min: 0, max: 2 ** 53 })).toEqual([undefined, undefined])
  expect(boundsOf('double', { min: Number.NEGATIVE_INFINITY, max: 1 })).toEqual([undefined, undefined])
  expect(boundsOf('long', { min: -(2 ** 53) + 1, max: 0 })).toEqual([-(2 ** 53) + 1, 0])
})

test('texts bound only while they are short', () => {
  expect(boundsOf('string', { min: 'a', max: 'b'.repeat(1000) })).toEqual([undefined, undefined])
  expect(boundsOf('string', { min: '', max: 'b' })).toEqual(['', 'b'])
})

test('dates that are not of four digits of year have no bounds', () => {
  expect(boundsOf('date', { min: '0044-03-15 (BC)', max: '2026-11-24' })).toEqual([undefined, undefined])
  expect(boundsOf('date', { min: '2026-11-24', max: '12345-01-01' })).toEqual([undefined, undefined])
  expect(boundsOf('date', { min: '-infinity', max: '2026-11-24' })).toEqual([undefined, undefined])
})

test.each([
  ['the first 32, when it does not say', {}, 32],
  ['as many of the first as it says', { [STATISTICS_COUNT_KEY]: '3' }, 3],
  ['none', { [STATISTICS_COUNT_KEY]: '0' }, 0],
  ['all', { [STATISTICS_COUNT_KEY]: '-1' }, 40],
  ['the first 32, when it says what is no number', { [STATISTICS_COUNT_KEY]: 'x' }, 32],
  [
    'those that it names, whatever their number',
    { [STATISTICS_COLUMNS_KEY]: 'c1, c39,`c2`', [STATISTICS_COUNT_KEY]: '1' },
    3,
  ],
  ['none, when it names none', { [STATISTICS_COLUMNS_KEY]: '' }, 0],
])('a table keeps statistics for %s', (_, configuration, count) => {
  const columns = Array.from({ length: 40 }, (_, i) => ({ name: `c${i}` }))
  expect(withStatistics(columns, configuration)).toHaveLength(count)
})

test('names of columns for statistics may hold commas and backticks, between backticks', () => {
  const columns = ['a,b', 'c`d', 'e', ' f'].map((name) => ({ name }))
  const kept = withStatistics(columns, { [STATISTICS_COLUMNS_KEY]: '`a,b`,`c``d` , e' })
  expect(kept.map(({ name }) => name)).toEqual(['a,b', 'c`d', 'e'])
})
