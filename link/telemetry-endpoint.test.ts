import { once } from 'node:events'
import { request } from 'node:https'
import net from 'node:net'
import tls from 'node:tls'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import { batchHeader } from '../contract/batch.ts'
import { topics } from '../contract/command.ts'
import { BATCH_COMPRESSED_MAX_BYTES } from '../contract/limits.ts'
import { isProblem, Problem } from '../contract/problem.ts'
import { unpack } from './batch-codec.ts'
import { testFleet } from './fleet.fixture.ts'
import { memoryDisk } from './memory-disk.ts'
import { type ClientTls, connectMqtt } from './mqtt-connection.ts'
import type { ServerTls } from './mqtt-endpoint.ts'
import { openOutbox } from './outbox.ts'
import { batchPoster, postBatch } from './post-batch.ts'
import { shipOutbox } from './ship-outbox.ts'
import { listenTelemetry, type TelemetryEndpoint, type TelemetryOptions } from './telemetry-endpoint.ts'

let fleet: Awaited<ReturnType<typeof testFleet>>
let server: ServerTls
let hub: ClientTls
let endpoint: TelemetryEndpoint | undefined

beforeAll(async () => {
  fleet = await testFleet()
  server = await fleet.server()
  hub = await fleet.hub('demo-01')
})
afterEach(() => endpoint?.close())
afterAll(() => fleet.close())

async function listen(options: Partial<TelemetryOptions> = {}) {
  endpoint = await listenTelemetry({
    mqtt: { host: '127.0.0.1', port: 0 },
    https: { host: '127.0.0.1', port: 0 },
    tls: server,
    clock: machineClock,
    fleet: 'test',
    authorise: () => ({ ok: true }),
    receive: () => Promise.resolve({ kind: 'durable' }),
    ...options,
  })
  return endpoint
}

const quick = { ...machineRandom, float: () => 0.01 }

test('an outbox ships over MQTT through lost answers and refusals: everything arrives, in its batches', async () => {
  const stored = new Map<string, string>()
  let turn = 0
  const { mqtt } = await listen({
    receive: async (identity, bytes) => {
      turn++
      if (turn % 5 === 1) throw new Problem('limit', 'no room')
      const [head = '', ...lines] = unpack(bytes).toString().trimEnd().split('\n')
      const header = batchHeader.parse(JSON.parse(head))
      lines.forEach((line, i) =>
        stored.set(`${identity.source} ${header.boot} ${header.stream} ${header.first + i}`, line),
      )
      // Durable, and then the answer is lost.
      if (turn % 7 === 2) throw new Problem('internal', 'lost', { outcome: 'unknown' })
      return { kind: 'durable' }
    },
  })
  const stop = new AbortController()
  const outbox = await openOutbox({
    disk: memoryDisk(),
    clock: machineClock,
    random: machineRandom,
    source: 'demo-01',
    generation: 1,
    firmware: '1',
    agent: '1',
    streams: [{ name: 'control' }, { name: 'readings' }],
    batch_bytes: 4_096,
  })
  const connection = connectMqtt({
    host: '127.0.0.1',
    port: mqtt.port,
    tls: hub,
    hub: 'demo-01',
    epoch: () => outbox.nextEpoch(),
    clock: machineClock,
    random: quick,
    signal: stop.signal,
  })
  const shipper = shipOutbox({
    outbox,
    send: (bytes, signal) => connection.publish(topics.telemetry('demo-01'), bytes, signal),
    clock: machineClock,
    random: quick,
    signal: stop.signal,
    linger_ms: () => 5,
  })
  for (let i = 0; i < 1_000; i++)
    outbox.append(i % 10 === 0 ? 'control' : 'readings', { m: outbox.m(), kind: 'log', i })
  await shipper.flush()
  expect(stored.size).toBe(1_000)
  expect(outbox.status().map(({ events, bytes, dropped }) => ({ events, bytes, dropped }))).toEqual([
    { events: 0, bytes: 0, dropped: 0 },
    { events: 0, bytes: 0, dropped: 0 },
  ])
  stop.abort()
  await Promise.all([shipper.done, connection.done])
})

test('a batch refused for good is answered with its reason, on both ways in', async () => {
  const { httpsUrl, mqtt } = await listen({ receive: () => Promise.resolve({ kind: 'refused', reason: 'not NDJSON' }) })
  expect(await postBatch({ url: httpsUrl, tls: hub, bytes: Buffer.from('x') })).toEqual({
    kind: 'refused',
    reason: 'not NDJSON',
  })
  const stop = new AbortController()
  const told: string[] = []
  const connection = connectMqtt({
    host: '127.0.0.1',
    port: mqtt.port,
    tls: hub,
    hub: 'demo-01',
    epoch: () => '1.1.1',
    clock: machineClock,
    random: quick,
    signal: stop.signal,
    subscribe: [topics.refused('demo-01')],
    message: (_topic, payload) => told.push(payload.toString()),
  })
  await expect.poll(() => connection.connected).toBe(true)
  expect(await connection.publish(topics.telemetry('demo-01'), Buffer.from('x'))).toMatchObject({ kind: 'refused' })
  await expect.poll(() => told).toEqual(['{"hearth":1,"reason":"not NDJSON"}'])
  stop.abort()
  await connection.done
})

