/** What a hub asks of a gateway to keep its certificate good, over TLS, its own clock being what it may. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { testFleet } from '../link/fleet.fixture.ts'
import type { ClientTls } from '../link/mqtt-connection.ts'
import { listenTelemetry, type TelemetryEndpoint } from '../link/telemetry-endpoint.ts'
import { caHash } from '../registry/authority-file.ts'
import { keepFiles } from './hub-files.ts'
import { hubFolder, remoteIdentity } from './hub-identity.ts'
import { keepIdentity } from './identity-keeper.ts'
import { machineClock, machineRandom } from './machine.ts'

const LOOK_MS = 20
/** Handshakes of a busy machine. */
const SOON = { timeout: 10_000 }
const DAY_MS = 86_400_000
let fleet: Awaited<ReturnType<typeof testFleet>>
let endpoint: TelemetryEndpoint
let home: string
let stop = () => {}
/** What was asked, `/v1/trust` with the hash of the CAs. */
let asked: string[]
/** What the gateway says. */
let ca: string
let now_ms: number
let told: boolean
let isBusy: boolean
/** The certificates that it gave. */
let given: string[]

beforeAll(async () => {
  fleet = await testFleet()
})
afterAll(() => fleet.close())
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'hearth-keeper-'))
  ;[asked, given, ca, now_ms, told, isBusy] = [[], [], fleet.ca, Date.now(), true, false]
  const tls = await fleet.server()
  endpoint = await listenTelemetry({
    ...{ mqtt: { host: '127.0.0.1', port: 0 }, https: { host: '127.0.0.1', port: 0 }, tls, fleet: 'test' },
    ...{ clock: machineClock, authorise: () => ({ ok: true }), receive: () => Promise.resolve({ kind: 'durable' }) },
    routes(app) {
      // Of this test: what an earlier one asked may still be under way.
      const mine = given
      app.get('/v1/ca', () => {
        asked.push('ca')
        return { ca, now_ms }
      })
      app.post('/v1/renew', async ({ body }, reply) => {
        asked.push('renew')
        if (isBusy) return reply.code(503).send({ error: 'no more today' })
        const certificate = await fleet.sign('demo-01', JSON.parse(String(body)).csr)
        mine.push(certificate)
        return { hub: 'demo-01', generation: 1, certificate, ca, expires_ms: now_ms }
      })
      app.post('/v1/trust', ({ body }) => {
        asked.push(`trust ${JSON.parse(String(body)).ca_sha256}`)
        return { told }
      })
    },
  })
})
afterEach(async () => {
  stop()
  await endpoint.close()
  rmSync(home, { recursive: true })
})

async function keep(clock = machineClock) {
  const tls: ClientTls = await fleet.hub('demo-01')
  // Of this test: a look that is under way at its end is cut off.
  const mine = asked
  const identity = { hub: 'demo-01', generation: 1, tls, zone: 'UTC' }
  const log = { info: () => {}, failed: (_event: string, error: unknown) => mine.push(String(error)) }
  stop = keepIdentity(
    { home, clock, random: machineRandom },
    { identity, url: endpoint.httpsUrl, look_ms: LOOK_MS, log },
  )
  return identity
}

test('a hub that has what holds says so once, and asks on', async () => {
  await keep()
  await expect.poll(() => asked.length, SOON).toBeGreaterThan(4)
  expect(asked.slice(0, 5)).toEqual(['ca', `trust ${caHash(ca)}`, 'ca', 'ca', 'ca'])
})

test('it says so until it counts', async () => {
  told = false
  await keep()
  await expect.poll(() => asked.filter((one) => one.startsWith('trust')).length, SOON).toBeGreaterThan(2)
  told = true
  await expect.poll(() => asked.slice(-2), SOON).toEqual(['ca', 'ca'])
})

test('a certificate whose time has come by the clock of the fleet is renewed, kept, and then told of', async () => {
  now_ms += 300 * DAY_MS
  const identity = await keep({ ...machineClock, now: () => 0 })
  const before = identity.tls.cert
  await expect.poll(() => asked.slice(0, 3), SOON).toEqual(['ca', 'renew', `trust ${caHash(ca)}`])
  // By that clock it is time again at once: meanwhile there may be a newer one.
  expect(identity.tls.cert).not.toBe(before)
  expect(given).toContain(identity.tls.cert)
  expect(readFileSync(join(home, 'hubs', 'demo-01', 'cert.pem'), 'utf8')).toBe(identity.tls.cert)
})

test('a clock that is far ahead, its own or that of the fleet, renews nothing, and other CAs do', async () => {
  await keep({ ...machineClock, now: () => Date.now() + 300 * DAY_MS })
  await expect.poll(() => asked.length, SOON).toBeGreaterThan(3)
  stop()
  now_ms += 300 * DAY_MS
  await keep()
  const before = asked.length
  await expect.poll(() => asked.length, SOON).toBeGreaterThan(before + 1)
  expect(asked).not.toContain('renew')
  ca += ca
  await expect.poll(() => asked, SOON).toContain('renew')
})

test('a hub that starts and cannot renew goes on with what it has, and has the new one at a later start', async () => {
  const tls = await fleet.hub('demo-01')
  keepFiles(hubFolder({ home }, 'demo-01'), tls)
  const clock = { ...machineClock, now: () => Date.now() + 300 * DAY_MS }
  const noted: string[] = []
  const context = { home, clock, note: (line: string) => noted.push(line) }
  const start = () => remoteIdentity(context, { hub: 'demo-01', url: endpoint.httpsUrl })
  isBusy = true
  expect((await start()).tls.cert).toBe(tls.cert)
  isBusy = false
  expect((await start()).tls.cert).toBe(given[0])
  expect(asked).toEqual(['renew', 'renew'])
  expect(noted).toEqual([expect.stringMatching(/^demo-01: goes on with the certificate that it has.*no more today/)])
})
