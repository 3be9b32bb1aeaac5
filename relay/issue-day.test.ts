import { expect, test } from 'vitest'
import { checkedDay } from './issue-day.ts'

test('a command is of the day on which it is asked, across midnight and when the clock goes back', () => {
  const midnight_ms = Date.UTC(2026, 10, 25)
  const request = { app: 'phone', hub: 'hub-a', device: 'lamp', set: { powered: true }, deadline_ms: 5_000 }
  const asked = [-1, 0, 86_399_999, 86_400_000, -1].map((ms) =>
    checkedDay({ ...request, key: undefined, day: undefined }, midnight_ms + ms),
  )
  expect(asked).toEqual(['2026-11-24', '2026-11-25', '2026-11-25', '2026-11-26', '2026-11-24'])
})
