/** What goes on in a home by itself: sensors that report, people who come, go and switch things. */
import type { Random } from '../contract/clock.ts'
import { between, chance, exponential, hundredths, pick, wander } from './chance.ts'
import type { HomeReport } from './home.ts'
import { CLIMATES, LAMPS } from './home-devices.ts'
import type { LocalTime } from './local-time.ts'

const MINUTE_MS = 60_000

/** Something that happens at times of its own: says what it reports at `now_ms`, and when it is due again. */
export type Habit = {
  due_ms: number
  run(now_ms: number): { readonly reports: readonly HomeReport[]; readonly due_ms: number }
}

/** The home as its habits see it. */
export type Scene = {
  readonly random: Random
  readonly start_ms: number
  /** How often climate sensors report. */
  readonly interval_ms: number
  /** The temperature that its people like, °C. */
  readonly comfort: number
  readonly clock: (time_ms: number) => LocalTime
  readonly get: (device: string, attribute: string) => number | boolean | undefined
  readonly say: (time_ms: number, device: string, attribute: string, value: number | boolean) => HomeReport
}

/** How much goes on at an hour of the day, 0 to 1. */
function liveliness({ hour, weekend }: LocalTime): number {
  if (weekend) return hour < 1 ? 0.4 : hour < 8.5 ? 0.02 : hour < 23 ? 0.75 : 0.5
  if (hour < 6) return 0.02
  if (hour < 8.5) return 0.9
  if (hour < 16.5) return 0.12
  return hour < 22.5 ? 1 : 0.3
}

/** All habits of a home. */
export function habitsOf(scene: Scene): readonly Habit[] {
  return [
    ...CLIMATES.map((device) => climate(scene, device)),
    outdoor(scene),
    thermostat(scene),
    meter(scene),
    motion(scene),
    door(scene),
    switches(scene),
  ]
}

/** A sensor that reports each `interval_ms`, more or less. */
function regular(scene: Scene, interval_ms: number, run: (now_ms: number) => readonly HomeReport[]): Habit {
  const { random, start_ms } = scene
  return {
    due_ms: start_ms + between(random, 0, interval_ms),
    run: (now_ms) => ({ reports: run(now_ms), due_ms: now_ms + interval_ms * between(random, 0.93, 1.07) }),
  }
}

function climate(scene: Scene, device: string): Habit {
  const { random, interval_ms, say, get } = scene
  const bath = device === 'bathroom-climate'
  const offset = bath ? 1 : device === 'bedroom-climate' ? -1.6 : 0
  const walk = (attribute: string, target: number, pull_ms: number, noise: number) =>
    hundredths(wander(random, Number(get(device, attribute)), target, interval_ms, pull_ms, noise))
  return regular(scene, interval_ms, (now_ms) => {
    const local = scene.clock(now_ms)
    const shower = bath && local.hour < 9 && liveliness(local) > 0.7 ? 22 : 0
    const target =
      Number(get('thermostat', 'setpoint')) + offset + (Number(get('outdoor-climate', 'temperature')) - 10) * 0.03
    const humidity = walk('humidity', 44 + shower, 40 * MINUTE_MS, 2.5)
    return [
      say(now_ms, device, 'temperature', walk('temperature', target, 90 * MINUTE_MS, 0.35)),
      say(now_ms, device, 'humidity', Math.min(99, Math.max(8, humidity))),
    ]
  })
}

function outdoor(scene: Scene): Habit {
  const { random, interval_ms, say, get } = scene
  return regular(scene, interval_ms, (now_ms) => {
    const { hour, summer } = scene.clock(now_ms)
    const target = -1 + 19 * summer + (3 + 3 * summer) * Math.cos(((hour - 15) / 24) * 2 * Math.PI)
    const before = Number(get('outdoor-climate', 'temperature'))
    const value = hundredths(wander(random, before, target, interval_ms, 180 * MINUTE_MS, 1.8))
    return [say(now_ms, 'outdoor-climate', 'temperature', value)]
  })
}

