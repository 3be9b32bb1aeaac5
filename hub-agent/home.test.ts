import { describe, expect, it } from 'vitest'
import { isProblem } from '../contract/problem.ts'
import { ManualClock, seededRandom, settle } from '../sim/clock.ts'
import type { Report } from './devices.ts'
import { type HomeReport, openHome } from './home.ts'
import { localTime } from './local-time.ts'
import { transmit } from './radio.ts'
import { simulatedHome } from './simulated-home.ts'

const START_MS = Date.UTC(2026, 10, 16)
const DAY_MS = 86_400_000

function week(seed: number, zone = 'Europe/Berlin'): HomeReport[] {
  const home = openHome({ random: seededRandom(seed), zone, start_ms: START_MS })
  const reports: HomeReport[] = []
  while (home.next_ms() < START_MS + 7 * DAY_MS) reports.push(...home.step())
  return reports
}

describe('a simulated home', () => {
  it('tells the same week from the same seed, in order, with two decimals', () => {
    const reports = week(1)
    expect(week(1)).toEqual(reports)
    expect(week(2)).not.toEqual(reports)
    for (const [i, { time_ms, value }] of reports.entries()) {
      expect(time_ms).toBeGreaterThanOrEqual(reports[i - 1]?.time_ms ?? START_MS)
      if (typeof value === 'number') expect(Math.round(value * 100) / 100).toBe(value)
    }
    expect(reports.length).toBeGreaterThan(8_000)
    expect(reports.length).toBeLessThan(20_000)
  })

  it('stays within what homes do', () => {
    for (const { attribute, device, value } of week(3)) {
      if (typeof value !== 'number') continue
      if (attribute === 'temperature' && device !== 'outdoor-climate') expect(value).toBeGreaterThan(12)
      if (attribute === 'temperature') expect(value).toBeLessThan(35)
      if (attribute === 'humidity') expect(value).toBeGreaterThanOrEqual(8)
      if (attribute === 'power') expect(value).toBeGreaterThan(0)
    }
  })

  it('lives by the clock of its zone: people stir by day, not at night', () => {
    for (const zone of ['Europe/Berlin', 'America/Los_Angeles', 'Asia/Tokyo']) {
      const clock = localTime(zone)
      const hours = week(4, zone)
        .filter(({ attribute, value }) => attribute === 'motion' && value === true)
        .map(({ time_ms }) => clock(time_ms).hour)
      const evening = hours.filter((hour) => hour >= 17 && hour < 22).length
      const night = hours.filter((hour) => hour >= 1 && hour < 6).length
      expect(evening).toBeGreaterThan(8 * night)
    }
  })

  it('knows the time of a zone through the change to winter time', () => {
    const berlin = localTime('Europe/Berlin')
    expect(berlin(Date.UTC(2026, 9, 25, 0, 30)).hour).toBe(2.5)
    expect(berlin(Date.UTC(2026, 9, 25, 1, 30)).hour).toBe(2.5)
    expect(berlin(Date.UTC(2026, 9, 25, 12)).weekend).toBe(true)
    expect(berlin(Date.UTC(2026, 9, 26, 12)).weekend).toBe(false)
  })

  it('sets what can be set, and says what can when it cannot', () => {
    const home = openHome({ random: seededRandom(1), zone: 'UTC', start_ms: START_MS })
    expect(home.set('kitchen-lamp', { powered: 1 }, START_MS)).toMatchObject([{ attribute: 'powered', value: true }])
    expect(home.get('kitchen-lamp', 'powered')).toBe(true)
    home.set('kitchen-lamp', { powered: false }, START_MS)
    home.set('kitchen-lamp', { brightness: 30 }, START_MS)
    expect(home.get('kitchen-lamp', 'powered')).toBe(true)
    expect(() => home.set('kitchen-lamp', { colour: 3 }, START_MS)).toThrow(/it can set powered, brightness/)
    expect(() => home.set('kitchen-lamp', { brightness: 101 }, START_MS)).toThrow(/expected 0 to 100, found 101/)
    expect(() => home.set('toaster', { powered: true }, START_MS)).toThrow(/it has kitchen-lamp/)
    expect(() => home.set('hall-motion', { motion: true }, START_MS)).toThrow(/it can set nothing/)
  })

  it('changes nothing when one of several values is wrong', () => {
    const home = openHome({ random: seededRandom(1), zone: 'UTC', start_ms: START_MS })
    expect(() => home.set('kitchen-lamp', { powered: true, brightness: 500 }, START_MS)).toThrow()
    expect(home.get('kitchen-lamp', 'powered')).toBe(false)
  })
})

describe('the home behind the seam', () => {
  it('confirms after the time of its radio, then reports the new state', async () => {
    const clock = new ManualClock()
    const home = simulatedHome({ clock, random: seededRandom(1) })
    const heard: Report[] = []
    home.subscribe((report) => heard.push(report))
    let done = false
    const acted = home.actuate('living-lamp', { powered: true }, new AbortController().signal).then(() => (done = true))
    await clock.advance(5)
    expect(done).toBe(false)
    await clock.advance(1_000)
    await acted
    expect(heard).toContainEqual(expect.objectContaining({ device: 'living-lamp', attribute: 'powered', value: true }))
    await home.close()
  })

  it('speaks by itself as time passes, whatever the wall clock does, and is silent once closed', async () => {
    const clock = new ManualClock()
    const home = simulatedHome({ clock, random: seededRandom(1) })
    let heard = 0
    home.subscribe(() => heard++)
    clock.jump(-400 * DAY_MS)
    await clock.advance(3_600_000)
    expect(heard).toBeGreaterThan(20)
    await home.close()
    const before = heard
    await clock.advance(3_600_000)
    expect(heard).toBe(before)
    expect(clock.nextTimer_ms()).toBeUndefined()
  })

  it('gives up when asked, not knowing whether the device heard', async () => {
    const clock = new ManualClock()
    const home = simulatedHome({ clock, random: seededRandom(1) })
    const abort = new AbortController()
    const acted = home.actuate('living-lamp', { powered: true }, abort.signal).catch((error: unknown) => error)
    abort.abort()
    await settle()
    const error = await acted
    expect(isProblem(error, 'unavailable') && error.outcome).toBe('unknown')
    await home.close()
  })
})

describe('a radio', () => {
  it('that is weak loses more and takes longer than a good one, and a wire loses nothing', () => {
    const random = seededRandom(1)
    const measure = (median_ms: number, spread: number, loss: number) => {
      const flights = Array.from({ length: 5_000 }, () => transmit(random, { median_ms, spread, loss }))
      const times = flights.filter((flight) => flight.confirmed).map((flight) => flight.ms)
      times.sort((a, b) => a - b)
      return { failed: flights.length - times.length, median: times[times.length >> 1] ?? 0 }
    }
    const good = measure(40, 0.4, 0.002)
    const weak = measure(110, 0.6, 0.3)
    expect(measure(0.4, 0.2, 0).failed).toBe(0)
    expect(good.median).toBeGreaterThan(35)
    expect(good.median).toBeLessThan(45)
    expect(weak.failed).toBeGreaterThan(good.failed + 50)
    expect(weak.median).toBeGreaterThan(100)
  })
})
