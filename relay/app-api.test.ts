import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { COMMAND_BODY_MAX_BYTES, COMMAND_SET_MAX, DEADLINE_MAX_MS, DEADLINE_MIN_MS } from '../contract/limits.ts'
import { memoryDisk } from '../link/memory-disk.ts'
import { WATCH_POLL_MS } from '../registry/limits.ts'
import { openSqliteRegistry } from '../registry/sqlite-registry.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { appApi } from './app-api.ts'
import { type CommandCore, commandCore } from './command-core.ts'
import { fleetView } from './fleet-view.ts'
import { openLedger } from './ledger.ts'
import {
  BODY_MAX_BYTES,
  HUB_RATE,
  KEY_MAX_CHARACTERS,
  LIVE_CLIENTS_PER_APP_MAX,
  LIVE_PROBE_MS,
  TOKEN_LOOK_MS,
  TRUST_MS,
} from './limits.ts'
import { liveFeed } from './live-event.ts'

const clock = new ManualClock()
const random = seededRandom(3)
const layout = { epoch: 1, buckets: 4 }
const folder = mkdtempSync(join(tmpdir(), 'hearth-app-api-'))
const registry = openSqliteRegistry(join(folder, 'registry.db'), { fleet: 'demo', layout, clock, random })
const faults: unknown[] = []
let app: FastifyInstance
let core: CommandCore
const tokens = {
  app: await registry.createToken({ app: 'panel', scopes: ['commands', 'observe'] }),
  watcher: await registry.createToken({ app: 'watcher', scopes: ['observe'] }),
  sender: await registry.createToken({ app: 'sender', scopes: ['commands'] }),
  one_hub: await registry.createToken({ app: 'guest', scopes: ['commands', 'observe'], hubs: ['demo-02'] }),
  telemetry: await registry.createToken({
    app: 'meter',
    scopes: ['telemetry'],
    identity: { source: 'demo-01', role: 'hub', generation: 1 },
  }),
  old: await registry.createToken({ app: 'old', scopes: ['commands'] }, { expires_ms: clock.now() + 1 }),
}

beforeAll(async () => {
  for (const hub of ['demo-01', 'demo-02', 'gone-01']) {
    const record = {
      hub,
      home: 'h',
      region: 'r',
      model: 'm',
      zone: 'UTC',
      generation: 1,
      enrolled_ms: 0,
      maintenance: [],
    }
    await registry.putHub(record, 0)
    if (hub === 'gone-01') await registry.putHub({ ...record, retired_ms: 1 }, 1)
  }
  const fault = (error: unknown) => faults.push(error)
  const disk = memoryDisk()
  const ledger = await openLedger({ disk, clock, random, source: 'relay-0', layout, version: '1', fault })
  const feed = liveFeed()
  // No hub is connected: what passes every check is answered `offline` at once.
  core = commandCore({ fleet: 'demo', clock, random, ledger, feed, link: { send: () => 'gone' } })
  app = await appApi({
    core,
    view: fleetView({ relay: 'relay-0', feed, held: () => new Map(), clock }),
    registry,
    clock,
    fault,
    ready: () => true,
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  await clock.advance(5)
})
afterAll(async () => {
  await app.close()
  core.close()
  await registry.close()
  rmSync(folder, { recursive: true })
})

type Ask = {
  readonly hub?: string
  readonly body?: unknown
  readonly token?: string
  readonly headers?: Readonly<Record<string, string>>
}
const body = { device: 'lamp', set: { powered: true } }

const urlOf = (path: string) => `http://127.0.0.1:${(app.server.address() as AddressInfo).port}${path}`

/** A command over HTTP: status, and the parsed answer. */
async function post({ hub = 'demo-01', body: asked = body, token = tokens.app, headers = {} }: Ask = {}) {
  const answer = await fetch(urlOf(`/v1/hubs/${encodeURIComponent(hub)}/commands`), {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers },
    body: typeof asked === 'string' ? asked : JSON.stringify(asked),
  })
  const told: Record<string, unknown> = JSON.parse(await answer.text())
  return { status: answer.status, told, headers: answer.headers }
}

/** The status with which a token may look at a command. */
async function seenBy(token: string, command: unknown) {
  return (await fetch(urlOf(`/v1/commands/${String(command)}`), { headers: { authorization: `Bearer ${token}` } }))
    .status
}

/** A command of exactly so many bytes as JSON with its default deadline. */
function bodyOf(bytes: number) {
  const size = (set: object) => JSON.stringify({ device: 'lamp', set, deadline_ms: 5_000 }).length
  const names = Array.from({ length: COMMAND_SET_MAX }, (_, i) => `a${i}`)
  let left = bytes - size(Object.fromEntries(names.map((name) => [name, ''])))
  const set = Object.fromEntries(
    names.map((name) => {
      const length = Math.min(256, left)
      left -= length
      return [name, 'x'.repeat(length)]
    }),
  )
  expect(size(set)).toBe(bytes)
  return { device: 'lamp', set }
}
const attributes = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`a${i}`, 1]))

