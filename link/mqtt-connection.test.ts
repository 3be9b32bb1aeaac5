import { once } from 'node:events'
import net from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import { parseEpoch } from '../contract/source.ts'
import { ManualClock } from '../sim/clock.ts'
import { testFleet } from './fleet.fixture.ts'
import { PUBLISHES_WAITING_MAX, RECEIVE_MAX } from './limits.ts'
import { type ClientTls, connectMqtt, type MqttConnectionOptions } from './mqtt-connection.ts'
import { listenMqtt, type MqttEndpoint, portNumber } from './mqtt-endpoint.ts'
import type { MqttHandler } from './mqtt-handler.ts'

let fleet: Awaited<ReturnType<typeof testFleet>>
let hub: ClientTls
let abort = new AbortController()
const closers: (() => unknown)[] = []

beforeAll(async () => {
  fleet = await testFleet()
  hub = await fleet.hub('demo-01')
})
afterEach(async () => {
  abort.abort()
  abort = new AbortController()
  for (const close of closers.splice(0)) await close()
})
afterAll(() => fleet.close())

async function listen(handler: Partial<MqttHandler>): Promise<MqttEndpoint> {
  const endpoint = await listenMqtt({
    ...{ host: '127.0.0.1', port: 0, tls: await fleet.server(), clock: machineClock, fleet: 'test' },
    authorise: () => ({ ok: true }),
    publishTopics: () => ['h/demo-01/telemetry'],
    subscribeTopics: () => ['h/demo-01/command'],
    handler: { message: () => undefined, ...handler },
  })
  closers.push(() => endpoint.close())
  return endpoint
}

/** A hub whose first boot is 1; it waits as long as back-off ever lets it. */
function connect(port: number, options: Partial<MqttConnectionOptions> = {}) {
  let counter = 1
  let connects = 0
  return connectMqtt({
    ...{ host: '127.0.0.1', port, tls: hub, hub: 'demo-01', clock: machineClock, signal: abort.signal },
    random: { ...machineRandom, float: () => 0.999 },
    epoch: () => `1.${counter}.${++connects}`,
    floor: async (floor) => {
      counter = floor + 1
      connects = 0
    },
    subscribe: ['h/demo-01/command'],
    ...options,
  })
}