function thermostat(scene: Scene): Habit {
  const { random, interval_ms, comfort, say, get } = scene
  let scheduled: number | undefined
  return regular(scene, interval_ms, (now_ms) => {
    const { hour } = scene.clock(now_ms)
    const reports: HomeReport[] = []
    const setpoint = hundredths(hour < 5.5 || hour >= 22.5 ? comfort - 3 : comfort)
    // What somebody set by hand stands until the schedule moves.
    if (scheduled !== undefined && scheduled !== setpoint) reports.push(say(now_ms, 'thermostat', 'setpoint', setpoint))
    scheduled = setpoint
    const room = Number(get('living-climate', 'temperature'))
    const heating = room < Number(get('thermostat', 'setpoint')) - 0.2
    if (heating !== get('thermostat', 'heating')) reports.push(say(now_ms, 'thermostat', 'heating', heating))
    reports.push(say(now_ms, 'thermostat', 'temperature', hundredths(room + between(random, 0.1, 0.6))))
    return reports
  })
}

function meter(scene: Scene): Habit {
  const { random, say, get } = scene
  const interval_ms = scene.interval_ms / 2
  return regular(scene, interval_ms, (now_ms) => {
    const busy = liveliness(scene.clock(now_ms))
    const lit = LAMPS.filter((lamp) => get(lamp, 'powered') === true).length
    const cooking = chance(random, 0.12 * busy) ? between(random, 400, 2_400) : 0
    const target = 90 + 11 * lit + 180 * busy + (get('thermostat', 'heating') === true ? 60 : 0)
    const base = wander(random, Number(get('power-meter', 'power')), target, interval_ms, 6 * MINUTE_MS, 35)
    const power = hundredths(Math.max(35, base) + cooking)
    const energy = Number(get('power-meter', 'energy')) + (power * interval_ms) / 3_600_000_000
    return [say(now_ms, 'power-meter', 'power', power), say(now_ms, 'power-meter', 'energy', hundredths(energy))]
  })
}

/** Somebody seen: on, then off when nothing has stirred for a while. */
function motion(scene: Scene): Habit {
  const { random, start_ms, say, get } = scene
  return {
    due_ms: start_ms + exponential(random, 20 * MINUTE_MS),
    run(now_ms) {
      const busy = liveliness(scene.clock(now_ms))
      if (get('hall-motion', 'motion') === true) {
        const pause_ms = Math.min(exponential(random, (9 * MINUTE_MS) / busy), 90 * MINUTE_MS)
        return { reports: [say(now_ms, 'hall-motion', 'motion', false)], due_ms: now_ms + pause_ms }
      }
      const stirs = chance(random, Math.max(0.1, busy))
      const reports = stirs ? [say(now_ms, 'hall-motion', 'motion', true)] : []
      return { reports, due_ms: now_ms + (stirs ? between(random, 1, 4) : 10) * MINUTE_MS }
    },
  }
}

/** Unlock, open, close, lock. */
function door(scene: Scene): Habit {
  const { random, start_ms, say, get } = scene
  return {
    due_ms: start_ms + exponential(random, 120 * MINUTE_MS),
    run(now_ms) {
      if (get('front-door', 'open') === true) {
        const reports = [say(now_ms, 'front-door', 'open', false)]
        if (chance(random, 0.8)) reports.push(say(now_ms, 'front-door-lock', 'locked', true))
        return { reports, due_ms: now_ms + between(random, 5, 25) * MINUTE_MS }
      }
      if (!chance(random, 0.1 * liveliness(scene.clock(now_ms))))
        return { reports: [], due_ms: now_ms + 12 * MINUTE_MS }
      const locked = get('front-door-lock', 'locked') === true
      const reports = locked ? [say(now_ms, 'front-door-lock', 'locked', false)] : []
      return {
        reports: [...reports, say(now_ms, 'front-door', 'open', true)],
        due_ms: now_ms + between(random, 5_000, 60_000),
      }
    },
  }
}

/** Hands on light switches: on in the dark when somebody is up, off at bedtime. */
function switches(scene: Scene): Habit {
  const { random, start_ms, say, get } = scene
  return {
    due_ms: start_ms + exponential(random, 10 * MINUTE_MS),
    run(now_ms) {
      const local = scene.clock(now_ms)
      const dark = local.hour < 7.5 - 2 * local.summer || local.hour > 17 + 4 * local.summer
      const wanted = dark && liveliness(local) > 0.25
      const lamp = pick(random, LAMPS)
      const reports: HomeReport[] = []
      if ((get(lamp, 'powered') === true) !== wanted && chance(random, 0.6)) {
        reports.push(say(now_ms, lamp, 'powered', wanted))
        if (wanted && chance(random, 0.5)) {
          reports.push(say(now_ms, lamp, 'brightness', Math.round(between(random, 20, 100))))
        }
      }
      return { reports, due_ms: now_ms + exponential(random, 12 * MINUTE_MS) }
    },
  }
}
