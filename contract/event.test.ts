import { describe, expect, test } from 'vitest'
import { eventTime, timeSource } from './event.ts'

const received = Date.UTC(2026, 10, 24, 12)
const day = 86_400_000
const unknown = Number.NaN

/** A source's clocks, and when an event of it happened by which of them. */
function when(now_ms: number, wall_ms: number, m: number) {
  const clocks = { now_ms, wall_ms }
  return [eventTime(clocks, m, received), timeSource(clocks, m, received)]
}

describe('the time of an event', () => {
  test('is by the monotonic clock of a running source, whatever its wall clock says', () => {
    expect(when(5_000, 0, 2_000)).toEqual([received - 3_000, 'monotonic'])
  })

  test('is by the wall clock of a finished boot when that is plausible', () => {
    expect(when(unknown, received - 2 * day, 1_000)).toEqual([received - 2 * day + 1_000, 'wall'])
  })

  test.each([
    [received + 10 * 60_000, 'wall'],
    [received + 10 * 60_000 + 1, 'received'],
    [received - 400 * day, 'wall'],
    [received - 400 * day - 1, 'received'],
  ])('at the edge of plausible: wall %i is %s', (wall, source) => {
    expect(when(unknown, wall, 0)).toEqual([source === 'wall' ? wall : received, source])
  })

  test('is that of receipt when the header tells of no clock', () => {
    expect(when(unknown, unknown, 5)).toEqual([received, 'received'])
  })

  test('is clamped where a monotonic difference cannot be', () => {
    expect(when(500 * day, 0, 0)[0]).toBe(received - 400 * day)
    expect(when(0, 0, day)[0]).toBe(received + 10 * 60_000)
  })
})
