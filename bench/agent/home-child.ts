/**
 * A home of 20 devices behind what does as zigbee2mqtt does, at the pace of such a home. Prints `ready`; for each line that it
 * is given, how many messages its devices have sent so far.
 */
import { createInterface } from 'node:readline'
import { seededRandom } from '../../contract/clock.ts'
import { startZigbeeBridge } from '../../hub-agent/testing/zigbee-bridge.ts'
import * as device from '../../hub-agent/testing/zigbee-devices.ts'
import { homeTask } from './parts.ts'

const task = homeTask.parse(JSON.parse(process.argv[2] ?? ''))
const random = seededRandom(task.seed)
const around = (middle: number, spread: number) => Math.round((middle + spread * (random.float() * 2 - 1)) * 10) / 10

type Kind = {
  readonly make: (n: number, name: string) => device.ZigbeeDevice
  readonly count: number
  /** Between two messages of one of them, on average. */
  readonly every_s: number
  readonly says: () => Readonly<Record<string, unknown>>
}

/**
 * How often such devices speak, by what their makers and zigbee2mqtt's reporting set: a plug tells power each 30 s or so, a
 * climate sensor temperature and humidity apart from each other each five minutes, a motion sensor when somebody is there.
 */
const KINDS: Readonly<Record<string, Kind>> = {
  lamp: { make: device.lamp, count: 5, every_s: 1_800, says: () => ({ state: random.float() < 0.5 ? 'ON' : 'OFF' }) },
  plug: { make: device.plug, count: 3, every_s: 30, says: () => ({ power: around(60, 8) }) },
  climate: {
    ...{ make: device.climate, count: 4, every_s: 150 },
    says: () => (random.float() < 0.5 ? { temperature: around(21, 0.8) } : { humidity: around(45, 3) }),
  },
  motion: {
    ...{ make: device.motion, count: 3, every_s: 180 },
    says: () => ({ occupancy: random.float() < 0.5, illuminance: Math.round(around(120, 60)) }),
  },
  contact: { make: device.contact, count: 2, every_s: 1_200, says: () => ({ contact: random.float() < 0.5 }) },
  thermostat: { make: device.thermostat, count: 1, every_s: 300, says: () => ({ local_temperature: around(21, 0.5) }) },
  lock: { make: device.lock, count: 1, every_s: 3_600, says: () => ({ battery: Math.round(around(80, 3)) }) },
  button: { make: device.button, count: 1, every_s: 1_200, says: () => ({ action: 'single' }) },
}

const each = Object.entries(KINDS).flatMap(([kind, about]) =>
  Array.from({ length: about.count }, (_, i) => ({ ...about, name: `${kind} ${i + 1}` })),
)
const bridge = await startZigbeeBridge({
  port: task.port,
  devices: [device.coordinator, ...each.map(({ make, name }, at) => make(at + 1, name))],
  remembered: Object.fromEntries(
    each.map(({ name, says }) => [name, { ...says(), action: undefined, linkquality: 100 }]),
  ),
})
let messages = 0
for (const one of each) {
  const plan = () => {
    const wait_s = (-Math.log(1 - random.float()) * one.every_s) / task.pace
    setTimeout(() => {
      messages++
      // The strength of the signal comes with each message, and is seldom what it was.
      void bridge.report(one.name, { ...one.says(), linkquality: Math.round(around(100, 40)) })
      plan()
    }, wait_s * 1000)
  }
  plan()
}
process.stdout.write('ready\n')
for await (const _line of createInterface({ input: process.stdin })) process.stdout.write(`${messages}\n`)
process.exit(0)
