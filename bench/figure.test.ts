import { expect, test } from 'vitest'
import { formatValue, latencyFigures, median, overRounds, percentile, reaches } from './figure.ts'

test('the median of an even number of values lies between the two in the middle', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
  expect(median([])).toBeNaN()
})

test('a percentile is the nearest rank: a value that was measured', () => {
  const values = Array.from({ length: 1000 }, (_, i) => i + 1)
  expect(percentile(values, 0.5)).toBe(500)
  expect(percentile(values, 0.99)).toBe(990)
  expect(percentile(values, 0.999)).toBe(999)
  expect(percentile([7], 0.999)).toBe(7)
  expect(latencyFigures('x', values).map(({ value }) => value)).toEqual([500, 990, 999, 1000])
})

test('a figure over rounds tells its spread, and whether it reaches its target', () => {
  const figure = overRounds('ratio', '×', [0.7, 0.5, 0.9], { least: 0.6 })
  expect(figure).toMatchObject({ value: 0.7, low: 0.5, high: 0.9 })
  expect(reaches(figure)).toBe(true)
  expect(reaches({ ...figure, value: 0.59 })).toBe(false)
  expect(reaches(overRounds('ratio', '×', [0.7]))).toBe(undefined)
})

test('numbers show the digits that matter', () => {
  expect(formatValue(123456.7)).toBe('123 457')
  expect(formatValue(41.72)).toBe('41.7')
  expect(formatValue(0.15349)).toBe('0.153')
})
