import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { add, type Interval, intersect, intervalSet, size, subtract, union } from './interval.ts'

const intervals = fc.array(
  fc.tuple(fc.nat(60), fc.nat(8)).map(([from, length]): Interval => [from, from + length]),
  { maxLength: 12 },
)
const numbers = (set: Iterable<Interval>) =>
  new Set([...set].flatMap(([from, to]) => Array.from({ length: to - from }, (_, i) => from + i)))
const sorted = (set: Set<number>) => [...set].sort((a, b) => a - b)

describe('interval sets behave as the sets of numbers that they stand for', () => {
  test('union', () => {
    fc.assert(
      fc.property(intervals, intervals, (a, b) => {
        expect(sorted(numbers(union(intervalSet(a), intervalSet(b))))).toEqual(
          sorted(new Set([...numbers(a), ...numbers(b)])),
        )
      }),
    )
  })

  test('union is a set, and `a` itself where `b` adds nothing', () => {
    fc.assert(
      fc.property(intervals, intervals, (some, more) => {
        const [a, b] = [intervalSet(some), intervalSet(more)]
        const both = union(a, b)
        expect(both).toEqual(intervalSet([...a, ...b]))
        expect(union(both, b)).toBe(both)
        expect(union(both, a)).toBe(both)
      }),
    )
  })

  test('subtract and intersect', () => {
    fc.assert(
      fc.property(intervals, intervals, (a, b) => {
        const inB = numbers(b)
        const difference = subtract(intervalSet(a), intervalSet(b))
        expect(sorted(numbers(difference))).toEqual(sorted(numbers(a)).filter((n) => !inB.has(n)))
        expect(sorted(numbers(intersect(intervalSet(a), intervalSet(b))))).toEqual(
          sorted(numbers(a)).filter((n) => inB.has(n)),
        )
        expect(intervalSet(difference)).toEqual(difference)
      }),
    )
  })

  test('add equals the union with one interval, and size counts', () => {
    fc.assert(
      fc.property(intervals, fc.nat(70), fc.nat(9), (a, from, length) => {
        const set = add(intervalSet(a), from, from + length)
        expect(set).toEqual(union(intervalSet(a), intervalSet([[from, from + length]])))
        expect(size(set)).toBe(numbers(set).size)
      }),
    )
  })
})
