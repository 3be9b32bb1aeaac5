import { once } from 'node:events'
import tls from 'node:tls'
import { type IClientOptions, type MqttClient, connect as mqttConnect } from 'mqtt'
import { generate, type Packet, parser } from 'mqtt-packet'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import { testFleet } from './fleet.fixture.ts'
import type { ClientTls } from './mqtt-connection.ts'
import { connectMqtt } from './mqtt-connection.ts'
import { listenMqtt, type MqttEndpoint, type MqttEndpointOptions, type ServerTls } from './mqtt-endpoint.ts'
import type { MqttSession } from './mqtt-session.ts'

let fleet: Awaited<ReturnType<typeof testFleet>>
let server: ServerTls
let hub: ClientTls
const endpoints: MqttEndpoint[] = []
const clients: { end(force: boolean): unknown }[] = []
const stop = new AbortController()

beforeAll(async () => {
  fleet = await testFleet()
  server = await fleet.server()
  hub = await fleet.hub('demo-01')
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.end(true)
  for (const endpoint of endpoints.splice(0)) await endpoint.close()
})
afterAll(() => {
  stop.abort()
  fleet.close()
})

type Seen = { readonly messages: string[]; readonly closed: string[]; session?: MqttSession; subscribed: string[] }

async function listen(options: Partial<MqttEndpointOptions> = {}) {
  const seen: Seen = { messages: [], closed: [], subscribed: [] }
  const endpoint = await listenMqtt({
    host: '127.0.0.1',
    port: 0,
    tls: server,
    clock: machineClock,
    fleet: 'test',
    authorise: () => ({ ok: true }),
    publishTopics: ({ source }) => [`h/${source}/telemetry`],
    subscribeTopics: ({ source }) => [`h/${source}/command`],
    handler: {
      opened: (session) => {
        seen.session = session
      },
      subscribed: (_session, topic) => seen.subscribed.push(topic),
      message: (_session, message) => {
        seen.messages.push(message.payload.toString())
        return undefined
      },
      closed: (session, reason) => seen.closed.push(`${session.epoch} ${reason.kind}`),
    },
    ...options,
  })
  endpoints.push(endpoint)
  return { endpoint, seen }
}

function client(endpoint: MqttEndpoint, options: Partial<IClientOptions> = {}): MqttClient {
  const made = mqttConnect(endpoint.url, {
    ...hub,
    clientId: 'demo-01',
    username: '1.1.1',
    protocolVersion: 5,
    reconnectPeriod: 0,
    ...options,
  })
  made.on('error', () => undefined)
  clients.push(made)
  return made
}

/** The next event's arguments; mqtt.js's own typing of `once` does not fit node:events'. */
function event(from: MqttClient, name: 'connect' | 'disconnect' | 'message'): Promise<unknown[]> {
  return new Promise((resolve) => {
    from.once(name, (...values: unknown[]) => resolve(values))
  })
}

/** A bare TLS connection that speaks packets. */
async function raw(endpoint: MqttEndpoint, protocolVersion: 4 | 5 = 5) {
  const socket = tls.connect({ host: '127.0.0.1', port: endpoint.port, ...hub, ALPNProtocols: ['mqtt'] })
  await once(socket, 'secureConnect')
  const packets: Packet[] = []
  const reader = parser({ protocolVersion })
  reader.on('packet', (packet) => packets.push(packet))
  socket.on('data', (chunk) => reader.parse(chunk))
  socket.on('error', () => undefined)
  const closed = once(socket, 'close')
  clients.push({ end: () => socket.destroy() })
  return {
    socket,
    packets,
    send: (packet: Packet) => socket.write(generate(packet, { protocolVersion })),
    sendConnect: (extra: object = {}) =>
      socket.write(
        generate({
          cmd: 'connect',
          protocolId: 'MQTT',
          protocolVersion,
          clean: true,
          clientId: 'demo-01',
          username: '1.1.1',
          keepalive: 30,
          ...extra,
        }),
      ),
    async all(): Promise<Packet[]> {
      await closed
      return packets
    },
    async until(cmd: Packet['cmd']): Promise<Packet> {
      return expect
        .poll(() => packets.find((packet) => packet.cmd === cmd))
        .toBeDefined()
        .then(() => {
          const found = packets.find((packet) => packet.cmd === cmd)
          if (!found) throw new Error('unreachable')
          return found
        })
    },
  }
}

