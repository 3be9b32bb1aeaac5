import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AttributeValue } from '../../contract/command.ts'
import { commandRequest } from '../../contract/command.ts'
import * as device from '../testing/zigbee-devices.ts'
import { attributesOf, deviceType } from './exposes.ts'

const of = (one: device.ZigbeeDevice) => attributesOf(one.definition?.exposes ?? [])
const names = (one: device.ZigbeeDevice) => of(one).attributes.map(({ name }) => name)
function attribute(one: device.ZigbeeDevice, name: string) {
  const found = of(one).attributes.find((each) => each.name === name)
  if (!found) throw new Error(`no ${name}; there are ${names(one).join(', ')}`)
  return found
}

describe('attributes', () => {
  it.each<[device.ZigbeeDevice, string, string, readonly [unknown, AttributeValue][]]>([
    [
      device.lamp(1, 'a'),
      'powered',
      'lamp',
      [
        ['ON', true],
        ['OFF', false],
      ],
    ],
    [
      device.lamp(1, 'a'),
      'brightness',
      'lamp',
      [
        [0, 0],
        [127, 50],
        [254, 100],
      ],
    ],
    [device.lamp(1, 'a'), 'color_temp', 'lamp', [[325, 325]]],
    [device.plug(1, 'a'), 'power', 'switch', [[12.5, 12.5]]],
    [device.twoGangs(1, 'a'), 'powered_left', 'switch', [['ON', true]]],
    [
      device.lock(1, 'a'),
      'locked',
      'lock',
      [
        ['LOCK', true],
        ['UNLOCK', false],
      ],
    ],
    [device.lock(1, 'a'), 'lock_state', 'lock', [['not_fully_locked', 'not_fully_locked']]],
    [device.thermostat(1, 'a'), 'setpoint', 'thermostat', [[21.5, 21.5]]],
    [device.thermostat(1, 'a'), 'temperature', 'thermostat', [[19.2, 19.2]]],
    [
      device.thermostat(1, 'a'),
      'heating',
      'thermostat',
      [
        ['heat', true],
        ['idle', false],
      ],
    ],
    [device.thermostat(1, 'a'), 'system_mode', 'thermostat', [['auto', 'auto']]],
    [
      device.cover(1, 'a'),
      'open',
      'cover',
      [
        ['OPEN', true],
        ['CLOSE', false],
      ],
    ],
    [device.cover(1, 'a'), 'position', 'cover', [[30, 30]]],
    [device.fan(1, 'a'), 'fan_powered', 'fan', [['ON', true]]],
    [device.fan(1, 'a'), 'fan_mode', 'fan', [['low', 'low']]],
    [
      device.contact(1, 'a'),
      'open',
      'contact',
      [
        [false, true],
        [true, false],
      ],
    ],
    [
      device.motion(1, 'a'),
      'motion',
      'motion',
      [
        [true, true],
        [false, false],
      ],
    ],
    [device.climate(1, 'a'), 'humidity', 'climate', [[44.72, 44.72]]],
    [device.button(1, 'a'), 'action', 'remote', [['single', 'single']]],
  ])('%#: of $1.friendly_name a %s', (one, name, type, values) => {
    const { read } = attribute(one, name)
    expect(values.map(([raw]) => read(raw))).toEqual(values.map(([, value]) => value))
    expect(deviceType(one.definition?.exposes ?? [], of(one).attributes)).toBe(type)
  })

  it('say nothing of null, of what is empty, and of what is of another form', () => {
    expect(attribute(device.lamp(1, 'a'), 'powered').read('TOGGLE')).toBeUndefined()
    expect(attribute(device.climate(1, 'a'), 'temperature').read(null)).toBeUndefined()
    expect(attribute(device.climate(1, 'a'), 'temperature').read('warm')).toBeUndefined()
    expect(attribute(device.button(1, 'a'), 'action').read('')).toBeUndefined()
  })

  it('are written as they are read: whatever fits comes back, and confirms itself', () => {
    const all = [device.lamp, device.lock, device.thermostat, device.cover, device.fan].flatMap(
      (make) => of(make(1, 'a')).attributes,
    )
    fc.assert(
      fc.property(
        fc.constantFrom(...all.filter(({ settable, published }) => settable && published)),
        fc.oneof(fc.boolean(), fc.integer({ min: 0, max: 600 }), fc.constantFrom('auto', 'heat', 'low', 'off')),
        (one, value) => {
          let sent: unknown
          try {
            sent = one.write(value)
          } catch {
            return
          }
          expect(one.confirms(sent, sent)).toBe(true)
          expect(one.write(one.read(sent) ?? '')).toEqual(sent)
        },
      ),
    )
  })

  it('have names that a command may use, whatever properties are called', () => {
    fc.assert(
      fc.property(fc.string(), (property) => {
        for (const { name } of attributesOf([device.numeric(property, 7)]).attributes) {
          expect(commandRequest.safeParse({ device: 'a', set: { [name]: 1 } }).success).toBe(true)
        }
      }),
    )
  })

  it('know what is settable and what is published', () => {
    const { published, settable, gettable } = attribute(device.lamp(1, 'a'), 'effect')
    expect({ published, settable, gettable }).toEqual({ published: false, settable: true, gettable: false })
    expect(attribute(device.plug(1, 'a'), 'power')).toMatchObject({ published: true, settable: false, gettable: true })
  })
})

describe('values', () => {
  it('that do not fit are refused with what was expected', () => {
    const { write } = attribute(device.thermostat(1, 'a'), 'setpoint')
    expect(() => write(31)).toThrow('expected 5 to 30 (°C), found 31')
    expect(() => write(true)).toThrow('expected 5 to 30 (°C), found true')
    expect(() => attribute(device.fan(1, 'a'), 'fan_mode').write('fast')).toThrow('one of low, medium, high, auto')
  })

  it('beyond the range may be presets, as a list or as one', () => {
    const preset = { name: 'previous', value: 65_535, description: 'as before' }
    for (const presets of [preset, [preset]]) {
      const [one] = attributesOf([device.numeric('color_temp_startup', 7, { value_max: 500, presets })]).attributes
      expect(one?.write(65_535)).toBe(65_535)
      expect(() => one?.write(65_534)).toThrow('expected 500 or less, found 65534')
    }
  })

  it('of a setpoint are confirmed within half a step, of a brightness within one', () => {
    const setpoint = attribute(device.thermostat(1, 'a'), 'setpoint')
    expect([21.5, 21.7, 22].map((raw) => setpoint.confirms(21.5, raw))).toEqual([true, true, false])
    const brightness = attribute(device.lamp(1, 'a'), 'brightness')
    expect([127, 128, 129].map((raw) => brightness.confirms(127, raw))).toEqual([true, true, false])
  })

  it('stop a cover that can stop, which any state after it confirms', () => {
    const { write, confirms } = attribute(device.cover(1, 'a'), 'open')
    expect(write('Stop')).toBe('STOP')
    expect(confirms('STOP', 'OPEN')).toBe(true)
    expect(confirms('OPEN', 'CLOSE')).toBe(false)
    expect(() => write('up')).toThrow('expected true, false, 1, 0 or "stop", found "up"')
  })

  it('of a list are told as JSON, and cannot be set', () => {
    const exposes = { type: 'list', name: 'schedule', property: 'schedule', access: 3, item_type: { type: 'numeric' } }
    const [one] = attributesOf([exposes]).attributes
    expect(one?.settable).toBe(false)
    expect(one?.read([1, 2])).toBe('[1,2]')
    expect(one?.read(Array(200).fill(1))).toBeUndefined()
  })
})
