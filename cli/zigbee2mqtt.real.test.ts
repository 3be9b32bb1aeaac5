/** A real home from end to end: app → relay → hub → Mosquitto → bridge and back; its readings, down to the table. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type HomeBroker, homeBroker } from '../hub-agent/testing/mosquitto.ts'
import { startZigbeeBridge, type ZigbeeBridge } from '../hub-agent/testing/zigbee-bridge.ts'
import * as device from '../hub-agent/testing/zigbee-devices.ts'
import { openSystem, type Running, type System, until } from './testing/system.ts'

const START_MS = 60_000
const SOON_MS = 20_000
const DEVICES = [
  ...[device.coordinator, device.lamp(1, 'Kitchen/Lamp 1'), device.plug(2, 'boiler'), device.contact(3, 'front door')],
]

let system: System
let elsewhere: string
let broker: HomeBroker
let bridge: ZigbeeBridge
beforeEach(async () => {
  system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '500' })
  elsewhere = mkdtempSync(join(tmpdir(), 'hearth-elsewhere-'))
  broker = await homeBroker()
  bridge = await startZigbeeBridge({ port: broker.port, devices: DEVICES, manners: { boiler: 'silent' } })
})
afterEach(async () => {
  await system[Symbol.asyncDispose]()
  await bridge.kill()
  await broker.stop()
  rmSync(elsewhere, { recursive: true, force: true })
})

/** Enrols the hub of this home and starts it; resolves when apps reach it. */
async function startHub(): Promise<Running> {
  const { code } = JSON.parse(await system.must(['registry', 'code', 'kitchen-1', '--json']))
  const hub = system.start(
    [
      ...['hub', '--id', 'kitchen-1', '--zigbee2mqtt', broker.url.href, '--code', code],
      ...['--ca', join(system.home, 'ca', 'ca.pem'), '--enrol', `https://127.0.0.1:${system.ports.https}`],
      ...['--relay', `mqtts://127.0.0.1:${system.ports.hub}`, '--gateway', `mqtts://127.0.0.1:${system.ports.mqtt}`],
    ],
    { HEARTH_HOME: elsewhere },
  )
  await hub.untilSaid(/connected to the relay/, START_MS)
  return hub
}

it('carries commands of apps to its devices, tells their readings, and says what is away', async () => {
  for (const name of ['relay', 'ingest']) await system.start([name]).untilSaid(/"event":"ready"/, START_MS)
  await system.must(['registry', 'add', 'kitchen-1', '--home', 'home-1'])
  const { token } = JSON.parse(await system.must(['registry', 'token', 'create', 'test', '--json']))
  const hub = await startHub()
  await hub.untilSaid(/3 devices; new: kitchen\.lamp-1, boiler, front-door/, START_MS)
  // It became a process for little memory, under the same id.
  expect(readFileSync(`/proc/${hub.pid}/cmdline`, 'utf8')).toContain('--max-semi-space-size=1')
  const send = async (words: readonly string[]) => {
    const sent = await system.run(['send', 'kitchen-1', ...words, '--json'], { HEARTH_TOKEN: token })
    const { outcome, reason } = JSON.parse(sent.stdout)
    return [outcome, reason]
  }

  expect(await send(['kitchen.lamp-1', 'powered=1', 'brightness=50'])).toEqual(['done', undefined])
  expect(bridge.heard.filter(({ topic }) => topic.endsWith('/set'))).toEqual([
    { topic: 'Kitchen/Lamp 1/set', payload: { state: 'ON', brightness: 127 } },
  ])
  expect(await send(['kitchen.lamp-1', 'brightness=500'])).toEqual([
    ...['rejected', 'kitchen.lamp-1 brightness: expected 0 to 100 (%), found 500'],
  ])
  expect((await send(['boiler', 'powered=1', '--deadline', '500'])).at(0)).toBe('expired')

  await bridge.report('front door', { contact: false, battery: 88 })
  await bridge.stop()
  await hub.untilSaid(/zigbee2mqtt is offline/, SOON_MS)
  expect(await send(['kitchen.lamp-1', 'powered=0'])).toEqual(['rejected', 'zigbee2mqtt is offline'])
  await broker.kill()
  await hub.untilSaid(/lost the broker/, SOON_MS)
  await broker.restart()
  bridge = await startZigbeeBridge({ port: broker.port, devices: DEVICES })
  await until('the home is back', SOON_MS, async () => (await send(['kitchen.lamp-1', 'powered=0']))[0] === 'done')

  const select =
    "select device_id, attribute, value from events where kind = 'reading' and hub_id = 'kitchen-1' order by seq"
  let rows: readonly (readonly string[])[] = []
  await until('the readings are in the table', START_MS, async () => {
    rows = await system.csv(select)
    return rows.some(
      ([of, attribute, value]) => of === 'kitchen.lamp-1' && attribute === 'powered' && Number(value) === 0,
    )
  })
  const told = (of: string, attribute: string) =>
    rows.filter((row) => row[0] === of && row[1] === attribute).map(([, , value]) => Number(value))
  expect(told('kitchen.lamp-1', 'powered')).toEqual([1, 0])
  expect(told('kitchen.lamp-1', 'brightness')).toEqual([50])
  expect(told('front-door', 'open')).toEqual([1])
  expect(told('front-door', 'battery')).toEqual([88])
  expect(told('zigbee2mqtt', 'available')).toEqual([1, 0, 1])

  hub.signal('SIGINT')
  expect(await hub.ended).toEqual({ code: 0, signal: null })
})

it('keeps at it when the broker is not there at the start', async () => {
  await broker.kill()
  for (const name of ['relay', 'ingest']) await system.start([name]).untilSaid(/"event":"ready"/, START_MS)
  await system.must(['registry', 'add', 'kitchen-1', '--home', 'home-1'])
  const hub = await startHub()
  await hub.untilSaid(/broker at 127\.0\.0\.1:\d+ cannot be reached, and is tried again: connect ECONNREFUSED/, SOON_MS)
  await broker.restart()
  bridge = await startZigbeeBridge({ port: broker.port, devices: DEVICES })
  await hub.untilSaid(/3 devices; new: kitchen\.lamp-1, boiler, front-door/, SOON_MS)
})

it('says what of its options cannot be used', async () => {
  const said = async (...words: readonly string[]) => {
    const { code, stderr } = await system.run(['hub', ...words])
    return [code, stderr.split('\n')[0]]
  }
  expect(await said('--zigbee2mqtt', 'mqtt://localhost')).toEqual([
    ...[2, 'hearth: name the hub of this home: --id kitchen-1 --zigbee2mqtt …'],
  ])
})
