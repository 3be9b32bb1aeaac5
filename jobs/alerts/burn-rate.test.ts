import { expect, test } from 'vitest'
import { DAY_MS } from '../day.ts'
import { HOUR_MS } from '../limits.ts'
import { type Burnt, judgeAlerts, judgeRules, MINUTE_MS, type Point, rulesOf } from './burn-rate.ts'

const AT = Date.UTC(2026, 10, 20)

/** An objective of 99 % over 30 days, of which each minute before AT has 100, so many of them bad, the newest minute first. */
function objective(bads: (minutes_ago: number) => number, minutes: number, more: Partial<Burnt> = {}): Burnt {
  const points = Array.from({ length: minutes }, (_, ago): Point => {
    const to_ms = AT - ago * MINUTE_MS
    return { from_ms: to_ms - MINUTE_MS, to_ms, bad: bads(ago), total: 100, unknown: 0 }
  })
  return { objective: 'o', target: 0.99, window_days: 30, matched: 1, alert_minimum: 100, points, ...more }
}

const states = (one: Burnt) => Object.fromEntries(judgeAlerts(one, AT).map(({ severity, state }) => [severity, state]))
const DAYS = 3 * 24 * 60

test('at its target nothing fires', () => {
  expect(states(objective(() => 1, DAYS))).toEqual({ page: 'ok', ticket: 'ok' })
})

test('a fast burn pages once both windows see it, and stops soon after it is over', () => {
  const fast = (from: number, to: number) => states(objective((ago) => (ago >= from && ago < to ? 100 : 0), DAYS))
  // 14.4 % of an hour is 8.6 minutes.
  expect(fast(0, 8)['page']).toBe('ok')
  expect(fast(0, 9)['page']).toBe('firing')
  expect(fast(4, 13)['page']).toBe('firing')
  expect(fast(5, 14)['page']).toBe('ok')
})

test('a slow burn is a ticket and wakes nobody', () => {
  expect(states(objective(() => 2, DAYS))).toEqual({ page: 'ok', ticket: 'firing' })
})

test('the first that fires, or what is nearest to it, is what an alert is judged by', () => {
  const [page, ticket] = judgeAlerts(
    objective(() => 7, DAYS),
    AT,
  )
  expect(page?.rule).toMatchObject({
    state: 'firing',
    long_ms: 6 * HOUR_MS,
    burn: 6,
    long: { bad: 2520, total: 36_000 },
  })
  expect(page?.rule.long.burn).toBeCloseTo(7)
  expect(ticket?.rule).toMatchObject({ state: 'firing', long_ms: DAY_MS })
})

test('below its minimum there is too little data, whatever is bad', () => {
  const few = objective(() => 100, DAYS, { alert_minimum: 6_001 })
  expect(judgeRules(few, AT).map(({ state }) => state)).toEqual(['too little data', 'firing', 'firing', 'firing'])
  expect(states({ ...few, alert_minimum: 1e9 })).toEqual({ page: 'too little data', ticket: 'too little data' })
})

test('a gap up to now is too little data, and no recovery', () => {
  const gap = objective(() => 100, DAYS)
  const before = gap.points.filter(({ to_ms }) => to_ms <= AT - 31 * MINUTE_MS)
  expect(states({ ...gap, points: before })['page']).toBe('too little data')
})

test('while the long window of a rule burns, no traffic in its short one is no recovery, though another rule is ok', () => {
  const stopped = (minutes: number, minimum = 100) => {
    const one = objective((ago) => (ago < 20 ? 100 : 0), DAYS, { alert_minimum: minimum })
    return judgeAlerts({ ...one, points: one.points.slice(minutes) }, AT)[0]
  }
  expect(stopped(5)).toMatchObject({ state: 'too little data', rule: { long_ms: HOUR_MS } })
  expect(stopped(5, 6_000)).toMatchObject({ state: 'ok', rule: { long_ms: 6 * HOUR_MS } })
})

test('what most of the short window is not known of is unknown, and fires only by what is known', () => {
  const silent = (minutes: number, bad: number) => {
    const one = objective(() => bad, DAYS)
    const points = one.points.map((point, ago) =>
      ago < minutes ? { ...point, total: 10, bad: bad / 10, unknown: 90 } : point,
    )
    return states({ ...one, points })
  }
  expect(silent(2, 0)).toEqual({ page: 'ok', ticket: 'ok' })
  expect(silent(3, 0)).toEqual({ page: 'unknown', ticket: 'ok' })
  expect(silent(90, 0)).toEqual({ page: 'unknown', ticket: 'unknown' })
  expect(silent(3, 50)['page']).toBe('firing')
  const nothing = objective(() => 0, DAYS).points.map((point) => ({ ...point, total: 0, unknown: 100 }))
  expect(states(objective(() => 0, 0, { points: nothing }))['page']).toBe('unknown')
  expect(states(objective(() => 0, 0, { points: nothing, alert_minimum: 1e9 }))['page']).toBe('unknown')
})

test('an objective that matches no data says so', () => {
  expect(states(objective(() => 0, 0, { matched: 0 }))).toEqual({ page: 'no data', ticket: 'no data' })
})

test('what is counted by the hour has windows of whole hours', () => {
  const hour = { from_ms: AT - HOUR_MS, to_ms: AT, bad: 20, total: 100, unknown: 0 }
  const before = { from_ms: AT - 2 * HOUR_MS, to_ms: AT - HOUR_MS, bad: 0, total: 100, unknown: 0 }
  const [fast] = judgeRules(
    objective(() => 0, 0, { points: [before, hour] }),
    AT - 30 * MINUTE_MS,
  )
  expect(fast).toMatchObject({ long: { bad: 20, total: 200 }, short: { bad: 20, total: 100 } })
})

test('of a shorter objective the same part of the budget is spent, and no rate is below 1', () => {
  const rates = (days: number) => rulesOf(days).map(({ burn }) => Number(burn.toFixed(2)))
  expect(rates(30)).toEqual([14.4, 6, 3, 1])
  expect(rates(28)).toEqual([13.44, 5.6, 2.8, 1])
  expect(rates(7)).toEqual([3.36, 1.4, 1, 1])
  expect(rates(1)).toEqual([1, 1, 1])
})
