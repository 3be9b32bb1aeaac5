import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { inParts } from './in-parts.ts'

test('a small set is done at once, a large one a part a turn', async () => {
  const numbers = new Set([1, 2, 3, 4, 5, 6, 7])
  const done: number[] = []
  const ask = inParts({ all: () => numbers, part: 3 }, (one) => done.push(one))
  ask()
  expect(done).toEqual([1, 2, 3])
  numbers.delete(5)
  numbers.add(8)
  await setImmediate()
  expect(done).toEqual([1, 2, 3, 4, 6, 7])
  await setImmediate()
  expect(done).toEqual([1, 2, 3, 4, 6, 7, 8])
  await setImmediate()
  expect(done).toHaveLength(7)
})

test('asked again while it is under way, it does all once more, however often it was asked', async () => {
  const done: string[] = []
  const ask = inParts({ all: () => ['a', 'b', 'c'], part: 2 }, (one) => done.push(one))
  for (let i = 0; i < 3; i++) ask()
  for (let i = 0; i < 4; i++) await setImmediate()
  expect(done.join('')).toBe('abcabc')
  ask()
  expect(done.join('')).toBe('abcabcab')
})