describe('a command at its limits', () => {
  test.each<[string, Ask]>([
    ['the shortest deadline', { body: { ...body, deadline_ms: DEADLINE_MIN_MS } }],
    ['the longest deadline', { body: { ...body, deadline_ms: DEADLINE_MAX_MS } }],
    [`${COMMAND_SET_MAX} attributes`, { body: { ...body, set: attributes(COMMAND_SET_MAX) } }],
    ['a text of 256 characters', { body: { ...body, set: { a: 'x'.repeat(256) } } }],
    ['an attribute of 32 characters', { body: { ...body, set: { [`a${'b'.repeat(31)}`]: 1 } } }],
    ['a device of 64 characters', { body: { ...body, device: 'd'.repeat(64) } }],
    [`${COMMAND_BODY_MAX_BYTES} bytes`, { body: bodyOf(COMMAND_BODY_MAX_BYTES) }],
    ['a key of 255 characters', { headers: { 'idempotency-key': 'k'.repeat(KEY_MAX_CHARACTERS) } }],
    ['spaces up to the limit of a request', { body: JSON.stringify(body).padEnd(BODY_MAX_BYTES) }],
  ])('is taken: %s', async (_what, ask) => {
    expect(await post(ask)).toMatchObject({ status: 200, told: { outcome: 'offline' } })
  })

  test.each<[string, Ask, RegExp]>([
    ['a deadline too short', { body: { ...body, deadline_ms: DEADLINE_MIN_MS - 1 } }, /deadline_ms: .*>=100/],
    ['a deadline too long', { body: { ...body, deadline_ms: DEADLINE_MAX_MS + 1 } }, /deadline_ms: .*<=60000/],
    ['half a millisecond', { body: { ...body, deadline_ms: 500.5 } }, /deadline_ms/],
    ['no attribute', { body: { ...body, set: {} } }, /set at least one attribute/],
    [
      'one attribute too many',
      { body: { ...body, set: attributes(COMMAND_SET_MAX + 1) } },
      /set at most 16 attributes/,
    ],
    ['a text too long', { body: { ...body, set: { a: 'x'.repeat(257) } } }, /set.a/],
    ['an attribute that is null', { body: { ...body, set: { a: null } } }, /set.a/],
    ['an attribute that is a list', { body: { ...body, set: { a: [1] } } }, /set.a/],
    ['an attribute of 33 characters', { body: { ...body, set: { [`a${'b'.repeat(32)}`]: 1 } } }, /set/],
    ['an attribute in capitals', { body: { ...body, set: { Powered: 1 } } }, /set/],
    ['a device of 65 characters', { body: { ...body, device: 'd'.repeat(65) } }, /device/],
    ['a device with a slash', { body: { ...body, device: 'a/b' } }, /device/],
    ['no device', { body: { set: { a: 1 } } }, /device/],
    ['a key that nobody knows', { body: { ...body, devise: 1 } }, /[Uu]nrecognized key.*devise/],
    ['a byte too many', { body: bodyOf(COMMAND_BODY_MAX_BYTES + 1) }, /at most 4096 bytes/],
    ['a list', { body: [body] }, /not a command/],
    ['a number', { body: '1' }, /not a command/],
    ['null', { body: 'null' }, /not a command/],
    ['what is no JSON', { body: '{"device":' }, /JSON/],
    ['nothing', { body: '' }, /empty/],
    [
      'a key of 256 characters',
      { headers: { 'idempotency-key': 'k'.repeat(KEY_MAX_CHARACTERS + 1) } },
      /1 to 255 characters, found 256/,
    ],
    ['an empty key', { headers: { 'idempotency-key': '' } }, /1 to 255 characters, found 0/],
    ['a day that is none', { headers: { 'idempotency-key': 'k', 'idempotency-day': 'monday' } }, /day/i],
  ])('is refused, and nothing issued: %s', async (_what, ask, message) => {
    const before = core.counts.issued
    const { status, told } = await post(ask)
    expect({ status, told }).toMatchObject({
      status: 400,
      told: { kind: 'invalid', outcome: 'did-not-happen', detail: expect.stringMatching(message) },
    })
    expect(core.counts.issued).toBe(before)
  })

  test('a request over its limit is refused before it is read', async () => {
    expect(await post({ body: JSON.stringify(body).padEnd(BODY_MAX_BYTES + 1) })).toMatchObject({
      status: 400,
      told: { kind: 'invalid', detail: expect.stringMatching(/too large|larger/i) },
    })
  })

  test('prototypes are attributes like others, and change nothing', async () => {
    const { status } = await post({ body: '{"device":"lamp","set":{"__proto__":1}}' })
    expect(status).toBe(400)
    expect(({} as Record<string, unknown>)['powered']).toBeUndefined()
  })

  test.each([
    ['a hub that is not there', { hub: 'demo-99' }],
    ['a hub that is retired', { hub: 'gone-01' }],
    ['a hub that the token does not name', { token: tokens.one_hub }],
    ['a name that is no id', { hub: '../demo-01' }],
  ])('to %s is missing', async (_what, ask) => {
    expect(await post(ask)).toMatchObject({ status: 404, told: { kind: 'missing' } })
  })
})