describe('sessions', () => {
  test.each([4, 5] as const)('a hub of MQTT version %i publishes, subscribes and hears', async (protocolVersion) => {
    const { endpoint, seen } = await listen()
    const mine = client(endpoint, { protocolVersion })
    await event(mine, 'connect')
    await mine.publishAsync('h/demo-01/telemetry', 'one', { qos: 1 })
    expect(seen.messages).toEqual(['one'])
    await mine.subscribeAsync('h/demo-01/command', { qos: 1 })
    expect(seen.subscribed).toEqual(['h/demo-01/command'])
    const heard = event(mine, 'message')
    expect(seen.session?.publish('h/demo-01/command', Buffer.from('on'))).toBe('sent')
    const [, payload, packet] = await heard
    expect([String(payload), packet]).toMatchObject(['on', { qos: 0 }])
    await mine.endAsync()
    await expect.poll(() => seen.closed).toEqual(['1.1.1 good-bye'])
  })

  test('the newest session of a hub wins, the older one is told 0x8E', async () => {
    const { endpoint, seen } = await listen()
    const older = client(endpoint)
    await event(older, 'connect')
    const told = event(older, 'disconnect')
    const newer = client(endpoint, { username: '1.1.2' })
    await event(newer, 'connect')
    expect((await told)[0]).toHaveProperty('reasonCode', 0x8e)
    expect(endpoint.session('demo-01')?.epoch).toBe('1.1.2')
    expect(seen.closed).toEqual(['1.1.1 taken-over'])
    expect(endpoint.count).toBe(1)
  })

  test('PUBACK waits for the answer, and carries its reason', async () => {
    let answer: (value: { code: number; reason: string }) => void = () => undefined
    const { endpoint } = await listen({
      handler: { message: () => new Promise((resolve) => (answer = resolve)) },
    })
    const mine = client(endpoint)
    await event(mine, 'connect')
    let settled = false
    const published = mine
      .publishAsync('h/demo-01/telemetry', 'one', { qos: 1 })
      .catch((error: unknown) => error)
      .finally(() => (settled = true))
    await mine.subscribeAsync('h/demo-01/command')
    expect(settled).toBe(false)
    answer({ code: 0x99, reason: 'no' })
    expect(await published).toMatchObject({ code: 0x99 })
  })

  test('a certificate that is revoked is cut live, and refused also when TLS resumes', async () => {
    let good = true
    const { endpoint, seen } = await listen({
      authorise: ({ source }) => (good ? { ok: true } : { ok: false, reason: `${source} was revoked` }),
    })
    const socket = tls.connect({ host: '127.0.0.1', port: endpoint.port, ...hub })
    const [ticket] = (await once(socket, 'session')) as [Buffer]
    socket.destroy()
    const resumed = tls.connect({ host: '127.0.0.1', port: endpoint.port, ...hub, session: ticket })
    await once(resumed, 'secureConnect')
    expect(resumed.isSessionReused()).toBe(true)
    resumed.destroy()
    const mine = client(endpoint)
    await event(mine, 'connect')
    const told = event(mine, 'disconnect')
    good = false
    endpoint.recheck()
    expect((await told)[0]).toHaveProperty('reasonCode', 0x87)
    expect(seen.closed).toEqual(['1.1.1 revoked'])
    const again = tls.connect({ host: '127.0.0.1', port: endpoint.port, ...hub, session: ticket })
    again.on('error', () => undefined)
    again.write(Buffer.from('00', 'hex'))
    await once(again, 'close')
    expect(endpoint.count).toBe(0)
  })

  test('a certificate that is revoked between handshake and CONNECT opens no session', async () => {
    const answers: (true | false)[] = [true]
    const { endpoint, seen } = await listen({
      authorise: () => (answers.shift() ? { ok: true } : { ok: false, reason: 'revoked' }),
    })
    const { sendConnect, all } = await raw(endpoint)
    await expect.poll(() => answers).toEqual([])
    endpoint.recheck()
    sendConnect()
    expect(await all()).toMatchObject([{ cmd: 'connack', reasonCode: 0x87 }])
    expect([endpoint.count, seen.session]).toEqual([0, undefined])
  })

  test('draining tells each hub to use another server', async () => {
    const { endpoint, seen } = await listen()
    const mine = client(endpoint)
    await event(mine, 'connect')
    const told = event(mine, 'disconnect')
    await endpoint.drain({ per_second: 1_000 })
    expect((await told)[0]).toHaveProperty('reasonCode', 0x9c)
    expect(seen.closed).toEqual(['1.1.1 draining'])
  })
})

