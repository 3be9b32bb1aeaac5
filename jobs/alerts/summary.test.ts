import { expect, test } from 'vitest'
import { DAY_MS } from '../day.ts'
import { HOUR_MS } from '../limits.ts'
import type { AlertChange } from './alerts-table.ts'
import type { About, BurnTold } from './notification.ts'
import type { Silent } from './silent-sql.ts'
import { summaryOf } from './summary.ts'

const HOUR = Date.UTC(2026, 10, 20, 12)
const about: About = { fleet: 'test', dashboards_url: '', measure: 'command_success', behind: [], silent: [] }
const change: AlertChange = {
  ...{ time_ms: HOUR, objective: 'o', severity: 'ticket', sequence: 2, state: 'firing', previous: 'ok' },
}
const burns: BurnTold[] = [
  { window_ms: 3 * DAY_MS, burn: 1.4, bad: 114, total: 4983 },
  { window_ms: 6 * HOUR_MS, burn: 2.1, bad: 20, total: 70 },
]
const us_east = { dimension: 'region', name: 'us-east', share_of_bad: 0.772, share_of_all: 0.3 }
const offline = { dimension: 'outcome', name: 'offline', share_of_bad: 0.6, share_of_all: 0.01 }

test('it begins with the severity, how much is bad, since when, where, and in what way', () => {
  expect(summaryOf(change, burns, { ...about, behind: [offline, us_east] })).toBe(
    'ticket: o, 114 of 4 983 bad in 3d (1.4× over 3d, 2.1× over 6h), 77 % region us-east, mostly offline',
  )
})

test('without anything behind it nothing is said of that', () => {
  expect(summaryOf(change, burns, about)).toBe('ticket: o, 114 of 4 983 bad in 3d (1.4× over 3d, 2.1× over 6h)')
})

test('time that hubs were away is told in hours', () => {
  const away = [{ window_ms: HOUR_MS, burn: 20, bad: 1.234 * HOUR_MS, total: 1200 * HOUR_MS }]
  expect(summaryOf({ ...change, severity: 'page' }, away, { ...about, measure: 'availability' })).toBe(
    'page: o, 1.23 of 1 200 hub hours away in 1h (20× over 1h)',
  )
})

test('of one that is over it is said how it stands, and that without traffic it is no recovery', () => {
  const over = { ...change, previous: 'firing', state: 'ok' } as const
  expect(summaryOf(over, burns, about)).toBe('ticket: o does not fire any more: ok (1.4× over 3d, 2.1× over 6h)')
  const [long] = burns
  const empty = [...(long ? [long] : []), { window_ms: 6 * HOUR_MS, burn: undefined, bad: 0, total: 0 }]
  expect(summaryOf({ ...over, state: 'too little data' }, empty, about)).toBe(
    'ticket: o does not fire any more: too little data, which is no recovery (1.4× over 3d, no commands in the last 6h)',
  )
  expect(summaryOf({ ...over, state: 'withdrawn' }, [], about)).toBe('ticket: o does not fire any more: withdrawn')
})

test('of what nothing is known is said with the relays that are silent, where they can be found', () => {
  const unknown: AlertChange = { ...change, state: 'unknown', previous: 'ok', short_ms: 5 * 60_000 }
  const summary = (silent: readonly Silent[]) => summaryOf(unknown, [], { ...about, silent })
  expect(summary([])).toBe('ticket: o: nothing is known of most of the expected time of the last 5m')
  const silent = [1, 2, 3, 4].map((n) => ({ relay: `relay-${n}`, since_ms: HOUR + n * 60_000, hubs: n, of: 12 }))
  expect(summary(silent)).toBe(
    'ticket: o: nothing is known of 10 of 12 hubs: no sign of life of relay-1 since 12:01Z, relay-2 since 12:02Z, relay-3 since 12:03Z, and 1 more',
  )
})
