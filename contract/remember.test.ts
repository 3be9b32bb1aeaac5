import { expect, it } from 'vitest'
import { remember } from './remember.ts'

it('forgets what was set longest ago, and counts a key that is set again as new', () => {
  const map = new Map<string, number>()
  for (const [value, key] of ['a', 'b', 'a', 'c'].entries()) remember(map, key, value, 2)
  expect([...map]).toEqual([
    ['a', 2],
    ['c', 3],
  ])
})
