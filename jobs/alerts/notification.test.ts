import { expect, test } from 'vitest'
import { DAY_MS } from '../day.ts'
import { HOUR_MS } from '../limits.ts'
import type { AlertChange } from './alerts-table.ts'
import { notificationOf, windowOf } from './notification.ts'
import type { Silent } from './silent-sql.ts'

const HOUR = Date.UTC(2026, 10, 20, 12)
const change: AlertChange = {
  ...{ time_ms: HOUR + 34 * 60_000, objective: 'o', severity: 'page', sequence: 2 },
  ...{ state: 'withdrawn', previous: 'firing', previous_ms: HOUR, threshold: undefined },
  ...{ long_ms: undefined, long_burn: undefined, long_bad: undefined, long_total: undefined },
  ...{ short_ms: undefined, short_burn: undefined, short_bad: undefined, short_total: undefined },
}

test('a window begins where its rule begins to count: at a minute, or at a whole hour where that is of days', () => {
  const from = (long_ms: number) => windowOf({ ...change, long_ms }).from_ms
  expect(from(6 * HOUR_MS)).toBe(change.time_ms - 6 * HOUR_MS)
  expect(from(DAY_MS)).toBe(HOUR - DAY_MS)
})

test('of an objective that does not stand any more there is no link to rows', () => {
  const about = { fleet: 'test', dashboards_url: 'http://pages', behind: [], silent: [] }
  expect(notificationOf(change, { ...about, measure: undefined }).links).not.toHaveProperty('rows')
  expect(notificationOf(change, { ...about, measure: 'loss' }).links).toHaveProperty('rows')
})

test('of what nothing is known is said with the relays that are silent, where they can be found', () => {
  const unknown: AlertChange = { ...change, state: 'unknown', previous: 'ok', short_ms: 5 * 60_000 }
  const summary = (silent: readonly Silent[]) =>
    notificationOf(unknown, { fleet: 'test', dashboards_url: '', behind: [], silent, measure: 'availability' }).summary
  expect(summary([])).toBe('o: nothing is known of most of the expected time of the last 5m')
  const silent = [1, 2, 3, 4].map((n) => ({ relay: `relay-${n}`, since_ms: HOUR + n * 60_000, hubs: n, of: 12 }))
  expect(summary(silent)).toBe(
    'o: nothing is known of 10 of 12 hubs: no sign of life of relay-1 since 12:01Z, relay-2 since 12:02Z, relay-3 since 12:03Z, and 1 more',
  )
})
