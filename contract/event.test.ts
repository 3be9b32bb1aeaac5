import { describe, expect, test } from 'vitest'
import { eventTime } from './event.ts'

const received = Date.UTC(2026, 10, 24, 12)
const day = 86_400_000

describe('eventTime', () => {
  test('trusts the monotonic clock of a running source, whatever its wall clock says', () => {
    expect(eventTime({ now: 5_000, wall: 0 }, 2_000, received)).toEqual({
      time_ms: received - 3_000,
      source: 'monotonic',
    })
  })

  test('takes the wall clock of a finished boot when it is plausible', () => {
    expect(eventTime({ wall: received - 2 * day }, 1_000, received)).toEqual({
      time_ms: received - 2 * day + 1_000,
      source: 'wall',
    })
  })

  test.each([
    [received + 10 * 60_000, 'wall'],
    [received + 10 * 60_000 + 1, 'received'],
    [received - 400 * day, 'wall'],
    [received - 400 * day - 1, 'received'],
  ])('at the edge of plausible: wall %i is %s', (wall, source) => {
    expect(eventTime({ wall }, 0, received).source).toBe(source)
  })

  test('clamps a monotonic difference that cannot be', () => {
    expect(eventTime({ now: 500 * day, wall: 0 }, 0, received).time_ms).toBe(received - 400 * day)
    expect(eventTime({ now: 0, wall: 0 }, day, received).time_ms).toBe(received + 10 * 60_000)
  })
})
