import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { LIVE_PROTOCOL, TOKEN_PROTOCOL } from '../contract/live-message.ts'
import { memoryDisk } from '../link/memory-disk.ts'
import { openSqliteRegistry } from '../registry/sqlite-registry.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { appApi } from './app-api.ts'
import { admitBrowsers } from './browser-access.ts'
import { type CommandCore, commandCore } from './command-core.ts'
import { fleetView } from './fleet-view.ts'
import { openLedger } from './ledger.ts'
import { LISTEN_HUBS_MAX } from './limits.ts'
import { liveFeed } from './live-event.ts'

const clock = new ManualClock()
const random = seededRandom(5)
const layout = { epoch: 1, buckets: 4 }
const folder = mkdtempSync(join(tmpdir(), 'hearth-browser-access-'))
const registry = openSqliteRegistry(join(folder, 'registry.db'), { fleet: 'demo', layout, clock, random })
const feed = liveFeed()
const token = await registry.createToken({ app: 'page', scopes: ['commands', 'observe'], hubs: ['demo-01', 'demo-02'] })
const fault = (error: unknown) => expect.unreachable(String(error))
let app: FastifyInstance
let core: CommandCore
let address: string
const sockets: WebSocket[] = []

beforeAll(async () => {
  const record = { home: 'h', region: 'r', model: 'm', zone: 'UTC', generation: 1, enrolled_ms: 0, maintenance: [] }
  for (const hub of ['demo-01', 'demo-02', 'demo-03']) await registry.putHub({ hub, ...record }, 0)
  const ledger = await openLedger({ disk: memoryDisk(), clock, random, source: 'relay-0', layout, version: '1', fault })
  core = commandCore({ fleet: 'demo', clock, random, ledger, feed, link: { send: () => 'gone' } })
  const view = fleetView({ relay: 'relay-0', feed, held: () => new Map(), clock })
  app = await appApi({ core, view, registry, clock, fault, ready: () => true })
  await admitBrowsers(app)
  await app.listen({ host: '127.0.0.1', port: 0 })
  address = `127.0.0.1:${(app.server.address() as AddressInfo).port}`
})
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.terminate()
})
afterAll(async () => {
  await app.close()
  core.close()
  await registry.close()
  rmSync(folder, { recursive: true })
})

/** A socket as a browser opens it, and what it has heard, from the first message on. */
function open(protocols: readonly string[] = [LIVE_PROTOCOL, TOKEN_PROTOCOL + token]) {
  const socket = new WebSocket(`ws://${address}/v1/live`, [...protocols], { origin: 'https://app.example.org' })
  sockets.push(socket)
  const heard: Record<string, unknown>[] = []
  const waiting: (() => void)[] = []
  socket.on('message', (data: Buffer) => {
    heard.push(JSON.parse(data.toString('utf8')))
    for (const wake of waiting.splice(0)) wake()
  })
  const until = async (type: string): Promise<Record<string, unknown>> => {
    for (;;) {
      const at = heard.findIndex((message) => message['type'] === type)
      const found = at < 0 ? undefined : heard.splice(0, at + 1).at(-1)
      if (found) return found
      await new Promise<void>((resolve) => waiting.push(resolve))
    }
  }
  return { socket, until, say: (message: unknown) => socket.send(JSON.stringify(message)) }
}

test('a page of another origin is let ask, and needs the token all the same', async () => {
  const url = `http://${address}/v1/hubs/demo-01/commands`
  const origin = 'https://app.example.org'
  const asked = await fetch(url, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type,idempotency-key',
    },
  })
  expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([204, '*'])
  expect(asked.headers.get('access-control-allow-headers')).toContain('idempotency-key')
  expect(asked.headers.get('access-control-allow-credentials')).toBeNull()
  const send = await fetch(url, {
    method: 'POST',
    headers: { origin, authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ device: 'lamp', set: { powered: true } }),
  })
  expect([send.status, send.headers.get('access-control-allow-origin')]).toEqual([200, '*'])
  const seen = await fetch(`http://${address}/v1/hubs`, { headers: { origin, authorization: `Bearer ${token}` } })
  expect([seen.status, seen.headers.get('access-control-allow-origin')]).toEqual([200, '*'])
  const refused = await fetch(url, { method: 'POST', headers: { origin } })
  expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, '*'])
})

test('the token comes as a subprotocol, and is not told back', async () => {
  const { socket, until } = open()
  expect(await until('hello')).toEqual({ type: 'hello', now: clock.now(), mono: clock.monotonic() })
  expect(socket.protocol).toBe(LIVE_PROTOCOL)
})

test.each([[[]], [[LIVE_PROTOCOL]], [[LIVE_PROTOCOL, TOKEN_PROTOCOL]], [[LIVE_PROTOCOL, `${TOKEN_PROTOCOL}nobody`]]])(
  'a socket with the protocols %j is refused',
  async (protocols: readonly string[]) => {
    const [error] = await once(open(protocols).socket, 'error')
    expect(String(error)).toContain('401')
  },
)

test('a token that was revoked a moment ago opens no socket, though it is trusted for that moment', async () => {
  const soon = await registry.createToken({ app: 'soon-gone', scopes: ['observe'] })
  const protocols = [LIVE_PROTOCOL, TOKEN_PROTOCOL + soon]
  await open(protocols).until('hello')
  await registry.revokeToken('soon-gone')
  const [code] = await once(open(protocols).socket, 'close')
  expect(code).toBe(1008)
})

test('events are of all hubs that the token may see, then of those that the app names, then of none', async () => {
  const { until, say } = open()
  await until('hello')
  const publish = (...hubs: readonly string[]) => {
    for (const hub of hubs) feed.publish({ type: 'state', hub, device: 'lamp', set: {}, at: 0 })
  }
  const listen = async (hubs?: readonly string[]) => {
    say({ type: 'listen', hubs })
    say({ type: 'ping' })
    await until('pong')
  }
  publish('demo-03', 'demo-02')
  expect((await until('state'))['hub']).toBe('demo-02')
  await listen(['demo-01', 'demo-03'])
  publish('demo-03', 'demo-02', 'demo-01')
  expect((await until('state'))['hub']).toBe('demo-01')
  await listen([])
  expect(feed.watched).toBe(false)
  await listen()
  publish('demo-02')
  expect((await until('state'))['hub']).toBe('demo-02')
})

test('a command that comes after its time is refused, and nothing is issued', async () => {
  const { until, say } = open()
  const mono = Number((await until('hello'))['mono'])
  const before = core.counts.issued
  const send = (until_mono: number) =>
    say({
      type: 'command',
      ref: 'r',
      hub: 'demo-01',
      until: until_mono,
      command: { device: 'lamp', set: { on: true } },
    })
  send(mono - 1)
  expect(await until('problem')).toMatchObject({ ref: 'r', kind: 'unavailable', outcome: 'did-not-happen' })
  expect(core.counts.issued).toBe(before)
  send(mono)
  expect(await until('answer')).toMatchObject({ ref: 'r', report: { outcome: 'offline' } })
})

test('more hubs than the limit are refused in plain words', async () => {
  const { until, say } = open()
  await until('hello')
  say({ type: 'listen', hubs: Array.from({ length: LISTEN_HUBS_MAX + 1 }, (_, index) => `demo-${index}`) })
  expect(await until('problem')).toMatchObject({ kind: 'invalid', message: expect.stringContaining('hubs') })
})
