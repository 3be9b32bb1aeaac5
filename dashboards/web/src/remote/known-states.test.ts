import { expect, test } from 'vitest'
import { knownStates } from './known-states.ts'

const said = (device: string, value: number, time_ms: number, unit: string | null = null) => ({
  device,
  attributes: [{ attribute: 'brightness', value, unit, time_ms }],
})

test('what the table told stays while an answer comes without it', () => {
  const known = knownStates([[said('lamp', 40, 1, '%'), said('hall', 10, 1)], [said('lamp', 60, 2)]], new Map())
  expect([...known.keys()]).toEqual(['hall', 'lamp'])
  expect(known.get('lamp')?.get('brightness')).toEqual({ value: 60, unit: '%', time_ms: 2 })
})

test('an older word never takes the place of a newer one', () => {
  const live = new Map([['lamp', new Map([['brightness', { value: 80, unit: null, time_ms: 3 }]])]])
  expect(
    knownStates([[said('lamp', 40, 4)]], live)
      .get('lamp')
      ?.get('brightness')?.value,
  ).toBe(40)
  expect(
    knownStates([[said('lamp', 40, 2)]], live)
      .get('lamp')
      ?.get('brightness')?.value,
  ).toBe(80)
})
