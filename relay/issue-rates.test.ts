import { expect, test } from 'vitest'
import { JOURNAL_ENTRIES_MAX, JOURNAL_KEEP_MS } from '../hub-agent/limits.ts'
import { issueRates } from './issue-rates.ts'
import { HUB_DAY_RATE, HUB_RATE } from './limits.ts'

const STEP_MS = 30_000

test('nobody fills the journal of a hub, however long they send as much as they may; what is refused counts for nothing', () => {
  let now_ms = 0
  const rates = issueRates({ monotonic: () => now_ms })
  const isLetThrough = () => {
    try {
      rates.hub('a')
      return true
    } catch {
      return false
    }
  }
  // More tries at once than a day has: no more than the burst, and none of the rest is held against the day.
  const first = Array.from({ length: HUB_DAY_RATE.burst * 2 }, isLetThrough).filter(Boolean).length
  expect(first).toBe(HUB_RATE.burst)
  let through = first
  for (now_ms = 0; now_ms < JOURNAL_KEEP_MS; now_ms += STEP_MS) while (isLetThrough()) through++
  expect(through).toBeGreaterThan(45_000)
  expect(through).toBeLessThan(JOURNAL_ENTRIES_MAX)
  while (isLetThrough());
  expect(() => rates.both('app', 'a')).toThrow(/too many commands .*to hub a/)
  expect(() => rates.both('app', 'b')).not.toThrow()
})
