import { expect, test } from 'vitest'
import { judged } from './objective-state.ts'

const COLUMNS = [
  'objective',
  'measure',
  'good',
  'total',
  'matched',
  'target',
  'window_days',
  'minimum_total',
  'alert_minimum',
]

/** State, share and what is left of the budget of an objective of 99 % with a minimum of 100. */
function stateOf(good: number, total: number, matched: number) {
  const [one] = judged(COLUMNS, [['o', 'loss', String(good), String(total), String(matched), 0.99, 30, '100', '10']])
  return [one?.state, one?.share, one?.budget_left]
}

test('an objective is kept at its target, and missed below it', () => {
  expect(stateOf(990, 1000, 5)).toEqual(['kept', 0.99, expect.closeTo(0, 9)])
  expect(stateOf(995, 1000, 5)).toEqual(['kept', 0.995, expect.closeTo(0.5, 9)])
  expect(stateOf(980, 1000, 5)).toEqual(['missed', 0.98, expect.closeTo(-1, 9)])
})

test('below its minimum there is too little data to judge by, whatever is counted', () => {
  expect(stateOf(0, 99, 5)).toEqual(['too little data', 0, expect.closeTo(-99, 9)])
  expect(stateOf(0, 0, 5)).toEqual(['too little data', undefined, undefined])
})

test('one that nothing matches has no data, which is not the same', () => {
  expect(stateOf(0, 0, 0)).toEqual(['no data', undefined, undefined])
})
