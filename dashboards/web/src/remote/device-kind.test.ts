import { expect, test } from 'vitest'
import { flag, kindOf, nameOf, type State, stateText } from './device-kind.ts'

const told = (value: State['value'], unit: string | null = null): State => ({ value, unit, time_ms: 0 })
const having = (...attributes: readonly string[]) => new Map(attributes.map((name) => [name, told(1)]))

test('a device is what it reports that it can be', () => {
  const kinds = [
    kindOf('kitchen-lamp', having('powered')),
    kindOf('strip', having('powered', 'brightness')),
    kindOf('kettle', having('powered', 'power')),
    kindOf('front-door-lock', having('locked', 'battery')),
    kindOf('hall', having('temperature', 'setpoint')),
    kindOf('valve', having('target_temperature')),
    kindOf('front-door', having('open')),
  ]
  expect(kinds).toEqual(['lamp', 'lamp', 'plug', 'lock', 'thermostat', 'thermostat', 'sensor'])
})

test('a flag is a flag whether it comes as a word or as a number, and nothing is not off', () => {
  expect([true, 1, false, 0, null, 'on'].map((value) => flag(told(value)))).toEqual([
    ...[true, true, false, false, undefined, undefined],
  ])
})

test('states read as people say them', () => {
  expect([
    nameOf('front_door-lock'),
    stateText('open', told(0)),
    stateText('motion', told(true)),
    stateText('temperature', told(21.44, '°C')),
    stateText('energy', told(null, 'kWh')),
  ]).toEqual(['Front door lock', 'closed', 'motion', '21.4\u2009°C', '–'])
})
