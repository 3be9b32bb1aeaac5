import { expect, test } from 'vitest'
import { heard, type Presence } from './presence.ts'

const after = (...events: readonly (readonly ['connected' | 'disconnected', string])[]) =>
  events.reduce<Presence | undefined>((before, [stage, epoch]) => heard(before, { stage, epoch }), undefined)?.online

test('a hub is there until its newest session ends', () => {
  expect(after(['connected', '1.42.7'])).toBe(true)
  expect(after(['connected', '1.42.7'], ['disconnected', '1.42.7'])).toBe(false)
  expect(after(['disconnected', '1.42.7'], ['connected', '1.42.8'])).toBe(true)
})

test('the end of an older session, told late, leaves it there', () => {
  expect(after(['connected', '1.42.10'], ['disconnected', '1.42.9'])).toBe(true)
  expect(after(['connected', '2.1.1'], ['disconnected', '1.99.99'])).toBe(true)
})
