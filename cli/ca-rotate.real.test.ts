/** The fleet's CA replaced under a hub that serves, and a hub whose clock says 1970. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { connect } from 'node:tls'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { fakeTimeLibrary } from '../infra/faketime.ts'
import type { ClientTls } from '../link/mqtt-connection.ts'
import { batchPoster } from '../link/post-batch.ts'
import { openSystem, type Running, type System, until } from './testing/system.ts'

const START_MS = 60_000
let system: System
beforeEach(async () => {
  system = await openSystem()
})
afterEach(() => system[Symbol.asyncDispose]())

async function serve(name: string): Promise<Running> {
  const running = system.start([name])
  await running.untilSaid(/"event":"ready"/, START_MS)
  return running
}

const caPem = () => readFileSync(join(system.home, 'ca', 'ca.pem'), 'utf8')
const hubFile = (name: string) => readFileSync(join(system.home, 'hubs', 'hub-01', name), 'utf8')
const rotate = async (...words: readonly string[]) =>
  JSON.parse(await system.must(['ca', 'rotate', ...words, '--json'])) as { phase: string; behind: string[] }

/** Which CAs a port's certificate satisfies, of these. */
async function issuedBy(port: number, cas: readonly X509Certificate[]): Promise<number> {
  const peer = await new Promise<X509Certificate | undefined>((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate())
      socket.destroy()
    })
    socket.on('error', reject)
  })
  return cas.findIndex((ca) => peer?.verify(ca.publicKey))
}

const NO_BATCH = Buffer.from('{}\n')

/** What the hub has on disk, read beside it: again when it was writing just then. */
async function identity(): Promise<ClientTls> {
  for (;;) {
    const tls = { key: hubFile('key.pem'), cert: hubFile('cert.pem'), ca: hubFile('ca.pem') }
    if (new X509Certificate(tls.cert).checkPrivateKey(createPrivateKey(tls.key))) return tls
    await setTimeout(5)
  }
}

/** What becomes of something that is no batch, over a new connection: it is refused as such when the sender is known. */
async function postOnce(tls: ClientTls): Promise<string> {
  const poster = batchPoster({ url: `https://127.0.0.1:${system.ports.https}`, tls })
  try {
    return (await poster.post(NO_BATCH)).kind
  } finally {
    poster.close()
  }
}

