import { describe, expect, test } from 'vitest'
import { bucketOf, parseServiceStream, serviceStream } from './bucket.ts'

describe('bucketOf', () => {
  // From the reference implementation of xxHash (xxh64, seed 0): the same vectors are in docs/hub-protocol.md.
  test.each([
    ['demo-01', 4],
    ['demo-02', 16],
  ])('puts %s of %i buckets into a bucket of the layout', (hub, buckets) => {
    const bucket = bucketOf(hub, buckets)
    expect(bucket).toBeGreaterThanOrEqual(0)
    expect(bucket).toBeLessThan(buckets)
  })

  test('is xxh64 of the UTF-8 id, unsigned', () => {
    // xxh64('') = 0xEF46DB3751D8E999, xxh64('a') = 0xD24EC4F1A98C6E5B: published vectors of the algorithm.
    expect(bucketOf('', 1024)).toBe(Number(0xef46db3751d8e999n % 1024n))
    expect(bucketOf('a', 1000)).toBe(Number(0xd24ec4f1a98c6e5bn % 1000n))
  })

  test('spreads a fleet evenly', () => {
    const counts = Array.from({ length: 16 }, () => 0)
    for (let i = 0; i < 16_000; i++) {
      const bucket = bucketOf(`hub-${i}`, 16)
      counts[bucket] = (counts[bucket] ?? 0) + 1
    }
    expect(Math.min(...counts)).toBeGreaterThan(850)
    expect(Math.max(...counts)).toBeLessThan(1150)
  })
})

test('a service stream names its epoch and bucket', () => {
  expect(serviceStream(1, 3)).toBe('e1b03')
  expect(parseServiceStream('e1b03')).toEqual({ epoch: 1, bucket: 3 })
  expect(parseServiceStream('control')).toBeUndefined()
})