test('draining moves idle hubs at once, and the others when what they do is over', async () => {
  const { endpoint, seen } = await listen()
  const other = await fleet.hub('demo-02')
  const busy = client(endpoint)
  const idle = client(endpoint, { ...other, clientId: 'demo-02', username: '1.1.2' })
  await Promise.all([event(busy, 'connect'), event(idle, 'connect')])
  const [busyTold, idleTold] = [event(busy, 'disconnect'), event(idle, 'disconnect')]
  const over = Promise.withResolvers<void>()
  const drained = endpoint.drain({ busy: (hub) => hub === 'demo-01', idle: over.promise })
  expect((await idleTold)[0]).toHaveProperty('reasonCode', 0x9c)
  expect(seen.closed).toEqual(['1.1.2 draining'])
  over.resolve()
  await drained
  expect((await busyTold)[0]).toHaveProperty('reasonCode', 0x9c)
  expect(seen.closed).toEqual(['1.1.2 draining', '1.1.1 draining'])
})

describe('what is announced is enforced', () => {
  test('CONNACK announces the limits', async () => {
    const { endpoint } = await listen({ receive_max: 3, packet_max_bytes: 4_096 })
    const mine = await raw(endpoint)
    mine.sendConnect({ keepalive: 0 })
    expect(await mine.until('connack')).toMatchObject({
      reasonCode: 0,
      properties: {
        sessionExpiryInterval: 0,
        receiveMaximum: 3,
        maximumQoS: 1,
        retainAvailable: false,
        maximumPacketSize: 4_096,
        topicAliasMaximum: 8,
        wildcardSubscriptionAvailable: false,
        subscriptionIdentifiersAvailable: false,
        sharedSubscriptionAvailable: false,
        serverKeepAlive: 300,
      },
    })
  })

  const publish = {
    cmd: 'publish',
    topic: 'h/demo-01/telemetry',
    payload: 'x',
    qos: 1,
    dup: false,
    retain: false,
  } as const
  test.each([
    ['QoS 2', 0x9b, [{ ...publish, qos: 2, messageId: 1 }]],
    ['a retained message', 0x9a, [{ ...publish, retain: true, messageId: 1 }]],
    ['a packet over the limit', 0x95, [{ ...publish, payload: 'x'.repeat(5_000), messageId: 1 }]],
    ['more in flight than Receive Maximum', 0x93, [1, 2, 3, 4].map((messageId) => ({ ...publish, messageId }))],
    ['a packet id in use', 0x82, [1, 1].map((messageId) => ({ ...publish, messageId }))],
    ['a topic alias over the maximum', 0x94, [{ ...publish, messageId: 1, properties: { topicAlias: 9 } }]],
    ['an alias that was never set', 0x82, [{ ...publish, topic: '', messageId: 1, properties: { topicAlias: 1 } }]],
    ['QoS 0 to another’s topic', 0x87, [{ ...publish, qos: 0, topic: 'h/demo-02/telemetry' }]],
    [
      'a second CONNECT',
      0x82,
      [{ cmd: 'connect', clientId: 'demo-01', protocolId: 'MQTT', protocolVersion: 5, clean: true }],
    ],
    ['a PUBACK', 0x82, [{ cmd: 'puback', messageId: 7, reasonCode: 0 }]],
    ['a packet that only servers send', 0x82, [{ cmd: 'pingresp' }]],
  ] as [string, number, Packet[]][])('%s is answered with the right code', async (_name, code, packets) => {
    const { endpoint } = await listen({
      receive_max: 3,
      packet_max_bytes: 4_096,
      handler: { message: () => new Promise(() => undefined) },
    })
    const mine = await raw(endpoint)
    mine.sendConnect()
    await mine.until('connack')
    for (const packet of packets) mine.send(packet)
    expect((await mine.all()).at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: code })
  })

  test.each([
    ['h/demo-02/command', 0x87],
    ['h/+/command', 0xa2],
    ['$share/group/h/demo-01/command', 0x9e],
    ['h/demo-01/command', 0],
  ])('SUBSCRIBE to %s is answered 0x%i', async (topic, code) => {
    const { endpoint } = await listen()
    const mine = await raw(endpoint)
    mine.sendConnect()
    mine.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 1 }] })
    expect(await mine.until('suback')).toMatchObject({ granted: [code] })
  })

  test.each([
    ['another client id', { clientId: 'demo-02' }, 0x85],
    ['a will', { will: { topic: 'h/demo-01/telemetry', payload: 'x' } }, 0x87],
    ['no epoch', { username: 'somebody' }, 0x87],
    ['the epoch of another generation', { username: '2.1.1' }, 0x87],
  ])('CONNECT with %s is refused, and that is told here too', async (_name, extra, code) => {
    const told: string[] = []
    const { endpoint } = await listen({ refused: (reason, address) => told.push(`${address} ${reason}`) })
    const mine = await raw(endpoint)
    mine.sendConnect(extra)
    expect((await mine.all())[0]).toMatchObject({ cmd: 'connack', reasonCode: code })
    expect([endpoint.refused, told]).toEqual([1, [expect.stringMatching(/^\S*127\.0\.0\.1 demo-01: ./)]])
  })

  test('a hub that falls silent for 1.5 keep-alives is told 0x8D', async () => {
    const { endpoint, seen } = await listen()
    const mine = await raw(endpoint)
    mine.sendConnect({ keepalive: 1 })
    expect((await mine.all()).at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x8d })
    expect(seen.closed).toEqual(['1.1.1 keep-alive'])
  })

  test('with no room for another session CONNACK says Server busy', async () => {
    const { endpoint } = await listen({ sessions_max: 0 })
    const mine = await raw(endpoint)
    mine.sendConnect()
    expect((await mine.all())[0]).toMatchObject({ cmd: 'connack', reasonCode: 0x89 })
  })
})

