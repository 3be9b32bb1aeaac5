/**
 * A home that behaves plausibly: people get up, leave, come back, switch lamps and go to bed by the clock of their time
 * zone; rooms warm and cool; sensors report when they feel like it. Pure: it is told the time, and asked what was said,
 * so that a week passes in a blink for history and at its own pace in a live agent.
 */
import type { Random } from '../contract/clock.ts'
import type { AttributeValue } from '../contract/command.ts'
import { assert, Problem } from '../contract/problem.ts'
import { between, hundredths } from './chance.ts'
import { type Habit, habitsOf } from './habits.ts'
import { CLIMATES, checkedValue, type HomeDevice, homeDevices, LAMPS, UNITS } from './home-devices.ts'
import { localTime } from './local-time.ts'

export type HomeReport = {
  readonly time_ms: number
  readonly device: string
  readonly attribute: string
  readonly value: number | boolean
  readonly unit?: string
}

export type Home = {
  readonly devices: readonly HomeDevice[]
  /** When the next device will speak, ms since 1970. */
  next_ms(): number
  /** Lets time pass to `next_ms()`: what was said then. */
  step(): readonly HomeReport[]
  /** Does it, and says how the device's state changed. Raises `invalid`, naming what the home has. */
  set(device: string, set: Readonly<Record<string, AttributeValue>>, time_ms: number): readonly HomeReport[]
  get(device: string, attribute: string): number | boolean | undefined
}

export type HomeOptions = {
  readonly random: Random
  /** IANA time zone. */
  readonly zone: string
  /** ms since 1970 at which the home begins. */
  readonly start_ms: number
  /** Climate sensors report each 10 minutes ÷ pace. Default 1. */
  readonly pace?: number
  readonly weak_radios?: boolean
}

/** Raises RangeError for a zone that does not exist. */
export function openHome(options: HomeOptions): Home {
  const { random, start_ms } = options
  const clock = localTime(options.zone)
  const devices = homeDevices(random, options.weak_radios ?? false)
  const state = new Map<string, number | boolean>()
  const get = (device: string, attribute: string) => state.get(`${device}/${attribute}`)
  const put = (device: string, attribute: string, value: number | boolean) => state.set(`${device}/${attribute}`, value)
  const say = (time_ms: number, device: string, attribute: string, value: number | boolean): HomeReport => {
    put(device, attribute, value)
    const unit = UNITS[attribute]
    return unit === undefined ? { time_ms, device, attribute, value } : { time_ms, device, attribute, value, unit }
  }

  const comfort = hundredths(between(random, 19.5, 22))
  for (const lamp of LAMPS) {
    put(lamp, 'powered', false)
    put(lamp, 'brightness', 80)
  }
  for (const device of CLIMATES) {
    put(device, 'temperature', hundredths(comfort - between(random, 0, 1.5)))
    put(device, 'humidity', hundredths(between(random, 38, 52)))
  }
  put('outdoor-climate', 'temperature', hundredths(between(random, -1, 5) + 18 * clock(start_ms).summer))
  put('front-door-lock', 'locked', true)
  put('front-door', 'open', false)
  put('hall-motion', 'motion', false)
  put('thermostat', 'setpoint', comfort)
  put('thermostat', 'temperature', hundredths(comfort - 0.4))
  put('thermostat', 'heating', false)
  put('power-meter', 'power', 120)
  put('power-meter', 'energy', hundredths(between(random, 800, 9_000)))

  const interval_ms = 600_000 / (options.pace ?? 1)
  const habits = habitsOf({ random, start_ms, interval_ms, comfort, clock, get, say })
  const next = (): Habit => {
    let first = habits[0]
    for (const habit of habits) if (first !== undefined && habit.due_ms < first.due_ms) first = habit
    assert(first, 'a home has habits')
    return first
  }

  return {
    devices,
    get,
    next_ms: () => Math.ceil(next().due_ms),
    step() {
      const habit = next()
      const { reports, due_ms } = habit.run(Math.ceil(habit.due_ms))
      habit.due_ms = due_ms
      return reports
    },
    set(device, set, time_ms) {
      const found = devices.find((candidate) => candidate.device === device)
      if (!found) {
        const names = devices.map((candidate) => candidate.device).join(', ')
        throw new Problem('invalid', `no device ${device} in this home; it has ${names}`)
      }
      const wanted = Object.entries(set).map(([name, value]) => [name, checkedValue(found, name, value)] as const)
      const reports = wanted.map(([name, value]) => say(time_ms, device, name, value))
      // A lamp that is told how bright to be, and nothing else, comes on.
      if (found.type === 'lamp' && !('powered' in set) && Number(get(device, 'brightness')) > 0) {
        reports.push(say(time_ms, device, 'powered', true))
      }
      return reports
    },
  }
}