test('HTTPS knows a source by certificate or token, and no one else', async () => {
  const sources: string[] = []
  const { httpsUrl } = await listen({
    receive: (identity) => {
      sources.push(`${identity.role} ${identity.source}`)
      return Promise.resolve({ kind: 'durable' })
    },
    verifyToken: (token) => {
      if (token !== 'hearth_good') throw new Problem('unauthorized', 'no such token')
      return { source: 'relay-0', role: 'service', generation: 1 }
    },
    authorise: ({ source }) => (source === 'demo-01' ? { ok: true } : { ok: false, reason: 'revoked' }),
  })
  const bytes = Buffer.from('x')
  const poster = batchPoster({ url: httpsUrl, tls: hub })
  await poster.post(bytes)
  await poster.post(bytes)
  poster.close()
  await postBatch({ url: httpsUrl, tls: { ca: fleet.ca }, token: 'hearth_good', bytes })
  expect(sources).toEqual(['hub demo-01', 'hub demo-01', 'service relay-0'])
  const unauthorized = (error: unknown) => isProblem(error, 'unauthorized')
  const other = await fleet.hub('demo-02')
  await expect(postBatch({ url: httpsUrl, tls: { ca: fleet.ca }, bytes })).rejects.toSatisfy(unauthorized)
  await expect(postBatch({ url: httpsUrl, tls: other, bytes })).rejects.toSatisfy(unauthorized)
  await expect(postBatch({ url: httpsUrl, tls: { ca: fleet.ca }, token: 'hearth_bad', bytes })).rejects.toSatisfy(
    unauthorized,
  )
  expect(sources).toHaveLength(3)
})

test('a batch of nobody is refused before any of it is read, and what is no batch is short', async () => {
  const { httpsUrl } = await listen({
    routes: (app) => {
      app.post('/v1/enrol', () => ({}))
    },
  })
  /** Sends no more than what says that so much is to come. */
  const answerTo = async (path: string, length: number, from: Partial<ClientTls>) => {
    const socket = tls.connect({ host: '127.0.0.1', port: Number(new URL(httpsUrl).port), ca: fleet.ca, ...from })
    socket.write(`POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${length}\r\n\r\n`)
    const [said] = (await once(socket, 'data')) as [Buffer]
    socket.destroy()
    return said.toString().split(' ')[1]
  }
  expect(await answerTo('/v1/telemetry', 1_000_000, {})).toBe('401')
  expect(await answerTo('/v1/telemetry', BATCH_COMPRESSED_MAX_BYTES + 2_000, hub)).toBe('413')
  expect(await answerTo('/v1/enrol', 100_000, hub)).toBe('413')
})

test('over HTTPS the floor comes with the answer that has one, and with no other', async () => {
  const floors = [undefined, 41]
  const { httpsUrl } = await listen({
    floor: () => 41,
    receive: async () => {
      const floor = floors.shift()
      return { kind: 'durable', ...(floor === undefined ? {} : { floor }) }
    },
  })
  const header = () =>
    new Promise((resolve, reject) => {
      const url = new URL('/v1/telemetry', httpsUrl)
      const sent = request(url, { method: 'POST', ...hub }, (answer) => {
        answer.resume()
        resolve(answer.headers['hearth-floor'])
      })
      sent.on('error', reject)
      sent.end('x')
    })
  expect(await header()).toBeUndefined()
  expect(await header()).toBe('41')
})

test('no room is 429 and nothing kept; too large a body is refused for good', async () => {
  const { httpsUrl } = await listen({ receive: () => Promise.reject(new Problem('limit', 'no room')) })
  await expect(postBatch({ url: httpsUrl, tls: hub, bytes: Buffer.from('x') })).rejects.toSatisfy((error) =>
    isProblem(error, 'limit'),
  )
  const large = Buffer.alloc(BATCH_COMPRESSED_MAX_BYTES + 2_000)
  expect(await postBatch({ url: httpsUrl, tls: hub, bytes: large })).toMatchObject({ kind: 'refused' })
})

test('a port in use is named', async () => {
  const { mqtt } = await listen()
  await expect(
    listenTelemetry({
      mqtt: { host: '127.0.0.1', port: mqtt.port },
      https: { host: '127.0.0.1', port: 0 },
      tls: server,
      clock: machineClock,
      authorise: () => ({ ok: true }),
      receive: () => Promise.resolve({ kind: 'durable' }),
    }),
  ).rejects.toThrow(`127.0.0.1:${mqtt.port}: is in use`)
})

test('closes though somebody shakes hands meanwhile', async () => {
  const { httpsUrl, close } = await listen()
  const raw = net.connect(Number(new URL(httpsUrl).port), '127.0.0.1')
  await once(raw, 'connect')
  endpoint = undefined
  const closed = close()
  const late = tls.connect({ socket: raw, ...hub })
  late.on('error', () => undefined)
  late.resume()
  await closed
  late.destroy()
})
