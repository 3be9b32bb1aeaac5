import type { Random } from '../contract/clock.ts'
import type { AttributeValue } from '../contract/command.ts'
import { Problem } from '../contract/problem.ts'
import { between } from './chance.ts'
import type { Radio } from './radio.ts'

export type HomeDevice = {
  readonly device: string
  readonly type: 'lamp' | 'lock' | 'thermostat' | 'climate' | 'motion' | 'contact' | 'meter'
  readonly attributes: readonly string[]
  readonly radio: Radio
}

export const LAMPS = ['kitchen-lamp', 'living-lamp', 'bedroom-lamp'] as const
export const CLIMATES = ['living-climate', 'bedroom-climate', 'bathroom-climate'] as const

export const UNITS: Readonly<Record<string, string>> = {
  temperature: '°C',
  setpoint: '°C',
  humidity: '%',
  brightness: '%',
  power: 'W',
  energy: 'kWh',
}

/** What can be set, and in which range; flags take true, false, 1 and 0. */
const SETTABLE: Readonly<Record<string, Readonly<Record<string, 'flag' | readonly [number, number]>>>> = {
  lamp: { powered: 'flag', brightness: [0, 100] },
  lock: { locked: 'flag' },
  thermostat: { setpoint: [5, 30] },
}

/**
 * The devices of a home. Radios of one home are alike; weak ones are far from the hub, behind concrete. The kitchen's
 * lamp hangs on a wire in every home: what is measured on it is Hearth, not a radio.
 */
export function homeDevices(random: Random, weak_radios: boolean): readonly HomeDevice[] {
  const radio: Radio = weak_radios
    ? { median_ms: between(random, 90, 140), spread: 0.6, loss: between(random, 0.05, 0.12) }
    : { median_ms: between(random, 28, 60), spread: 0.4, loss: between(random, 0.0005, 0.003) }
  const wire: Radio = { median_ms: 0.4, spread: 0.25, loss: 0 }
  return [
    ...LAMPS.map((device): HomeDevice => {
      return { device, type: 'lamp', attributes: ['powered', 'brightness'], radio: device === LAMPS[0] ? wire : radio }
    }),
    { device: 'front-door-lock', type: 'lock', attributes: ['locked'], radio },
    { device: 'front-door', type: 'contact', attributes: ['open'], radio },
    { device: 'thermostat', type: 'thermostat', attributes: ['temperature', 'setpoint', 'heating'], radio },
    ...CLIMATES.map((device): HomeDevice => {
      return { device, type: 'climate', attributes: ['temperature', 'humidity'], radio }
    }),
    { device: 'outdoor-climate', type: 'climate', attributes: ['temperature'], radio },
    { device: 'hall-motion', type: 'motion', attributes: ['motion'], radio },
    { device: 'power-meter', type: 'meter', attributes: ['power', 'energy'], radio: wire },
  ]
}

/** The value as the device keeps it. Raises `invalid`, naming what the device can set and in which range. */
export function checkedValue(device: HomeDevice, attribute: string, value: AttributeValue): number | boolean {
  const settable = SETTABLE[device.type] ?? {}
  const rule = Object.hasOwn(settable, attribute) ? settable[attribute] : undefined
  if (rule === undefined) {
    const names = Object.keys(settable).join(', ') || 'nothing'
    throw new Problem('invalid', `${device.device} cannot set ${attribute}; it can set ${names}`)
  }
  if (rule === 'flag') {
    if (value === true || value === 1) return true
    if (value === false || value === 0) return false
    throw new Problem('invalid', `${device.device} ${attribute}: expected true, false, 1 or 0, found ${String(value)}`)
  }
  if (typeof value === 'number' && value >= rule[0] && value <= rule[1]) return value
  throw new Problem(
    'invalid',
    `${device.device} ${attribute}: expected ${rule[0]} to ${rule[1]}, found ${String(value)}`,
  )
}
