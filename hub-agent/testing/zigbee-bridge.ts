/**
 * What zigbee2mqtt does on a broker, as its documentation has it, with devices that are not there: it lists them, says how it
 * is and how they are, carries `/set` and `/get` out, and publishes the whole state that it remembers of a device each time.
 */
import net from 'node:net'
import { MqttClient } from 'mqtt'
import type { ZigbeeDevice } from './zigbee-devices.ts'

type State = Readonly<Record<string, unknown>>

/**
 * What a device does with `/set`: `optimistic`: its state is published once the radio has it, which is zigbee2mqtt's default;
 * `reports`: it tells its state by itself, a little later; `asked`: only when it is asked by `/get`; `silent`: never;
 * `fails`: the radio does not reach it, and the log says so.
 */
export type Manner = 'optimistic' | 'reports' | 'asked' | 'silent' | 'fails'

export type ZigbeeBridge = {
  /** All that was sent to devices: topic without base, and JSON. */
  readonly heard: readonly { readonly topic: string; readonly payload: unknown }[]
  /** A device tells something: published with all that is remembered of it. */
  report(name: string, state: State): Promise<void>
  availability(name: string, state: 'online' | 'offline'): Promise<void>
  rename(from: string, to: string): Promise<void>
  remove(name: string): Promise<void>
  join(device: ZigbeeDevice): Promise<void>
  /** Says goodbye. */
  stop(): Promise<void>
  /** The process dies: the broker tells its will. */
  kill(): Promise<void>
}

export type ZigbeeBridgeOptions = {
  readonly port: number
  readonly devices: readonly ZigbeeDevice[]
  readonly base?: string
  readonly user?: string
  readonly password?: string
  readonly manners?: Readonly<Record<string, Manner>>
  /** What it remembers of devices: sent when it starts. */
  readonly remembered?: Readonly<Record<string, State>>
  readonly groups?: readonly {
    readonly id: number
    readonly friendly_name: string
    readonly members: readonly { readonly ieee_address: string; readonly endpoint: number }[]
  }[]
  /** `legacy_availability_payload` of version 1. */
  readonly legacy?: boolean
  /** The device option `retain`, of all. */
  readonly retain?: boolean
  readonly output?: 'json' | 'attribute'
}

/** Starts it; resolves when it has told the broker all that it tells at its start. */
export async function startZigbeeBridge(options: ZigbeeBridgeOptions): Promise<ZigbeeBridge> {
  const { port, base = 'zigbee2mqtt', legacy = false, retain = false } = options
  let devices = [...options.devices]
  const states = new Map<string, State>(Object.entries(options.remembered ?? {}))
  const heard: { topic: string; payload: unknown }[] = []
  const payloadOf = (state: 'online' | 'offline') => (legacy ? state : JSON.stringify({ state }))
  const socket = net.connect({ host: '127.0.0.1', port, noDelay: true })
  const client = new MqttClient(() => socket, {
    ...{
      clientId: `zigbee2mqtt-${port}-${base.replaceAll('/', '-')}`,
      protocolVersion: 4,
      clean: true,
      reconnectPeriod: 0,
    },
    ...(options.user === undefined ? {} : { username: options.user, password: options.password ?? '' }),
    will: { topic: `${base}/bridge/state`, payload: Buffer.from(payloadOf('offline')), qos: 1, retain: true },
  })
  await new Promise<void>((resolve, reject) => {
    client.once('connect', () => resolve())
    client.once('error', reject)
    client.once('close', () => reject(new Error('the broker closed the connection')))
  })
  client.on('error', () => undefined)

  const publish = async (topic: string, payload: string, kept = false) => {
    await client.publishAsync(`${base}/${topic}`, payload, { qos: 1, retain: kept })
  }
  const publishState = async (name: string) => await publish(name, JSON.stringify(states.get(name) ?? {}), retain)
  const publishDevices = async () => await publish('bridge/devices', JSON.stringify(devices), true)
  const report = async (name: string, state: State) => {
    // What happens, and is no state, is not remembered.
    const { action, ...lasting } = state
    states.set(name, { ...states.get(name), ...lasting })
    if (action === undefined) await publishState(name)
    else await publish(name, JSON.stringify({ ...states.get(name), action }), retain)
  }

  client.on('message', (topic, payload) => {
    const [, name = '', verb] = new RegExp(`^${base}/(.+)/(set|get)$`).exec(topic) ?? []
    if (verb === undefined) return
    const asked: Record<string, unknown> = JSON.parse(payload.toString())
    heard.push({ topic: `${name}/${verb}`, payload: asked })
    const manner = options.manners?.[name] ?? 'optimistic'
    const members = options.groups?.find(({ friendly_name }) => friendly_name === name)
    if (!members && !devices.some(({ friendly_name }) => friendly_name === name)) return
    if (verb === 'get') {
      if (manner !== 'silent') void publishState(name)
    } else if (manner === 'fails') {
      const message = `z2m: Publish 'set' '${Object.keys(asked)[0]}' to '${name}' failed: 'Error: ZCL command 0x00158d0000000001/1 genOnOff.on failed (Timeout)'`
      void publish('bridge/logging', JSON.stringify({ level: 'error', message }))
    } else if (manner === 'optimistic') void report(name, asked)
    else if (manner === 'reports') setTimeout(() => void report(name, asked), 30)
    else states.set(name, { ...states.get(name), ...asked })
  })
  await client.subscribeAsync(`${base}/#`)

  // In this order, as documented: online, then what the extensions publish, then what is remembered.
  await publish('bridge/state', payloadOf('online'), true)
  const config = { advanced: { output: options.output ?? 'json', cache_state: true } }
  await publish('bridge/info', JSON.stringify({ version: '2.1.0', commit: 'test', config, permit_join: false }), true)
  await publishDevices()
  if (options.groups) await publish('bridge/groups', JSON.stringify(options.groups), true)
  for (const name of states.keys()) await publishState(name)

  return {
    heard,
    report,
    availability: (name, state) => publish(`${name}/availability`, payloadOf(state), true),
    async rename(from, to) {
      devices = devices.map((one) => (one.friendly_name === from ? { ...one, friendly_name: to } : one))
      states.set(to, states.get(from) ?? {})
      states.delete(from)
      await publish(from, '', true)
      await publishDevices()
      await publishState(to)
    },
    async remove(name) {
      devices = devices.filter(({ friendly_name }) => friendly_name !== name)
      states.delete(name)
      await publish(name, '', true)
      await publishDevices()
    },
    async join(device) {
      devices.push(device)
      await publishDevices()
    },
    async stop() {
      await publish('bridge/state', payloadOf('offline'), true)
      await client.endAsync()
    },
    async kill() {
      if (socket.closed) return
      const gone = new Promise((resolve) => socket.once('close', resolve))
      socket.destroy()
      await gone
    },
  }
}
