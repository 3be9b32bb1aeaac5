import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  bucketIndex,
  bucketValue,
  EMPTY_HISTOGRAM,
  GAMMA,
  type Histogram,
  merge,
  quantile,
  RELATIVE_ERROR,
} from './histogram.ts'

const duration = fc.double({ min: 0.001, max: 1e7, noNaN: true })
const histogramOf = (durations: readonly number[]) =>
  durations.reduce<Histogram>((sum, d) => {
    const index = bucketIndex(d)
    return merge(sum, index === undefined ? { zero: 1, counts: new Map() } : { zero: 0, counts: new Map([[index, 1]]) })
  }, EMPTY_HISTOGRAM)

test('a bucket stands for each of its durations within the relative error', () => {
  fc.assert(
    fc.property(duration, (d) => {
      const index = bucketIndex(d)
      expect(index).toBeDefined()
      expect(Math.abs(bucketValue(index ?? 0) - d) / d).toBeLessThanOrEqual(RELATIVE_ERROR + 1e-6)
    }),
  )
})

test('zero and negative durations have no bucket', () => {
  expect(bucketIndex(0)).toBeUndefined()
  expect(bucketIndex(-3)).toBeUndefined()
})

test('an exact power of γ is in the bucket that it closes', () => {
  for (const index of [-40, -1, 0, 1, 7, 300]) expect(bucketIndex(GAMMA ** index)).toBe(index)
})

test('merging does not depend on order, and quantiles are within the relative error', () => {
  fc.assert(
    fc.property(
      fc.array(duration, { minLength: 1, maxLength: 60 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (all, q) => {
        const merged = histogramOf(all)
        expect(histogramOf([...all].reverse()).counts).toEqual(merged.counts)
        const exact = [...all].sort((a, b) => a - b)[Math.floor(q * (all.length - 1))] ?? 0
        const found = quantile(merged, q) ?? Number.NaN
        expect(Math.abs(found - exact) / exact).toBeLessThanOrEqual(RELATIVE_ERROR + 1e-6)
      },
    ),
  )
})
