import { expect, test } from 'vitest'
import type { JobsAnswer, MetricLook } from '../../../jobs-api.ts'
import { freshOf, hourOf, hourText, lateBy, troublesOf } from './standing.ts'

const NOW = Date.UTC(2026, 10, 24, 14, 20)
const hours: MetricLook = {
  ...{ metric: 'hub_hours', unit: 'hour', revision: 2, definition: 'f00d', computed: 960, newest_ms: NOW, due: [] },
  ...{ complete_to_ms: Date.UTC(2026, 10, 24, 14), fresh_until_ms: Date.UTC(2026, 10, 24, 15, 15) },
}
const some = [{ cause: 'events moved', units: 3, first_ms: 0, last_ms: 0 }]
const none = { computed: 0, newest_ms: null, complete_to_ms: null, fresh_until_ms: null }

test('a metric is late once its next hour is over and not there in time, and not because late data makes units due', () => {
  expect(freshOf({ ...hours, due: some }, NOW)).toEqual({ tone: 'good', word: 'fresh' })
  const late = { ...hours, fresh_until_ms: NOW - 60_000 }
  expect([freshOf(late, NOW).word, lateBy(late, NOW)]).toEqual(['late', 60_000])
})

test('what there is to look at is late metrics, failed runs, and runs that nobody here knows', () => {
  const answer: JobsAnswer = {
    ...{ metrics: [hours, hours], under_way: [], runs: { rows: [], failed: 0, total: 9, sql: '' } },
  }
  expect(troublesOf(answer, NOW)).toEqual([])
  const late = { ...hours, fresh_until_ms: 0 }
  const stranger = { run: 'x', since_ms: 0, made: 0, failed: 0, about: null }
  const runs = { ...answer.runs, failed: 2 }
  expect(troublesOf({ metrics: [hours, late], under_way: [stranger], runs }, NOW)).toEqual([
    ...['1 metric late', '2 runs failed in this window', '1 run of another Hearth under way'],
  ])
  const unmade = { ...hours, ...none, due: some }
  expect(troublesOf({ ...answer, metrics: [unmade, hours] }, NOW)).toEqual(['1 metric not made yet'])
  expect(troublesOf({ ...answer, metrics: [unmade] }, NOW)).toEqual(['no metric is made yet'])
})

test('an hour is written and read in UTC, as the command line has it', () => {
  expect(hourText(Date.UTC(2026, 10, 24, 13, 59))).toBe('2026-11-24T13')
  expect(hourOf('2026-11-24T13')).toBe(Date.UTC(2026, 10, 24, 13))
  expect(hourOf('2026-11-24')).toBe(Date.UTC(2026, 10, 24))
  expect([undefined, 'soon', '2026-11-24T25', '2026-11'].map(hourOf)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ])
})
