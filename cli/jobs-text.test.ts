import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { catalogue } from '../jobs/catalogue.ts'
import type { Explained } from '../jobs/look.ts'
import { explainText, planText, statusRows, statusText } from './jobs-text.ts'

const record = { carry: 'aaaaaaaabbbb', out: '', rows: 'ccccccccdddd', open: false, revision: 2, definition: 'f00d' }
const made: Explained = { bucket: 0, record: { ...record, inputs: { events: 7, hubs: 1 } }, cause: undefined }
const plain = (told: readonly Explained[]) => stripVTControlCharacters(explainText(told))

test('an hour that stands names what it was made from', () => {
  expect(plain([made]).split('\n').slice(2)).toEqual([
    '0       no   events@v7 hubs@v1  2         f00d        aaaaaaaa  cccccccc  over',
  ])
})

test('an hour that was not computed yet says so, and what makes it', () => {
  const never: Explained = { bucket: -1, record: undefined, cause: 'never computed' }
  expect(plain([never]).split('\n').slice(2)).toEqual([
    'all     never computed  nothing yet',
    'Not computed yet: hearth up makes it when its turn comes (hearth jobs status); hearth jobs run makes it now.',
  ])
  expect(plain([made, { ...never, bucket: 1 }])).toMatch(/1 of 2 buckets are not computed yet/)
  expect(plain([{ ...made, cause: 'events moved' }])).toMatch(/Computed, and due to be made anew/)
})

test('an hour whose input is gone says that it stays as it was made, and why', () => {
  const frozen = { table: 'events', from_ms: Date.UTC(2026, 10, 1) }
  expect(
    plain([{ ...made, frozen }])
      .split('\n')
      .slice(2),
  ).toEqual([
    '0       never again  events@v7 hubs@v1  2         f00d        aaaaaaaa  cccccccc  over',
    'events keeps no rows from before 2026-11-01 00:00Z (retention), so this hour stays as it was made, by the definition above.',
  ])
  expect(plain([{ ...made, record: undefined, frozen }])).toMatch(/so this hour is never made\.$/)
})

test('a long plan is cut, and says by how much', () => {
  const units = Array.from({ length: 42 }, (_, i) => ({
    metric: 'hubs',
    hour_ms: 0,
    bucket: i,
    cause: 'never computed' as const,
  }))
  expect(stripVTControlCharacters(planText(units, false)).split('\n').at(-1)).toBe('… and 2 more; --all prints them')
  expect(planText(units, true).split('\n')).toHaveLength(44)
  expect(planText([], false)).toBe('Nothing is due.')
})

test('a plan tells once of each metric that fails why', () => {
  const unit = { metric: 'sessions', hour_ms: 0, bucket: 0, cause: 'never computed' as const }
  const plan = [unit, { ...unit, bucket: 1, failed: 'a check' }, { ...unit, bucket: 2, failed: 'a check' }]
  expect(stripVTControlCharacters(planText(plan, false)).split('\n').slice(5)).toEqual([
    'sessions failed: a check',
    'What reads it waits for it, and what follows from it is not known.',
  ])
})

test('a status tells how far a metric reaches, what is due and under way, and what to do about each', () => {
  const hour_ms = Date.UTC(2026, 10, 24, 13)
  const due = { metric: 'fleet_hours', hour_ms, bucket: -1, cause: 'never computed' as const }
  const reached = { complete_to_ms: hour_ms, fresh_until_ms: hour_ms + 4_500_000 }
  const told = { metric: 'fleet_hours', computed: 5, newest_ms: hour_ms - 3_600_000, due: [due], ...reached }
  const about = { metric: 'fleet_hours', units: 1, parts: 3 }
  const run = { run: 'fleet-hours-1f0c9a-2s-9b1e44', since_ms: hour_ms, made: 2, about }
  const rows = statusRows(catalogue(), [told], [run], [], hour_ms + 6_000_000)
  expect(rows.metrics.find(({ metric }) => metric === 'fleet_hours')).toMatchObject({ late_ms: 1_500_000, due: 1 })
  const lines = stripVTControlCharacters(statusText(rows)).split('\n')
  expect(lines[0]).toMatch(/^metric +complete to +fresh +computed +newest hour +due +oldest due +revision/)
  expect(lines.find((line) => line.startsWith('fleet_hours'))).toMatch(
    /^fleet_hours +2026-11-24 13:00Z +late 25 min +5 +2026-11-24 12:00Z +1 +2026-11-24 13:00Z /,
  )
  expect(lines.slice(-4)).toEqual([
    'fleet-hours-1f0c9a-2s-9b1e44  fleet_hours      1  2 of 3      2026-11-24 13:00Z',
    'late: the rows of an hour are to be final 15 min after its end.',
    'hearth jobs plan says why each is due, and what follows from it.',
    'hearth jobs cancel RUN ends one that is under way.',
  ])
  const quiet = statusText(statusRows(catalogue(), [{ ...told, due: [] }], [], [], hour_ms))
  expect(quiet).not.toMatch(/jobs plan|under way|late: /)
  expect(quiet).toMatch(/fleet_hours +2026-11-24 13:00Z +yes /)
})

test('a metric that fails is told to be failing though its newest hour is there, since when and why', () => {
  const [hour_ms, old_ms] = [Date.UTC(2026, 10, 28, 16), Date.UTC(2026, 10, 27, 3)]
  const due = { metric: 'sessions', hour_ms: old_ms, bucket: 0, cause: 'never computed' as const }
  const failure = {
    ...{ metric: 'sessions', reason: 'the data file events/part-7 cannot be read', times: 19 },
    ...{ since_ms: hour_ms, last_ms: hour_ms + 3_420_000, first_hour_ms: old_ms, last_hour_ms: old_ms },
  }
  const reached = { complete_to_ms: hour_ms, fresh_until_ms: hour_ms + 4_500_000 }
  const told = { metric: 'sessions', computed: 5, newest_ms: hour_ms, due: [due], ...reached }
  const rows = statusRows(catalogue(), [told], [], [failure], hour_ms)
  expect(rows.metrics.find(({ metric }) => metric === 'sessions')).toMatchObject({ fresh: 'failing', failing: failure })
  const text = stripVTControlCharacters(statusText(rows))
  expect(text).toMatch(/^sessions +2026-11-28 16:00Z +failing +5 /m)
  const why =
    'failed 19 times since 2026-11-28 16:00Z, last 2026-11-28 16:57Z: the data file events/part-7 cannot be read'
  expect(text).toContain(`sessions ${why}`)
  const never: Explained = { bucket: 0, record: undefined, cause: 'never computed' }
  const explained = stripVTControlCharacters(explainText([never], failure))
  expect(explained).toContain(`Not computed yet: it ${why}\nmend that; `)
  expect(explained).not.toContain('when its turn comes')
})
