import fc from 'fast-check'
import { expect, test } from 'vitest'
import { assignBuckets, type Holder } from './assign.ts'

const holders = fc.uniqueArray(
  fc.record({ id: fc.string({ minLength: 1, maxLength: 4 }), holds: fc.array(fc.nat(80)) }),
  {
    selector: ({ id }) => id,
    minLength: 1,
    maxLength: 9,
  },
)
const buckets = fc.integer({ min: 1, max: 64 })
const settled = (some: readonly Holder[], count: number): readonly Holder[] =>
  [...assignBuckets(some, count)].map(([id, holds]) => ({ id, holds }))

test('each bucket is one holder’s, and none has two more than another', () => {
  fc.assert(
    fc.property(holders, buckets, (some, count) => {
      const shares = [...assignBuckets(some, count).values()]
      expect(shares.flat().toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, bucket) => bucket))
      const sizes = shares.map((share) => share.length)
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
    }),
  )
})

test('what is divided stays as it is, in whatever order the holders come', () => {
  fc.assert(
    fc.property(holders, buckets, (some, count) => {
      const once = settled(some, count)
      expect(settled(once.toReversed(), count)).toEqual(once)
    }),
  )
})

test('one that leaves gives its own buckets away and moves no other', () => {
  fc.assert(
    fc.property(holders, buckets, (some, count) => {
      const [leaver, ...rest] = settled(some, count)
      const after = assignBuckets(rest, count)
      for (const { id, holds } of rest) expect(after.get(id)).toEqual(expect.arrayContaining([...holds]))
      expect(leaver).toBeDefined()
    }),
  )
})

test('one that comes takes its part, and nothing moves between the others', () => {
  fc.assert(
    fc.property(holders, buckets, (some, count) => {
      const before = settled(some, count)
      const after = assignBuckets([...before, { id: 'newcomer', holds: [] }], count)
      for (const { id, holds } of before) expect(holds).toEqual(expect.arrayContaining([...(after.get(id) ?? [])]))
    }),
  )
})
