import { expect, test } from 'vitest'
import { ManualClock } from '../sim/clock.ts'
import { DAY_MS } from './day.ts'
import { HOUR_MS, RETRY_FIRST_MS, RETRY_MAX_MS } from './limits.ts'
import type { Unit } from './plan.ts'
import { openRetries } from './retries.ts'

const unit = (hour_ms: number, cause: Unit['cause'] = 'never computed'): Unit => {
  return { metric: 'sessions', hour_ms, bucket: 0, cause }
}
const DUE = [unit(0), unit(HOUR_MS)]

test('what fails again waits for twice as long, up to ten minutes', async () => {
  const clock = new ManualClock(0)
  const retries = openRetries(clock)
  for (const factor of [1, 2, 4, 8, 16, 32, 60, 60]) {
    expect(retries.waiting('sessions', DUE)).toEqual([])
    retries.note('sessions', DUE, 'damaged')
    const wait_ms = Math.min(factor * RETRY_FIRST_MS, RETRY_MAX_MS)
    await clock.advance(wait_ms - 1)
    expect(retries.waiting('sessions', DUE)).toEqual([{ day_ms: 0, error: 'damaged' }])
    await clock.advance(1)
  }
})

test('where other units are due of a day, or for another cause, it is tried at once, and other days are not', () => {
  const retries = openRetries(new ManualClock(0))
  const tomorrow = unit(DAY_MS)
  retries.note('sessions', [...DUE, tomorrow], 'damaged')
  expect(retries.waiting('hubs', DUE)).toEqual([])
  expect(retries.waiting('sessions', [...DUE, tomorrow])).toHaveLength(2)
  expect(retries.waiting('sessions', [unit(0, 'events moved'), unit(HOUR_MS), tomorrow])).toEqual([
    { day_ms: DAY_MS, error: 'damaged' },
  ])
  expect(retries.waiting('sessions', [...DUE, tomorrow])).toHaveLength(1)
})
