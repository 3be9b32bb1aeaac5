/** What a device is to somebody who holds a remote: what may be set, and how its state reads. Told by what it reports. */

export type State = {
  readonly value: string | number | boolean | null
  readonly unit: string | null
  readonly time_ms: number | null
}
export type States = ReadonlyMap<string, State>

export type Kind = 'lamp' | 'plug' | 'lock' | 'thermostat' | 'sensor'

/** What thermostats of different makers call what they are to reach. */
const SETPOINTS = ['setpoint', 'target_temperature'] as const
export const SETPOINT = { min: 5, max: 30, step: 0.5 } as const

export function kindOf(device: string, states: States): Kind {
  if (states.has('locked')) return 'lock'
  if (setpointOf(states)) return 'thermostat'
  if (states.has('brightness') || (states.has('powered') && /lamp|light|bulb/.test(device))) return 'lamp'
  return states.has('powered') ? 'plug' : 'sensor'
}

/** The attribute that a thermostat is set by. */
export function setpointOf(states: States): string | undefined {
  return SETPOINTS.find((name) => states.has(name))
}

/** `kitchen-lamp` as people say it. */
export function nameOf(device: string): string {
  const words = device.replaceAll(/[-_]+/g, ' ').trim()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** A flag, which devices tell as true or 1. Undefined where nothing is known. */
export function flag(state: State | undefined): boolean | undefined {
  const { value } = state ?? {}
  if (value === true || value === 1) return true
  return value === false || value === 0 ? false : undefined
}

export function number(state: State | undefined): number | undefined {
  return typeof state?.value === 'number' ? state.value : undefined
}

const FLAG_WORDS: Readonly<Record<string, readonly [yes: string, no: string]>> = {
  open: ['open', 'closed'],
  motion: ['motion', 'no motion'],
  heating: ['heating', 'not heating'],
  powered: ['on', 'off'],
  locked: ['locked', 'unlocked'],
}

/** `21.4 °C`, `closed`. */
export function stateText(attribute: string, state: State): string {
  const { value, unit } = state
  if (value === null) return '–'
  const words = FLAG_WORDS[attribute]
  const yes = flag(state)
  if (words && yes !== undefined) return words[yes ? 0 : 1]
  const text = typeof value === 'number' ? String(Math.round(value * 10) / 10) : String(value)
  return unit === null ? text : `${text}\u2009${unit}`
}
