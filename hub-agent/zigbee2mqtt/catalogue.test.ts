import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isId } from '../../contract/source.ts'
import * as device from '../testing/zigbee-devices.ts'
import { catalogueOf, idOf, readDevices } from './catalogue.ts'

const list = (...names: readonly string[]) =>
  catalogueOf(readDevices(names.map((name, at) => device.plug(at + 1, name))), [], ['zigbee2mqtt'])
const ids = (...names: readonly string[]) => list(...names).entities.map(({ id }) => id)
const address = (n: number) => device.plug(n, 'x').ieee_address

describe('ids', () => {
  it.each([
    ['my_bulb', 'my_bulb'],
    ['Kitchen Lamp', 'kitchen-lamp'],
    ['kitchen/floor_light', 'kitchen.floor_light'],
    ['Küche/Decke (links)', 'kuche.decke-links'],
    ['0x00158d00018255df', '0x00158d00018255df'],
    ['  a  ', 'a'],
  ])('%s is %s', (name, id) => expect(ids(name)).toEqual([id]))

  it('are addresses where a name gives none, is too long, or would be that of the bridge', () => {
    expect(ids('台所', 'x'.repeat(65), 'zigbee2mqtt')).toEqual([address(1), address(2), address(3)])
  })

  it('are addresses of both where two names would be the same: neither gets what is meant for the other', () => {
    expect(ids('Kitchen Lamp', 'kitchen-lamp', 'other')).toEqual([address(1), address(2), 'other'])
  })

  it('are different for different devices, and ids, whatever they are called', () => {
    const name = fc.oneof(fc.string(), fc.constantFrom('lamp', 'Lamp', 'LAMP', 'lamp/', 'zigbee2mqtt', address(1)))
    fc.assert(
      fc.property(fc.uniqueArray(name, { maxLength: 8 }), (names) => {
        const found = ids(...names)
        expect(new Set(found).size).toBe(found.length)
        expect(found.filter((id) => !isId(id))).toEqual([])
      }),
    )
  })

  it('come back as they are', () => {
    expect(idOf(idOf('Küche/Decke'))).toBe('kuche.decke')
  })
})

it('leaves out what cannot be a topic, and says so', () => {
  const { entities, faults } = list('a', 'b+c', 'd#')
  expect(entities.map(({ id }) => id)).toEqual(['a'])
  expect(faults).toEqual([expect.stringMatching(/"b\+c" is no part of a topic/), expect.stringMatching(/"d#"/)])
})

it('has devices that zigbee2mqtt does not support, without attributes, and no coordinator', () => {
  const { entities } = catalogueOf(readDevices([device.coordinator, device.unsupported(1, 'odd')]), [])
  expect(entities).toMatchObject([{ id: 'odd', type: 'sensor', attributes: [] }])
})

it('refuses a list that is not as documented, by the place', () => {
  expect(() => readDevices([{ friendly_name: 'a' }])).toThrow(/bridge\/devices is not as documented:.*\n.*ieee_address/)
})
