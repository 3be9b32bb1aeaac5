import { expect, test } from 'vitest'
import { memoryOf } from './measured.ts'

const line = (of: (committed: number) => number) =>
  Array.from({ length: 21 }, (_, i) => ({ committed: i * 1e6, rss_bytes: of(i * 1e6) }))

test('memory that grows at the start alone is flat', () => {
  const { peak_bytes, growth } = memoryOf(line((committed) => Math.min(committed, 1e7) + 5e8))
  expect(peak_bytes).toBe(5.1e8)
  expect(growth).toBeCloseTo(0)
})

test('growth is told for ten million events, as a share of what there is', () => {
  expect(memoryOf(line((committed) => 1e9 + committed * 2)).growth).toBeCloseTo(2e7 / 1.029e9)
})

test('what an attempt takes until its commit is no growth', () => {
  const saw = line((committed) => 5e8 + committed / 1e5).flatMap((one) => [
    { ...one, rss_bytes: 3e8 },
    { ...one, rss_bytes: 9e8 },
  ])
  expect(memoryOf(saw)).toEqual({ peak_bytes: 9e8, growth: 0 })
})

test('of few commits no growth is told', () => {
  expect(memoryOf([])).toEqual({ peak_bytes: 0, growth: undefined })
  expect(memoryOf([{ rss_bytes: 7, committed: 3 }])).toEqual({ peak_bytes: 7, growth: undefined })
})
