import { expect, test } from 'vitest'
import type { MetricNow, RunLook } from '../../../jobs-api.ts'
import { foldRuns, freshOf, hourOf, hourText, lateBy, troublesOf } from './standing.ts'

const NOW = Date.UTC(2026, 10, 24, 14, 20)
const hours: MetricNow = {
  ...{ metric: 'hub_hours', unit: 'hour', revision: 2, definition: 'f00d', computed: 960, newest_ms: NOW, due: [] },
  ...{ complete_to_ms: Date.UTC(2026, 10, 24, 14), fresh_until_ms: Date.UTC(2026, 10, 24, 15, 15), failing: null },
}
const failing = { metric: 'hub_hours', reason: 'damaged', since_ms: NOW, last_ms: NOW, times: 1 }
const some = [{ cause: 'events moved', units: 3, first_ms: 0, last_ms: 0 }]
const none = { computed: 0, newest_ms: null, complete_to_ms: null, fresh_until_ms: null }

test('a metric is late once its next hour is over and not there in time, and not because late data makes units due', () => {
  expect(freshOf({ ...hours, due: some }, NOW)).toEqual({ tone: 'good', word: 'fresh' })
  const late = { ...hours, fresh_until_ms: NOW - 60_000 }
  expect([freshOf(late, NOW).word, lateBy(late, NOW)]).toEqual(['late', 60_000])
})

test('a metric whose last run failed is failing, however new its newest hour is', () => {
  expect(freshOf({ ...hours, due: some, failing }, NOW)).toEqual({ tone: 'bad', word: 'failing' })
})

test('what there is to look at is metrics that fail or are late, and runs that nobody here knows', () => {
  expect(troublesOf({ metrics: [hours, hours], under_way: [] }, NOW)).toEqual([])
  const late = { ...hours, fresh_until_ms: 0 }
  const stranger = { run: 'x', since_ms: 0, made: 0, failed: 0, about: null }
  expect(troublesOf({ metrics: [hours, late, { ...hours, failing }], under_way: [stranger] }, NOW)).toEqual([
    ...['1 metric failing', '1 metric late', '1 run of another Hearth under way'],
  ])
  const unmade = { ...hours, ...none, due: some }
  expect(troublesOf({ metrics: [unmade, hours], under_way: [] }, NOW)).toEqual(['1 metric not made yet'])
  expect(troublesOf({ metrics: [unmade], under_way: [] }, NOW)).toEqual(['no metric is made yet'])
})

test('runs of a metric that failed in the same way are one line, where the newest is', () => {
  const run: RunLook = {
    ...{ run_id: 'a', started_ms: 9, metric: 'sessions', units: 24, first_ms: 0, last_ms: 0, rows: 0, ms: 1 },
    ...{ cause: '', outcome: 'failed', reason: 'damaged', runner: null, parts: null, attempts: null, failures: null },
  }
  const made = { ...run, run_id: 'b', started_ms: 8, outcome: 'committed', reason: null }
  const older = { ...run, run_id: 'c', started_ms: 7 }
  const other = { ...run, run_id: 'd', started_ms: 6, reason: 'a check' }
  const runs = [run, made, older, other, { ...made, run_id: 'e', started_ms: 5 }]
  expect(foldRuns(runs).map(({ run_id, times, since_ms }) => [run_id, times, since_ms])).toEqual([
    ...[
      ['a', 2, 7],
      ['b', 1, 8],
      ['d', 1, 6],
      ['e', 1, 5],
    ],
  ])
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
