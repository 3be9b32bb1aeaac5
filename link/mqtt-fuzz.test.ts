import { once } from 'node:events'
import tls from 'node:tls'
import fc from 'fast-check'
import { generate, type Packet, parser } from 'mqtt-packet'
import { afterAll, expect, test } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import { testFleet } from './fleet.fixture.ts'
import { listenMqtt } from './mqtt-endpoint.ts'
import { packetFramer } from './mqtt-framing.ts'

const fleet = await testFleet()
const hub = await fleet.hub('demo-01')
const faults: unknown[] = []
const endpoint = await listenMqtt({
  host: '127.0.0.1',
  port: 0,
  tls: await fleet.server(),
  clock: machineClock,
  authorise: () => ({ ok: true }),
  publishTopics: ({ source }) => [`h/${source}/telemetry`],
  subscribeTopics: ({ source }) => [`h/${source}/command`],
  handler: { message: () => undefined },
  fault: (error) => faults.push(error),
})
afterAll(async () => {
  await endpoint.close()
  fleet.close()
})

const connect = generate({
  cmd: 'connect',
  protocolId: 'MQTT',
  protocolVersion: 5,
  clean: true,
  clientId: 'demo-01',
  username: '1.1.1',
  keepalive: 30,
})
const publish = generate(
  { cmd: 'publish', topic: 'h/demo-01/telemetry', payload: 'x', qos: 1, messageId: 1, dup: false, retain: false },
  { protocolVersion: 5 },
)

/** Server errors of MQTT 5, table 3-13, that a client's own packets can bring about. */
const DISCONNECT_CODES = [0x81, 0x82, 0x87, 0x90, 0x93, 0x94, 0x95, 0x9a, 0x9b]

/** What the server says from now on; whatever is no packet of MQTT 5 throws. */
function listen(socket: tls.TLSSocket): Packet[] {
  const packets: Packet[] = []
  const reader = parser({ protocolVersion: 5 })
  reader.on('packet', (packet) => packets.push(packet))
  reader.on('error', (error) => {
    throw error
  })
  socket.on('error', () => undefined)
  socket.on('data', (bytes) => reader.parse(bytes))
  return packets
}

/** Random bytes as a packet whose length is right, and good packets with bytes changed. */
const malformed = fc.oneof(
  fc
    .tuple(fc.nat(255), fc.uint8Array({ maxLength: 100 }))
    .map(([first, body]) => Buffer.from([first, body.length, ...body])),
  fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  fc
    .tuple(
      fc.constantFrom(connect, publish),
      fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { minLength: 1, maxLength: 3 }),
    )
    .map(([good, changes]) => {
      const bytes = Buffer.from(good)
      for (const [at, value] of changes) bytes[at % bytes.length] = value
      return bytes
    }),
)

test('whatever bytes come, before and after CONNECT, the endpoint says why, closes that connection at most, and serves on', async () => {
  const told = new Set<number | undefined>()
  await fc.assert(
    fc.asyncProperty(malformed, fc.boolean(), async (bytes, connected) => {
      const socket = tls.connect({ host: '127.0.0.1', port: endpoint.port, ...hub })
      const heard = listen(socket)
      await once(socket, 'secureConnect')
      if (connected) socket.write(connect)
      const closed = once(socket, 'close')
      socket.end(bytes)
      await closed
      // Nothing follows a DISCONNECT, and before CONNECT nothing but CONNACK is said.
      const last = heard.find(({ cmd }) => cmd === 'disconnect')
      if (last) expect(heard.at(-1)).toBe(last)
      if (heard[0]) expect(heard[0].cmd).toBe('connack')
      if (last?.cmd === 'disconnect') told.add(last.reasonCode)
    }),
    { numRuns: 300 },
  )
  expect(faults).toEqual([])
  for (const code of told) expect(DISCONNECT_CODES).toContain(code)
  expect(told).toContain(0x81)
  const socket = tls.connect({ host: '127.0.0.1', port: endpoint.port, ...hub })
  socket.write(connect)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(answer[0]).toBe(0x20)
  socket.destroy()
  await expect.poll(() => endpoint.count).toBe(0)
})

test('packets are cut alike however the bytes are split', () => {
  const packets = [connect, publish, Buffer.from([0xc0, 0])]
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }), (sizes) => {
      const frame = packetFramer(() => 1_000)
      const all = Buffer.concat(packets)
      const found: Buffer[] = []
      for (let at = 0, i = 0; at < all.length; i++) {
        const size = sizes[i % sizes.length] ?? 1
        found.push(...frame(all.subarray(at, at + size)).packets)
        at += size
      }
      expect(found).toEqual(packets)
    }),
  )
  expect(packetFramer(() => 4)(Buffer.from([0x30, 3])).problem).toBe('too-large')
  expect(packetFramer(() => 4)(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff])).problem).toBe('malformed')
})