test('a hub that leaves the fleet, or joins it, while apps command it is one that left or joined at the registry’s next word', async () => {
  const place = { home: 'h', region: 'r', model: 'm', zone: 'UTC' }
  const record = { ...place, generation: 1, enrolled_ms: 0, maintenance: [] }
  const ask = async () => (await post({ hub: 'late-01' })).status
  expect(await ask()).toBe(404)
  await registry.putHub({ ...record, hub: 'late-01' }, 0)
  await clock.advance(WATCH_POLL_MS)
  expect(await ask()).toBe(200)
  await registry.putHub({ ...record, hub: 'late-01', retired_ms: 2 }, 2)
  await clock.advance(WATCH_POLL_MS)
  expect(await ask()).toBe(404)
})

describe('a token', () => {
  test.each<[string, Ask, number, RegExp]>([
    ['none', { headers: { authorization: '' } }, 401, /expected the header Authorization: Bearer/],
    ['of another kind', { headers: { authorization: 'Basic YTpi' } }, 401, /expected the header/],
    ['that was invented', { token: 'hearth_invented' }, 401, /token/],
    ['of a megabyte', { token: 'x'.repeat(10_000) }, 401, /token/],
    ['that has expired', { token: tokens.old }, 401, /expired|token/],
    ['that may only observe', { token: tokens.watcher }, 403, /watcher lacks the scope commands/],
    ['of telemetry', { token: tokens.telemetry }, 403, /meter lacks the scope commands/],
  ])('%s opens nothing', async (_what, ask, status, message) => {
    const answer = await post(ask)
    expect(answer).toMatchObject({ status, told: { kind: 'unauthorized', detail: expect.stringMatching(message) } })
    expect(answer.headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer' : null)
  })

  test('sees what became of its own commands, and of others only with observe and the hub', async () => {
    const { told } = await post({ token: tokens.sender })
    expect(await seenBy(tokens.sender, told['command'])).toBe(200)
    expect(await seenBy(tokens.watcher, told['command'])).toBe(200)
    expect(await seenBy(tokens.one_hub, told['command'])).toBe(404)
    const others = await post({ token: tokens.app })
    expect(await seenBy(tokens.sender, others.told['command'])).toBe(404)
  })
})

describe('the socket of an app', () => {
  async function connect(token: string) {
    const socket = new WebSocket(urlOf('/v1/live').replace('http', 'ws'), {
      headers: { authorization: `Bearer ${token}` },
    })
    socket.on('error', () => undefined)
    return socket
  }
  const command = { type: 'command', ref: 'r', hub: 'demo-01', command: body }
  /** What is answered under the reference; live events pass by. */
  function answerTo(socket: WebSocket, text: string): Promise<Record<string, unknown>> {
    return new Promise((resolve) => {
      const hear = (data: Buffer) => {
        const told: Record<string, unknown> = JSON.parse(data.toString())
        if (told['type'] !== 'answer' && told['type'] !== 'problem') return
        socket.off('message', hear)
        resolve(told)
      }
      socket.on('message', hear)
      socket.send(text)
    })
  }

  test('answers at its limits, refuses past them, and goes on', async () => {
    const socket = await connect(tokens.app)
    await once(socket, 'open')
    const ask = (change: object) => answerTo(socket, JSON.stringify({ ...command, ...change }))
    expect(await ask({ ref: 'r'.repeat(64) })).toMatchObject({ type: 'answer', ref: 'r'.repeat(64) })
    expect(await ask({ ref: 'r'.repeat(65) })).toMatchObject({ type: 'problem', kind: 'invalid' })
    expect(await ask({ type: 'order' })).toMatchObject({ type: 'problem', kind: 'invalid' })
    expect(await ask({ hub: 'demo-99' })).toMatchObject({ type: 'problem', kind: 'missing', ref: 'r' })
    expect(await ask({ command: bodyOf(COMMAND_BODY_MAX_BYTES + 1) })).toMatchObject({ kind: 'invalid', ref: 'r' })
    expect(await answerTo(socket, 'hello')).toMatchObject({ type: 'problem', kind: 'invalid' })
    expect(await answerTo(socket, 'null')).toMatchObject({ type: 'problem', kind: 'invalid' })
    expect(await answerTo(socket, JSON.stringify(command).padEnd(BODY_MAX_BYTES))).toMatchObject({ type: 'answer' })
    socket.close()
    await once(socket, 'close')
  })

  test('is closed with 1009 for a message over the limit', async () => {
    const socket = await connect(tokens.app)
    await once(socket, 'open')
    socket.send(JSON.stringify(command).padEnd(BODY_MAX_BYTES + 1))
    expect((await once(socket, 'close'))[0]).toBe(1009)
  })

  test('of a token that was revoked issues nothing more, though its client does not heed that it is closed', async () => {
    const socket = await connect(await registry.createToken({ app: 'deaf', scopes: ['commands', 'observe'] }))
    await once(socket, 'open')
    expect(await answerTo(socket, JSON.stringify(command))).toMatchObject({ type: 'answer' })
    const before = core.counts.issued
    socket.pause()
    await registry.revokeToken('deaf')
    await clock.advance(TOKEN_LOOK_MS)
    socket.send(JSON.stringify({ ...command, ref: 'after' }))
    // Another request after it: by then it was looked at.
    expect((await post({ token: tokens.watcher })).status).toBe(403)
    socket.resume()
    expect((await once(socket, 'close'))[0]).toBe(1008)
    expect(core.counts.issued).toBe(before)
  })

  test('of one app leaves places to others', async () => {
    const many = await Promise.all(Array.from({ length: LIVE_CLIENTS_PER_APP_MAX }, () => connect(tokens.app)))
    await Promise.all(many.map((socket) => once(socket, 'open')))
    expect((await once(await connect(tokens.app), 'close'))[0]).toBe(1013)
    const other = await connect(await registry.createToken({ app: 'other', scopes: ['commands', 'observe'] }))
    await once(other, 'open')
    expect(await answerTo(other, JSON.stringify(command))).toMatchObject({ type: 'answer' })
    for (const socket of [...many, other]) socket.terminate()
  })

  test('that gives no sign of life is cut, and its place is free; one that does stays', async () => {
    const [dead, alive] = [await connect(tokens.app), await connect(tokens.app)]
    await Promise.all([once(dead, 'open'), once(alive, 'open')])
    dead.pause()
    const [gone, asked] = [once(dead, 'close'), once(alive, 'ping')]
    await clock.advance(LIVE_PROBE_MS)
    await asked
    // Its pong is on its way: another message after it.
    expect(await answerTo(alive, JSON.stringify(command))).toMatchObject({ type: 'answer' })
    await clock.advance(LIVE_PROBE_MS)
    dead.resume()
    expect((await gone)[0]).toBe(1006)
    expect(await answerTo(alive, JSON.stringify(command))).toMatchObject({ type: 'answer' })
    alive.close()
    await once(alive, 'close')
  })

  test('of a token without commands only listens', async () => {
    const socket = await connect(tokens.watcher)
    await once(socket, 'open')
    expect(await answerTo(socket, JSON.stringify(command))).toMatchObject({ type: 'problem', kind: 'unauthorized' })
    socket.close()
    await once(socket, 'close')
  })

  test.each([
    ['without observe', () => tokens.sender, 403],
    ['that was invented', () => 'hearth_invented', 401],
  ])('is not opened for a token %s', async (_what, token, status) => {
    const socket = await connect(token())
    const [, answer] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }]
    expect(answer.statusCode).toBe(status)
    socket.terminate()
  })
})

