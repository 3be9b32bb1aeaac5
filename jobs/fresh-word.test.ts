import { expect, test } from 'vitest'
import { type FreshWord, freshWord, type HowFresh } from './fresh-word.ts'

const hours: HowFresh = { computed: 9, due: 0, reaches: true, is_history: false, late_ms: 0, failing: false }

test.each<[string, Partial<HowFresh>, FreshWord]>([
  ['that reaches far enough', {}, 'fresh'],
  ['of which late data makes hours due', { due: 3 }, 'fresh'],
  ['of which all that stands is due, since its definition rose', { due: 9 }, 'due'],
  ['whose next hour is not there in time', { due: 3, late_ms: 1 }, 'late'],
  ['whose last run failed, however new its newest hour is', { due: 3, failing: true }, 'failing'],
  ['of which only the running hour is made', { reaches: false }, 'nothing yet'],
  ['that was never made, however long it is due', { computed: 0, due: 9, reaches: false, late_ms: 1 }, 'not made yet'],
  ['of no events', { computed: 0, reaches: false }, 'nothing yet'],
  ['that is a whole history', { reaches: false, is_history: true }, 'fresh'],
  ['that is a whole history with news', { reaches: false, is_history: true, due: 1 }, 'due'],
])('a metric %s', (_, how, word) => expect(freshWord({ ...hours, ...how })).toBe(word))