async function command(bearer: string): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${system.ports.app}/v1/hubs/hub-01/commands`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    body: JSON.stringify({ device: 'living-lamp', set: { powered: true }, deadline_ms: 5_000 }),
  })
  const body: unknown = await response.json()
  return typeof body === 'object' && body !== null && 'outcome' in body ? body.outcome : body
}

it('the CA is replaced while a hub serves: its session lives on, and no connection is ever refused', async () => {
  for (const name of ['ingest', 'relay']) await serve(name)
  const hub = system.start(['hub', '--simulated', '1', '--look', '300'])
  await hub.untilSaid(/connected to the relay/, START_MS)
  const bearer: string = JSON.parse(await system.must(['registry', 'token', 'create', 'test', '--json'])).token
  await until('the hub hears commands', START_MS, async () => (await command(bearer)) === 'done')
  const ports = [system.ports.hub, system.ports.mqtt, system.ports.https]
  const old = new X509Certificate(caPem())
  const before = await identity()
  /** Commands all the time, by the session that there is. */
  const outcomes: unknown[] = []
  const ending = new AbortController()
  const commanding = (async () => {
    while (!ending.signal.aborted) outcomes.push(await command(bearer))
  })()

  /** And connections of their own, by what the hub has at the moment; what they bring is no batch, and that is said. */
  const kinds: string[] = []
  const connecting = (async () => {
    while (!ending.signal.aborted) kinds.push(await postOnce(await identity()))
  })()

  await expect(rotate('--switch')).rejects.toThrow(/no new CA yet/)
  expect((await rotate('--begin')).phase).toBe('begun')
  expect((await rotate('--begin')).phase).toBe('begun')
  const [first, second] = caPem().split(/(?<=-----END CERTIFICATE-----\n)/)
  expect(new X509Certificate(first ?? '').fingerprint).toBe(old.fingerprint)
  const fresh = new X509Certificate(second ?? '')
  await expect(rotate('--end')).rejects.toThrow(/does not sign yet/)
  await until('the hub was told of the new CA', START_MS, async () => (await rotate()).behind.length === 0)
  await until('it wrote it down', START_MS, async () => hubFile('ca.pem') === caPem())
  expect(new X509Certificate(hubFile('cert.pem')).verify(old.publicKey)).toBe(true)
  expect(hubFile('cert.pem')).not.toBe(before.cert)

  expect((await rotate('--switch')).phase).toBe('switched')
  expect((await rotate('--switch')).phase).toBe('switched')
  await until('every port shows the new CA', START_MS, async () =>
    (await Promise.all(ports.map((port) => issuedBy(port, [old, fresh])))).every((which) => which === 1),
  )
  await until('the hub has one of the new CA', START_MS, async () => (await rotate()).behind.length === 0)
  await until('it wrote it down', START_MS, async () =>
    new X509Certificate(hubFile('cert.pem')).verify(fresh.publicKey),
  )

  expect((await rotate('--end')).phase).toBe('settled')
  expect((await rotate('--end')).phase).toBe('settled')
  expect(caPem()).toBe(second)
  await until('the hub trusts the new one alone', START_MS, async () => hubFile('ca.pem') === second)
  ending.abort()
  await Promise.all([commanding, connecting])
  expect(Math.min(outcomes.length, kinds.length)).toBeGreaterThan(20)
  expect(new Set(kinds)).toEqual(new Set(['refused']))
  expect(new Set(outcomes)).toEqual(new Set(['done']))
  expect(hub.said()).not.toMatch(/disconnected|unreachable|refused/)

  hub.signal('SIGTERM')
  await hub.ended
  const again = system.start(['hub', '--simulated', '1'])
  await again.untilSaid(/connected to the relay/, START_MS)
  await until('it serves', START_MS, async () => (await command(bearer)) === 'done')
  // What the old CA signed is nothing any more, to anybody.
  await expect(postOnce(before)).rejects.toThrow(/certificate|issuer/)
  await expect(postOnce({ ...before, ca: caPem() })).rejects.toThrow(/401|alert|unknown ca/i)
})

it('a step that would leave hubs behind is refused by name, and taken when it is forced', async () => {
  await serve('ingest')
  await system.must(['registry', 'add', 'attic-1'])
  await system.must(['ca', 'issue', 'attic-1'])
  await rotate('--begin')
  const refused = await system.run(['ca', 'rotate', '--switch'])
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/would leave 1 hubs behind: attic-1;/)])
  expect((await rotate()).phase).toBe('begun')
  expect(await rotate('--switch', '--force')).toMatchObject({ phase: 'switched', behind: ['attic-1'] })
  await system.must(['registry', 'retire', 'attic-1'])
  expect(await rotate('--end')).toMatchObject({ phase: 'settled' })
})

it("a hub whose clock says 1970 enrols, renews and serves, and its clock is nobody's but its own", async () => {
  const library = await fakeTimeLibrary()
  for (const name of ['ingest', 'relay']) await serve(name)
  await system.must(['registry', 'add', 'hub-01'])
  const { code } = JSON.parse(await system.must(['registry', 'code', 'hub-01', '--json']))
  const words = [
    ...['hub', '--id', 'hub-01', '--relay', `mqtts://127.0.0.1:${system.ports.hub}`],
    ...['--gateway', `mqtts://127.0.0.1:${system.ports.mqtt}`, '--enrol', `https://127.0.0.1:${system.ports.https}`],
  ]
  const then = { LD_PRELOAD: library, FAKETIME: '@1970-01-02 00:00:00' }
  const hub = system.start([...words, '--code', code], then)
  await hub.untilSaid(/"time":"1970-01-02.*connected to the relay/, START_MS)
  await hub.untilSaid(/connected to the gateway/, START_MS)
  const bearer: string = JSON.parse(await system.must(['registry', 'token', 'create', 'test', '--json'])).token
  await until('it serves', START_MS, async () => (await command(bearer)) === 'done')
  // Its certificate is of now; a new CA is heard of and taken as by any other.
  const serial = new X509Certificate(hubFile('cert.pem')).serialNumber
  hub.signal('SIGTERM')
  await hub.ended
  await rotate('--begin')
  const again = system.start([...words, '--look', '300'], then)
  await again.untilSaid(/connected to the relay/, START_MS)
  await again.untilSaid(/has a new certificate/, START_MS)
  expect(new X509Certificate(hubFile('cert.pem')).serialNumber).not.toBe(serial)
})