test('a token that is revoked while the body comes issues nothing', async () => {
  const token = await registry.createToken({ app: 'slow', scopes: ['commands'] })
  const asked = request(urlOf('/v1/hubs/demo-01/commands'), {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': JSON.stringify(body).length,
    },
  })
  asked.write(JSON.stringify(body).slice(0, 5))
  // Another request after it: by then the head of the first was looked at.
  expect((await post({ token })).status).toBe(200)
  await registry.revokeToken('slow')
  await clock.advance(TRUST_MS + 1)
  const before = core.counts.issued
  asked.end(JSON.stringify(body).slice(5))
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  response.resume()
  expect([response.statusCode, core.counts.issued]).toEqual([401, before])
})

test('past its rate an app is told when to come again, and nothing is issued', async () => {
  const token = await registry.createToken({ app: 'eager', scopes: ['commands'] })
  const ask = () => post({ token, hub: 'demo-02' })
  await clock.advance(60_000)
  let refused: Awaited<ReturnType<typeof ask>> | undefined
  for (let i = 0; i <= HUB_RATE.burst && !refused; i++) {
    const answer = await ask()
    if (answer.status === 200) expect(i).toBeLessThan(HUB_RATE.burst)
    else refused = answer
  }
  expect(refused).toMatchObject({ status: 429, told: { kind: 'limit', outcome: 'did-not-happen' } })
  expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  await clock.advance(1_000)
  expect((await ask()).status).toBe(200)
})

test('no request made the relay say that it failed', () => {
  expect(faults).toEqual([])
})
