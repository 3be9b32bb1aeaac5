/** The adapter against a real Mosquitto, with a bridge beside it that does as zigbee2mqtt does. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { machineClock as clock, machineRandom as random } from '../../cli/machine.ts'
import type { AttributeValue } from '../../contract/command.ts'
import { testFleet } from '../../link/fleet.fixture.ts'
import type { Devices, Report } from '../devices.ts'
import { type HomeBroker, homeBroker } from '../testing/mosquitto.ts'
import { startZigbeeBridge, type ZigbeeBridge, type ZigbeeBridgeOptions } from '../testing/zigbee-bridge.ts'
import * as device from '../testing/zigbee-devices.ts'
import { type HomeFact, type Zigbee2mqttOptions, zigbee2mqttHome } from './home.ts'

const SOON_MS = 10_000

let broker: HomeBroker
let bridge: ZigbeeBridge | undefined
let home: Devices | undefined
let reports: Omit<Report, 'm'>[]
let facts: HomeFact[]

beforeEach(async () => {
  broker = await homeBroker()
  reports = []
  facts = []
})
afterEach(async () => {
  await home?.close()
  await bridge?.kill()
  await broker.stop()
  home = undefined
  bridge = undefined
})

const DEVICES = [
  device.coordinator,
  device.lamp(1, 'Küche/Decke links'),
  device.plug(2, 'boiler'),
  device.lock(3, 'front door'),
  device.climate(4, 'living-climate'),
  device.button(5, 'button'),
]
const LAMP = 'kuche.decke-links'

async function start(
  given: Partial<ZigbeeBridgeOptions> = {},
  options: Partial<Zigbee2mqttOptions> = {},
): Promise<ZigbeeBridge> {
  bridge = await startZigbeeBridge({ port: broker.port, devices: DEVICES, ...given })
  await listen(options)
  await vi.waitFor(() => expect(listed()).toContain(LAMP), SOON_MS)
  await heardBridge(true)
  return bridge
}
async function listen(options: Partial<Zigbee2mqttOptions> = {}): Promise<void> {
  home = zigbee2mqttHome({
    ...{ url: broker.url, base: 'zigbee2mqtt', name: 'h1', clock, random, notice: (fact) => facts.push(fact) },
    ...options,
  })
  home.subscribe(({ m: _m, ...report }) => reports.push(report))
}
/** On a busy machine a device may be asked by `/get` as well. */
const sets = (heard: ZigbeeBridge['heard']) => heard.filter(({ topic }) => topic.endsWith('/set'))
const listed = () => home?.list().map((one) => one.device) ?? []
const told = (of: string, attribute: string) =>
  reports.filter((one) => one.device === of && one.attribute === attribute).map(({ value }) => value)
const heardBridge = (available: boolean) =>
  vi.waitFor(() => expect(told('zigbee2mqtt', 'available').at(-1)).toBe(available), SOON_MS)
const actuate = (of: string, set: Readonly<Record<string, AttributeValue>>, limit_ms = 5_000) =>
  home?.actuate(of, set, AbortSignal.timeout(limit_ms)) ?? Promise.reject(new Error('no home'))

it('lists devices with attributes as Hearth calls them, the bridge among them and the coordinator not', async () => {
  await start()
  expect(home?.list()).toEqual([
    { device: 'zigbee2mqtt', type: 'bridge', attributes: ['available'] },
    {
      device: LAMP,
      type: 'lamp',
      attributes: ['powered', 'brightness', 'color_temp', 'color_x', 'color_y', 'effect', 'linkquality', 'available'],
    },
    { device: 'boiler', type: 'switch', attributes: ['powered', 'power', 'energy', 'linkquality', 'available'] },
    { device: 'front-door', type: 'lock', attributes: ['locked', 'lock_state', 'battery', 'available'] },
    {
      device: 'living-climate',
      type: 'climate',
      attributes: ['temperature', 'humidity', 'battery', 'linkquality', 'available'],
    },
    { device: 'button', type: 'remote', attributes: ['action', 'battery', 'linkquality', 'available'] },
  ])
})