test('says once that the server cannot be reached, however often it tries', async () => {
  let attempts = 0
  const server = net.createServer((socket) => {
    attempts++
    socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => server.close())
  const told: string[] = []
  connect(portNumber(server), {
    random: { ...machineRandom, float: () => 0 },
    unreachable: (address, reason) => told.push(`${address}: ${reason}`),
  })
  await expect.poll(() => attempts, { timeout: 10_000 }).toBeGreaterThan(3)
  expect(told).toEqual([expect.stringMatching(/^127.0.0.1:\d+: .*(disconnected|ECONNRESET)/)])
})

describe('a floor', () => {
  test.each([
    ['of a server that accepts', true],
    ['of a server that refuses', false],
  ])('%s makes the hub jump above it at once', async (_name, accept) => {
    const epochs: string[] = []
    const endpoint = await listen({
      connect({ epoch }) {
        epochs.push(epoch)
        if (parseEpoch(epoch).counter > 41) return { accept: true }
        return accept ? { accept, floor: 41 } : { accept, code: 0x87, reason: 'an older boot', floor: 41 }
      },
    })
    const ready: string[] = []
    // On a clock that stands still a pause of the back-off would never end.
    const connection = connect(endpoint.port, { clock: new ManualClock(), connected: (epoch) => ready.push(epoch) })
    await expect.poll(() => connection.connected).toBe(true)
    expect([epochs, ready]).toEqual([['1.1.1', '1.42.1'], ['1.42.1']])
  })

  test('that comes again and again is followed with pauses', async () => {
    const asked_ms: number[] = []
    const endpoint = await listen({
      connect({ epoch }) {
        asked_ms.push(machineClock.monotonic())
        return { accept: true, floor: parseEpoch(epoch).counter }
      },
    })
    connect(endpoint.port)
    await expect.poll(() => asked_ms.length, { timeout: 5_000 }).toBe(4)
    const pauses_ms = asked_ms.map((at_ms, i) => at_ms - (asked_ms[i - 1] ?? at_ms)).slice(2)
    for (const pause_ms of pauses_ms) expect(pause_ms).toBeGreaterThan(400)
  })

  test('is no reason to leave for a client that cannot jump', async () => {
    const endpoint = await listen({ connect: () => ({ accept: true, floor: 41 }) })
    const connection = connectMqtt({
      ...{ host: '127.0.0.1', port: endpoint.port, tls: hub, hub: 'demo-01', clock: machineClock },
      ...{ random: machineRandom, signal: abort.signal, epoch: () => '1.1.1' },
    })
    await expect.poll(() => connection.connected).toBe(true)
  })
})

describe('the end waits for nothing that is under way', () => {
  async function endsSoon(connection: { readonly done: Promise<void> }) {
    const start_ms = machineClock.monotonic()
    abort.abort()
    await connection.done
    // Far below what it would wait for otherwise: the pauses of the back-off, the limit of a handshake.
    expect(machineClock.monotonic() - start_ms).toBeLessThan(5_000)
  }

  test('while the server refuses every attempt', async () => {
    const free = net.createServer().listen(0, '127.0.0.1')
    await once(free, 'listening')
    const port = portNumber(free)
    await new Promise((resolve) => free.close(resolve))
    let attempts = 0
    const connection = connect(port, { epoch: () => `1.1.${++attempts}` })
    await expect.poll(() => attempts, { timeout: 5_000 }).toBe(2)
    await endsSoon(connection)
  })

  test('while the server takes the connection and says nothing', async () => {
    const taken: net.Socket[] = []
    const mute = net.createServer((socket) => taken.push(socket)).listen(0, '127.0.0.1')
    await once(mute, 'listening')
    closers.push(() => {
      for (const socket of taken) socket.destroy()
      mute.close()
    })
    const connection = connect(portNumber(mute))
    await expect.poll(() => taken.length).toBe(1)
    await endsSoon(connection)
  })

  test('while a message waits for its answer, which becomes unknown', async () => {
    const endpoint = await listen({ message: () => new Promise(() => undefined) })
    const connection = connect(endpoint.port)
    await expect.poll(() => connection.connected).toBe(true)
    const answer = connection.publish('h/demo-01/telemetry', Buffer.from('batch'))
    const unknown = expect(answer).rejects.toMatchObject({ kind: 'unavailable', outcome: 'unknown' })
    await endsSoon(connection)
    await unknown
  })
})

test('reconnect makes a new connection with a new epoch, also while a message waits for its answer', async () => {
  const endpoint = await listen({ message: () => new Promise(() => undefined) })
  const connected: string[] = []
  const connection = connect(endpoint.port, {
    connected: (epoch) => connected.push(epoch),
    random: { ...machineRandom, float: () => 0.01 },
  })
  await expect.poll(() => connected).toEqual(['1.1.1'])
  const answer = connection.publish('h/demo-01/telemetry', Buffer.from('batch'))
  const unknown = expect(answer).rejects.toMatchObject({ kind: 'unavailable', outcome: 'unknown' })
  connection.reconnect()
  await unknown
  await expect.poll(() => connected, { timeout: 3_000 }).toEqual(['1.1.1', '1.1.2'])
})

test('sends no more at once than the server lets wait, and the rest in turn', async () => {
  let waiting = 0
  let most = 0
  const answers: (() => void)[] = []
  const endpoint = await listen({
    message: () => {
      most = Math.max(most, ++waiting)
      return new Promise((resolve) => {
        answers.push(() => {
          waiting--
          resolve(undefined)
        })
      })
    },
  })
  const lost: string[] = []
  const connection = connect(endpoint.port, { disconnected: (reason) => lost.push(reason) })
  await expect.poll(() => connection.connected).toBe(true)
  const count = 5 * RECEIVE_MAX
  const all = Array.from({ length: count }, (_, i) => connection.publish('h/demo-01/telemetry', Buffer.from(`${i}`)))
  let answered = 0
  for (const one of all) void one.then(() => answered++)
  await expect.poll(() => waiting).toBe(RECEIVE_MAX)
  await expect
    .poll(() => {
      for (const answer of answers.splice(0)) answer()
      return answered
    })
    .toBe(count)
  expect([most, lost]).toEqual([RECEIVE_MAX, []])
})

test('refuses what is past the number that may wait for a turn, and tells those that wait when the connection ends', async () => {
  const endpoint = await listen({ message: () => new Promise(() => undefined) })
  const connection = connect(endpoint.port)
  await expect.poll(() => connection.connected).toBe(true)
  const publish = () => connection.publish('h/demo-01/telemetry', Buffer.from('batch'))
  const all = Array.from({ length: RECEIVE_MAX + PUBLISHES_WAITING_MAX }, publish)
  await expect(publish()).rejects.toMatchObject({ kind: 'limit', outcome: 'did-not-happen' })
  connection.reconnect()
  for (const one of all) await expect(one).rejects.toMatchObject({ kind: 'unavailable', outcome: 'unknown' })
})
