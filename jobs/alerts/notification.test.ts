import { expect, test } from 'vitest'
import { DAY_MS } from '../day.ts'
import { HOUR_MS } from '../limits.ts'
import type { AlertChange } from './alerts-table.ts'
import { notificationOf, windowOf } from './notification.ts'

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

test('rates are told with three digits', () => {
  const about = { fleet: 'test', dashboards_url: '', behind: [], silent: [], measure: 'command_success' }
  const burnt = { ...change, long_ms: HOUR_MS, long_burn: 33.333333333, long_bad: 40, long_total: 120 }
  expect(notificationOf(burnt, about).burns).toEqual([{ window_ms: HOUR_MS, burn: 33.3, bad: 40, total: 120 }])
})

test('links to pages are narrowed to the hub and the outcome that have most of the bad, where a page can be', () => {
  const behind = [
    { dimension: 'outcome', name: 'offline', share_of_bad: 0.4, share_of_all: 0.1 },
    { dimension: 'hub', name: 'demo-07', share_of_bad: 0.6, share_of_all: 0.1 },
  ]
  const parameters = (measure: string, share_of_bad: number) => {
    const [outcome, ...others] = behind
    const found = outcome ? [{ ...outcome, share_of_bad }, ...others] : []
    const about = { fleet: 'test', dashboards_url: 'http://pages', behind: found, silent: [], measure }
    const { commands, fleet } = notificationOf(change, about).links
    const [page, list] = [commands, fleet].map((address) => new URL(address).searchParams)
    return [page?.get('hub'), page?.get('outcome'), list?.get('find')]
  }
  expect(parameters('command_success', 0.4)).toEqual(['demo-07', null, null])
  expect(parameters('command_success', 0.7)).toEqual(['demo-07', 'offline', null])
  expect(parameters('availability', 0.7)).toEqual(['demo-07', null, 'demo-07'])
})