it('whoever listens late hears whether the bridge is there', async () => {
  await start()
  const late: unknown[] = []
  home?.subscribe(({ m: _m, ...report }) => late.push(report))
  expect(late).toEqual([{ device: 'zigbee2mqtt', attribute: 'available', value: true }])
})

it('carries a command out once the state has what was asked, in units of Hearth', async () => {
  const { heard } = await start()
  await actuate(LAMP, { powered: true, brightness: 50, color_x: 0.3, color_y: 0.4 })
  expect(sets(heard)).toEqual([
    {
      topic: 'Küche/Decke links/set',
      payload: { state: 'ON', brightness: 127, color: { x: 0.3, y: 0.4 } },
    },
  ])
  expect(told(LAMP, 'powered')).toEqual([true])
  expect(told(LAMP, 'brightness')).toEqual([50])
  await actuate('front-door', { locked: 1 })
  expect(told('front-door', 'locked')).toEqual([true])
})

it('waits for the report of a device that is not optimistic, and asks one that says nothing by itself', async () => {
  const { heard } = await start({ manners: { boiler: 'reports', 'front door': 'asked' } })
  await actuate('boiler', { powered: true })
  await actuate('front-door', { locked: false })
  expect(sets(heard).map(({ topic }) => topic)).toEqual(['boiler/set', 'front door/set'])
  expect(heard.at(-1)).toEqual({ topic: 'front door/get', payload: { state: '' } })
})

it('is not confirmed by a state that has something else', async () => {
  const { report } = await start({ manners: { boiler: 'silent' } })
  const unknown = expect(actuate('boiler', { powered: true }, 1_500)).rejects.toMatchObject({
    ...{ kind: 'unavailable', outcome: 'unknown', message: 'boiler did not confirm powered' },
  })
  await report('boiler', { state: 'OFF', power: 3 })
  await unknown
  expect(told('boiler', 'power')).toEqual([3])
})

it('says at once of a command that cannot be: no such device, attribute, value', async () => {
  const { heard } = await start()
  const refused = (of: string, set: Readonly<Record<string, AttributeValue>>, message: RegExp) =>
    expect(actuate(of, set)).rejects.toMatchObject({
      ...{ kind: 'invalid', outcome: 'did-not-happen', message: expect.stringMatching(message) },
    })
  await refused('nowhere', { powered: true }, /no nowhere; it has kuche.decke-links, boiler, /)
  await refused('boiler', { brightness: 3 }, /boiler cannot set brightness; it can set powered/)
  await refused('boiler', { power: 3 }, /boiler cannot set power;/)
  await refused(LAMP, { brightness: 101 }, /brightness: expected 0 to 100 \(%\), found 101/)
  await refused(LAMP, { color_temp: 501 }, /color_temp: expected 150 to 500 \(mired\), found 501/)
  await refused(LAMP, { powered: 'on' }, /powered: expected true, false, 1 or 0, found "on"/)
  await refused(LAMP, { effect: 'blink' }, /effect is never published.*--unconfirmed/)
  expect(heard).toEqual([])
})

it('takes a command as done that the broker has, of devices that it is told never say', async () => {
  const { heard } = await start({ manners: { boiler: 'silent' } }, { unconfirmed: ['boiler', LAMP] })
  await actuate('boiler', { powered: true })
  await actuate(LAMP, { effect: 'BLINK' })
  await vi.waitFor(() => expect(heard.at(-1)?.payload).toEqual({ effect: 'blink' }), SOON_MS)
})

