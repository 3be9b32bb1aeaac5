import { expect, test } from 'vitest'
import { seededRandom } from '../../contract/clock.ts'
import { percentile } from '../figure.ts'
import { drawDelay_ms, oneWay, PROFILES, RADIO, waysAlone_ms } from './profiles.ts'

const DRAWS = 100_000

test.each([
  { name: 'the radio', delay: RADIO },
  ...PROFILES.map(({ name, phone }) => ({ name, delay: phone.round_trip })),
])('delays of $name are drawn with the median and the 99th percentile that it tells', ({ delay }) => {
  const random = seededRandom(7)
  const drawn = Array.from({ length: DRAWS }, () => drawDelay_ms(random, delay))
  expect(percentile(drawn, 0.5) / delay.median_ms).toBeCloseTo(1, 1)
  expect(percentile(drawn, 0.99) / delay.p99_ms).toBeCloseTo(1, 1)
})

test('both directions of a link make up its round trip', () => {
  for (const { phone } of PROFILES) {
    const [up, down] = [oneWay(phone, 'up'), oneWay(phone, 'down')]
    expect(up.median_ms + down.median_ms).toBeCloseTo(phone.round_trip.median_ms)
    expect(up.p99_ms + down.p99_ms).toBeCloseTo(phone.round_trip.p99_ms)
  }
})

test('the ways without Hearth take at least what their slowest part takes, and are the same from the same seed', () => {
  for (const profile of PROFILES) {
    const alone = waysAlone_ms(profile, seededRandom(3), DRAWS)
    expect(percentile(alone, 0.99)).toBeGreaterThan(Math.max(RADIO.p99_ms, oneWay(profile.phone, 'up').p99_ms))
    expect(alone.slice(0, 3)).toEqual(waysAlone_ms(profile, seededRandom(3), 3))
  }
})
