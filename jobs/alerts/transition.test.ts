import { expect, test } from 'vitest'
import { type AlertState, judgeAlerts, type Verdict } from './burn-rate.ts'
import { isTold, type Standing, transitionsOf } from './transition.ts'

const [page] = judgeAlerts(
  { objective: 'o', target: 0.9, window_days: 30, matched: 1, alert_minimum: 1, points: [] },
  0,
)
const verdict = (state: AlertState): Verdict[] => (page ? [{ ...page, state }] : [])
const standing = (state: AlertState, since_ms = 0): Standing[] => [
  { objective: 'o', severity: 'page', sequence: 3, state, since_ms, told_sequence: 0 },
]

test('an alert that nothing is known of was well', () => {
  expect(transitionsOf([], verdict('ok'), 5)).toEqual([])
  expect(transitionsOf([], verdict('firing'), 5)).toMatchObject([
    { sequence: 1, previous: 'ok', state: 'firing', time_ms: 5 },
  ])
})

test('only a change is one', () => {
  expect(transitionsOf(standing('firing'), verdict('firing'), 5)).toEqual([])
  expect(transitionsOf(standing('firing'), verdict('ok'), 5)).toMatchObject([
    { sequence: 4, previous: 'firing', state: 'ok' },
  ])
})

test('what was judged later by another stays', () => {
  expect(transitionsOf(standing('firing', 5), verdict('ok'), 5)).toEqual([])
})

test('an objective that is withdrawn takes its alert with it, once', () => {
  expect(transitionsOf(standing('firing'), [], 5)).toMatchObject([{ state: 'withdrawn', rule: undefined }])
  expect(transitionsOf(standing('withdrawn'), [], 5)).toEqual([])
})

test('of one that fires no more it is told what became of the rule that fired', () => {
  const other = page?.rules[1]
  const fired = standing('firing').map((one) => ({ ...one, long_ms: other?.long_ms }))
  expect(other?.long_ms).not.toBe(page?.rule.long_ms)
  expect(transitionsOf(fired, verdict('ok'), 5)).toMatchObject([{ rule: { long_ms: other?.long_ms } }])
  expect(transitionsOf(fired, verdict('unknown'), 5)).toMatchObject([{ rule: { long_ms: page?.rule.long_ms } }])
})

test('people are told that it fires or that nothing is known, and that it is no more so', () => {
  expect(isTold({ previous: 'ok', state: 'unknown' })).toBe(true)
  expect(isTold({ previous: 'unknown', state: 'too little data' })).toBe(true)
  expect(isTold({ previous: 'ok', state: 'firing' })).toBe(true)
  expect(isTold({ previous: 'firing', state: 'no data' })).toBe(true)
  expect(isTold({ previous: 'ok', state: 'too little data' })).toBe(false)
})