it('says so when the radio did not reach the device, and does not know whether it happened', async () => {
  await start({ manners: { boiler: 'fails' } })
  await expect(actuate('boiler', { powered: true }, 60_000)).rejects.toMatchObject({
    ...{ kind: 'unavailable', outcome: 'unknown', message: expect.stringMatching(/could not deliver it: 'Error: ZCL/) },
  })
})

it.each([{ legacy: true }, { legacy: false }])('hears availability: %o', async ({ legacy }) => {
  const { availability } = await start({ legacy })
  await availability('boiler', 'offline')
  await vi.waitFor(() => expect(told('boiler', 'available')).toEqual([false]), SOON_MS)
  await expect(actuate('boiler', { powered: true })).rejects.toMatchObject({
    ...{ kind: 'unavailable', outcome: 'did-not-happen', message: 'boiler is offline' },
  })
  await availability('boiler', 'online')
  await vi.waitFor(() => expect(told('boiler', 'available')).toEqual([false, true]), SOON_MS)
  await actuate('boiler', { powered: true })
})

it('tells what changed, once, though each message has all that is remembered; and each press of a button', async () => {
  const { report } = await start()
  await report('living-climate', { temperature: 21.5, humidity: 40 })
  await report('living-climate', { temperature: 21.7 })
  await report('button', { action: 'single' })
  await report('button', { action: 'single', battery: 90 })
  await report('button', { battery: 89 })
  await vi.waitFor(() => expect(told('button', 'battery')).toEqual([90, 89]), SOON_MS)
  expect(told('living-climate', 'temperature')).toEqual([21.5, 21.7])
  expect(told('living-climate', 'humidity')).toEqual([40])
  expect(told('button', 'action')).toEqual(['single', 'single'])
  expect(reports.find(({ attribute }) => attribute === 'temperature')?.unit).toBe('°C')
})

it('takes neither what is retained nor what the bridge remembers at its start for news', async () => {
  const first = await startZigbeeBridge({
    ...{ port: broker.port, devices: DEVICES, retain: true, remembered: { boiler: { state: 'ON', power: 7 } } },
  })
  await first.stop()
  await listen()
  await vi.waitFor(() => expect(listed()).toContain('boiler'), SOON_MS)
  bridge = await startZigbeeBridge({
    ...{ port: broker.port, devices: DEVICES, retain: true, remembered: { boiler: { state: 'ON', power: 7 } } },
  })
  await heardBridge(true)
  await bridge.report('button', { battery: 50 })
  await bridge.report('boiler', { power: 8 })
  await bridge.report('boiler', { power: 9 })
  await vi.waitFor(() => expect(told('boiler', 'power').at(-1)).toBe(9), SOON_MS)
  expect(told('boiler', 'power')).not.toContain(7)
})

it('goes with a device that is renamed, joins or is removed while it runs', async () => {
  const { rename, remove, join: joins, report } = await start()
  await rename('boiler', 'heater/Keller 1')
  await vi.waitFor(() => expect(listed()).toContain('heater.keller-1'), SOON_MS)
  expect(listed()).not.toContain('boiler')
  await actuate('heater.keller-1', { powered: true })
  await joins(device.contact(9, 'window'))
  await vi.waitFor(() => expect(listed()).toContain('window'), SOON_MS)
  await report('window', { contact: false })
  await vi.waitFor(() => expect(told('window', 'open')).toEqual([true]), SOON_MS)
  await remove('window')
  await vi.waitFor(() => expect(listed()).not.toContain('window'), SOON_MS)
  await expect(actuate('boiler', { powered: true })).rejects.toMatchObject({ kind: 'invalid' })
})

it('gives a command up when its device is removed', async () => {
  const { remove } = await start({ manners: { boiler: 'silent' } })
  const given = expect(actuate('boiler', { powered: true }, 60_000)).rejects.toMatchObject({
    ...{ kind: 'unavailable', outcome: 'unknown', message: expect.stringMatching(/was removed/) },
  })
  await remove('boiler')
  await given
})

it('tells that the bridge is away when it stops or dies, refuses meanwhile, and goes on when it is back', async () => {
  const first = await start({ manners: { boiler: 'silent' } })
  const waiting = actuate('boiler', { powered: true }, 60_000)
  await vi.waitFor(() => expect(first.heard.length).toBe(1), SOON_MS)
  const unknown = expect(waiting).rejects.toMatchObject({ kind: 'unavailable', outcome: 'unknown' })
  await first.kill()
  await unknown
  await heardBridge(false)
  await expect(actuate('boiler', { powered: true })).rejects.toMatchObject({
    ...{ kind: 'unavailable', outcome: 'did-not-happen', message: 'zigbee2mqtt is offline' },
  })
  bridge = await startZigbeeBridge({ port: broker.port, devices: DEVICES })
  await heardBridge(true)
  await actuate('boiler', { powered: true })
  await bridge.stop()
  await heardBridge(false)
})

it('comes back by itself when the broker was killed; nothing of before is sent again', async () => {
  await start({ manners: { boiler: 'silent' } })
  const waiting = expect(actuate('boiler', { powered: true }, 60_000)).rejects.toMatchObject({
    ...{ kind: 'unavailable', outcome: 'unknown' },
  })
  await broker.kill()
  await waiting
  await heardBridge(false)
  await expect(actuate('boiler', { powered: true })).rejects.toMatchObject({
    ...{
      kind: 'unavailable',
      outcome: 'did-not-happen',
      message: expect.stringMatching(/no connection to the broker/),
    },
  })
  await broker.restart()
  bridge = await startZigbeeBridge({ port: broker.port, devices: DEVICES })
  await heardBridge(true)
  await actuate('front-door', { locked: true })
  expect(sets(bridge.heard).map(({ topic }) => topic)).toEqual(['front door/set'])
})

it('carries groups where it is asked to', async () => {
  const members = [1, 2].map((n) => ({ ieee_address: DEVICES[n]?.ieee_address ?? '', endpoint: 1 }))
  const { heard } = await start({ groups: [{ id: 7, friendly_name: 'all lights', members }] }, { groups: true })
  await vi.waitFor(() => expect(listed()).toContain('all-lights'), SOON_MS)
  expect(home?.list().find((one) => one.device === 'all-lights')).toMatchObject({
    ...{ type: 'group', attributes: ['powered', 'linkquality', 'available'] },
  })
  await actuate('all-lights', { powered: false })
  expect(sets(heard)).toEqual([{ topic: 'all lights/set', payload: { state: 'OFF' } }])
})

it('says what is wrong where it cannot know by itself: no JSON, an expose that it does not know, a list that is none', async () => {
  const odd = { ...device.plug(8, 'odd'), definition: { ...device.plug(8, 'odd').definition, exposes: [{ type: 3 }] } }
  const { join: joins } = await start({ output: 'attribute' })
  const said = () => facts.flatMap((fact) => (fact.fact === 'fault' ? [fact.message] : []))
  await vi.waitFor(() => expect(said()).toContainEqual(expect.stringMatching(/set advanced.output to json/)), SOON_MS)
  await joins(JSON.parse(JSON.stringify(odd)))
  await vi.waitFor(() => expect(said()).toContainEqual(expect.stringMatching(/^odd: an expose that/)), SOON_MS)
  expect(listed()).toContain('odd')
})

it('comes to a broker with TLS and a password, and says what is wrong when either does not fit', async () => {
  const fleet = await testFleet()
  try {
    const { key, cert } = await fleet.server()
    await broker.stop()
    broker = await homeBroker({ tls: { key, cert }, users: { hearth: 's3cret' } })
    const said = () => facts.flatMap((fact) => (fact.fact === 'broker' ? [`${fact.state} ${fact.reason ?? ''}`] : []))
    const url = new URL(broker.url)
    url.hostname = 'localhost'
    url.username = 'hearth'
    await listen({ url, password: 's3cret' })
    await vi.waitFor(() => expect(said().at(-1)).toMatch(/unreachable .*(certificate|self-signed)/), SOON_MS)
    await home?.close()
    await listen({ url, ca: fleet.ca, password: 'wrong' })
    await vi.waitFor(() => expect(said().at(-1)).toMatch(/unreachable .*[Nn]ot authorized/), SOON_MS)
    await home?.close()
    await listen({ url, ca: fleet.ca, password: 's3cret' })
    await vi.waitFor(() => expect(said().at(-1)).toBe('connected '), SOON_MS)
    expect(JSON.stringify(facts)).not.toMatch(/s3cret|wrong/)
  } finally {
    fleet.close()
  }
})
