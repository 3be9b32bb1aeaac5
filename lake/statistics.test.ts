import { expect, test } from 'vitest'
import type { ColumnType } from '../contract/column.ts'
import { statisticsOf, type WrittenColumn } from './statistics.ts'

function boundsOf(type: ColumnType, written: WrittenColumn) {
  const { minValues, maxValues } = statisticsOf(2, [{ name: 'c', type, meaning: '' }], new Map([['c', written]]))
  return [minValues['c'], maxValues['c']]
}

test('a double that holds NaN has no bounds: NaN is above all numbers, for some engines, and in no maximum', () => {
  expect(boundsOf('double', { min: '1.0', max: '2.0', has_nan: 'true' })).toEqual([undefined, undefined])
  expect(boundsOf('double', { min: '1.0', max: '2.0', has_nan: 'false' })).toEqual([1, 2])
})

test('a time whose ceiling would be past the year 9999 has no bounds', () => {
  const min = '2026-11-24 00:00:00.000001+00'
  expect(boundsOf('timestamp', { min, max: '9999-12-31 23:59:59.999999+00' })).toEqual([undefined, undefined])
  expect(boundsOf('timestamp', { min, max: '9999-12-31 23:59:59.999+00' })).toEqual([
    '2026-11-24T00:00:00.000Z',
    '9999-12-31T23:59:59.999Z',
  ])
})

test('dates that are not of four digits of year have no bounds', () => {
  expect(boundsOf('date', { min: '0044-03-15 (BC)', max: '2026-11-24' })).toEqual([undefined, undefined])
  expect(boundsOf('date', { min: '2026-11-24', max: '12345-01-01' })).toEqual([undefined, undefined])
  expect(boundsOf('date', { min: '-infinity', max: '2026-11-24' })).toEqual([undefined, undefined])
})