describe('connectMqtt', () => {
  test('connects again after a cut with a new epoch, jumps above the floor, and publishes', async () => {
    let connects = 0
    let counter = 1
    const { endpoint, seen } = await listen({
      handler: {
        connect: ({ epoch }) =>
          epoch.startsWith('1.1.')
            ? { accept: false, code: 0x87, reason: 'an older boot', floor: 41 }
            : { accept: true },
        opened: (session) => {
          seen.session = session
        },
        message: (_session, { payload }) =>
          payload.toString() === 'bad' ? { code: 0x99, reason: 'not NDJSON' } : undefined,
      },
    })
    const abort = new AbortController()
    const heard: string[] = []
    const connection = connectMqtt({
      host: '127.0.0.1',
      port: endpoint.port,
      tls: hub,
      hub: 'demo-01',
      epoch: () => `1.${counter}.${++connects}`,
      clock: machineClock,
      random: { ...machineRandom, float: () => 0.01 },
      signal: abort.signal,
      subscribe: ['h/demo-01/command'],
      message: (_topic, payload) => heard.push(payload.toString()),
      floor: async (floor) => {
        counter = floor + 1
      },
    })
    await expect.poll(() => connection.connected).toBe(true)
    expect(seen.session?.epoch).toBe('1.42.2')
    expect(await connection.publish('h/demo-01/telemetry', Buffer.from('good'))).toEqual({ kind: 'durable' })
    expect(await connection.publish('h/demo-01/telemetry', Buffer.from('bad'))).toEqual({
      kind: 'refused',
      reason: 'not NDJSON',
    })
    seen.session?.publish('h/demo-01/command', Buffer.from('on'))
    await expect.poll(() => heard).toEqual(['on'])
    seen.session?.close({ kind: 'closed', planned: false, code: 0x80, text: 'test' })
    await expect.poll(() => seen.session?.epoch).toBe('1.42.3')
    abort.abort()
    await connection.done
  })
})
