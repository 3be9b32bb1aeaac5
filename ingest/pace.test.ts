import { expect, test } from 'vitest'
import { ManualClock } from '../sim/clock.ts'
import { HUB_BATCH_EVENTS_MIN, HUB_DELAY_MAX_MS } from './limits.ts'
import { openPace } from './pace.ts'

const rate = { events_per_second: HUB_BATCH_EVENTS_MIN, burst: 2 * HUB_BATCH_EVENTS_MIN }

test('batches of no events use up what their source may send, as others do', () => {
  const pace = openPace(new ManualClock(), rate)
  expect(Array.from({ length: 5 }, () => pace.delay_ms('a', 0))).toEqual([0, 0, 1_000, 2_000, 3_000])
  expect(pace.delay_ms('b', HUB_BATCH_EVENTS_MIN)).toBe(0)
})

test('what was used up comes back with time, and no answer is held back for longer than the limit', async () => {
  const clock = new ManualClock()
  const pace = openPace(clock, rate)
  expect(pace.delay_ms('a', 1_000_000)).toBe(HUB_DELAY_MAX_MS)
  await clock.advance(1_000_000_000)
  expect([0, 0, 0].map((events) => pace.delay_ms('a', events))).toEqual([0, 0, 1_000])
})
