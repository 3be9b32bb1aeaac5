import { expect, test } from 'vitest'
import { joinStates, liveStates } from './device-states.ts'
import { STATES_HUBS_MAX } from './limits.ts'

const lamp = (value: number, time_ms: number) => ({
  device: 'lamp',
  attributes: [{ attribute: 'brightness', value, unit: '%', time_ms }],
})

test('what was said last counts, whether the table or the feed knows of it; the unit is the table’s', () => {
  const live = liveStates()
  live.take({ type: 'state', hub: 'h', device: 'lamp', set: { brightness: 70, powered: true }, at: 2_000 })
  const brightness = (stored_ms: number) =>
    joinStates([lamp(30, stored_ms)], live.of('h'))[0]?.attributes.find(({ attribute }) => attribute === 'brightness')
  expect(brightness(1_000)).toEqual({ attribute: 'brightness', value: 70, unit: '%', time_ms: 2_000 })
  expect(brightness(3_000)).toEqual({ attribute: 'brightness', value: 30, unit: '%', time_ms: 3_000 })
  expect(joinStates([], live.of('h'))).toMatchObject([{ device: 'lamp', attributes: [{ value: 70 }, { value: true }] }])
})

test('past the limit the hub that was silent for longest is forgotten', () => {
  const live = liveStates()
  for (let hub = 0; hub <= STATES_HUBS_MAX; hub++) {
    live.take({ type: 'state', hub: `h${hub}`, device: 'lamp', set: { powered: true }, at: hub })
  }
  expect([live.of('h0').size, live.of('h1').size]).toEqual([0, 1])
})
