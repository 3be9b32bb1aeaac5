/** The control plane from outside: a relay that drains, certificates that end, a hub that enrols from elsewhere. */
import { X509Certificate } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Clock } from '../contract/clock.ts'
import { batchPoster } from '../link/post-batch.ts'
import { openAuthority, openRegistry } from './fleet.ts'
import { parseConfig } from './load-config.ts'
import { machineClock, machineRandom } from './machine.ts'
import { openSystem, opsOf, type Running, type System, until } from './testing/system.ts'

const START_MS = 60_000
const SOON_MS = 10_000

let system: System
let elsewhere: string
beforeEach(async () => {
  system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '500' })
  elsewhere = mkdtempSync(join(tmpdir(), 'hearth-elsewhere-'))
})
afterEach(async () => {
  await system[Symbol.asyncDispose]()
  rmSync(elsewhere, { recursive: true, force: true })
})

/** Starts services and resolves when each serves. */
async function serve(...names: readonly string[]): Promise<readonly Running[]> {
  const started = names.map((name) => system.start([name]))
  for (const running of started) await running.untilSaid(/"event":"ready"/, START_MS)
  return started
}

async function token(...more: readonly string[]): Promise<string> {
  const made = await system.must(['registry', 'token', 'create', 'test', '--json', ...more])
  return JSON.parse(made).token
}

function send(bearer: string, hub: string, device = 'living-lamp'): Promise<Response> {
  return fetch(`http://127.0.0.1:${system.ports.app}/v1/hubs/${hub}/commands`, {
    method: 'POST',
    headers: {
      ...{ authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    },
    body: JSON.stringify({ device, set: { powered: true }, deadline_ms: 20_000 }),
  })
}

async function outcomeOf(response: Response): Promise<unknown> {
  const body: unknown = await response.json()
  return typeof body === 'object' && body !== null && 'outcome' in body ? body.outcome : body
}

async function figure(process: string, name: string): Promise<number> {
  const text = await (await fetch(`${opsOf(system, process)}/metrics`)).text()
  return Number(new RegExp(`^${name}\\{[^}]*\\} (\\S+)$`, 'm').exec(text)?.[1])
}

const connected = (running: Running, to = 'relay') => running.untilSaid(new RegExp(`connected to the ${to}`), START_MS)

describe('hearth send', () => {
  it('shows figures that line up, what connecting took, and what is refused in plain words', async () => {
    const [relay] = await serve('relay')
    system.start(['hub', '--simulated', '1'])
    const HEARTH_TOKEN = await token()
    const send = (hub: string) => system.run(['send', hub, 'living-lamp', 'powered=1'], { HEARTH_TOKEN })
    await until('the hub hears commands', START_MS, async () => (await send('hub-01')).code === 0)
    const { stdout } = await send('hub-01')
    const lines = stdout.split('\n')
    const stages = lines.filter((line) => /^(stage|issued|sent|acked) /.test(line))
    expect(stages.map((line) => line.length)).toEqual(Array(4).fill(stages[0]?.length))
    expect(stages.at(0)).toMatch(/ ms$/)
    expect(stages.at(-1)).toMatch(/ \d+\.\d\d$/)
    expect(lines.find((line) => line.startsWith('as seen here'))).toMatch(
      /^as seen here +\d+\.\d\d +request to answer$/,
    )
    expect(stdout).toMatch(/Before the first command, once: \d+ ms to load the HTTP client and connect\.\n$/)
    const unknown = await send('hub-99')
    expect([unknown.code, unknown.stderr]).toEqual([
      1,
      'hearth: the relay refused: this fleet has no hub hub-99, or the app test may not see it\n',
    ])
    relay?.signal('SIGSTOP')
    const hung = await send('hub-01')
    expect([hung.code, hung.stderr]).toEqual([
      1,
      expect.stringMatching(/does not answer: is hearth up running\? \(no answer within 5 s\)\n$/),
    ])
    relay?.signal('SIGCONT')
    relay?.signal('SIGTERM')
    await relay?.ended
    const nobody = await system.run(
      ['send', 'hub-01', 'living-lamp', 'powered=1', '--relay', `http://127.0.0.1:${system.ports.app}`],
      { HEARTH_TOKEN },
    )
    expect(nobody.stderr).toMatch(/^hearth: the relay at \S+ does not answer: is hearth up running\? \(.*ECONNREFUSED/)
    expect(nobody.code).toBe(1)
  })
})

describe('a relay that is asked to stop', () => {
  it('gives every command in flight its outcome, takes no more, and moves the hubs away', async () => {
    const [relay] = await serve('relay')
    const hub = system.start(['hub', '--simulated', '1'])
    const bearer = await token()
    const heard = async () => (await outcomeOf(await send(bearer, 'hub-01'))) === 'done'
    await until('the hub hears commands', START_MS, heard)
    // To one device they run one after the other, so that most are still in flight when the signal comes.
    const answers = Array.from({ length: 40 }, () => send(bearer, 'hub-01'))
    await until(
      'commands are in flight',
      SOON_MS,
      async () => (await figure('relay', 'hearth_relay_open_commands')) > 20,
    )
    relay?.signal('SIGTERM')
    await relay?.untilSaid(/"event":"draining"/, SOON_MS)
    const ops_url = opsOf(system, 'relay')
    const ready = await fetch(`${ops_url}/readyz`)
    expect([ready.status, await ready.json()]).toEqual([503, { ready: false, reasons: ['the relay is draining'] }])
    const late = await send(bearer, 'hub-01')
    expect([late.status, await late.json()]).toEqual([503, expect.objectContaining({ kind: 'closed' })])
    const all = await Promise.all(answers)
    // What came after the signal was taken by nobody, and says so; a simulated radio may lose one, which ends `expired`.
    const taken = all.filter(({ status }) => status !== 503)
    expect(taken.length).toBeGreaterThan(20)
    expect(new Set(taken.map(({ status }) => status))).toEqual(new Set([200]))
    const outcomes = await Promise.all(taken.map(outcomeOf))
    expect(outcomes.filter((outcome) => outcome !== 'done' && outcome !== 'expired')).toEqual([])
    expect(outcomes).toContain('done')
    expect(await relay?.ended).toEqual({ code: 0, signal: null })
    expect(hub.said()).toMatch(/disconnected from the relay: .*(0x9c|another server|going away)/i)
  })
})

describe('a gateway that is asked to stop', () => {
  it('commits what it took', async () => {
    const [ingest] = await serve('ingest')
    const hub = system.start(['hub', '--simulated', '3'])
    await until(
      'batches came',
      START_MS,
      async () => (await figure('ingest', 'hearth_ingest_received_events_total')) > 3,
    )
    hub.signal('SIGTERM')
    await hub.ended
    ingest?.signal('SIGTERM')
    expect(await ingest?.ended).toEqual({ code: 0, signal: null })
    const verified = await system.run(['verify', '--json'])
    expect(verified.code).toBe(0)
    expect(JSON.parse(verified.stdout).totals).toMatchObject({ pending: 0, lost: 0 })
  })
})

describe('a certificate that is revoked', () => {
  it('loses its live session at once, and is refused at the next handshake, a resumed one too', async () => {
    await serve('relay')
    await system.must(['registry', 'add', 'h1'])
    await system.must(['ca', 'issue', 'h1'])
    const file = (name: string) => readFileSync(join(system.home, 'hubs', 'h1', name), 'utf8')
    const tls = { key: file('key.pem'), cert: file('cert.pem'), ca: file('ca.pem') }
    const session = await ticket(tls)
    // So it looks while the certificate is good.
    expect(await isServed(tls, session)).toEqual({ resumed: true, served: true })
    const hub = system.start(['hub', '--id', 'h1', '--relay', `mqtts://127.0.0.1:${system.ports.hub}`])
    await connected(hub)
    const [{ serial }] = JSON.parse(await system.must(['ca', 'list', 'h1', '--json']))
    await system.must(['ca', 'revoke', serial, '--reason', 'stolen'])
    await hub.untilSaid(/disconnected from the relay/, SOON_MS)
    await until(
      'nobody is connected',
      SOON_MS,
      async () => (await figure('relay', 'hearth_relay_connected_hubs')) === 0,
    )
    expect(await isServed(tls, session)).toEqual({ resumed: true, served: false })
    expect(await isServed(tls, undefined)).toEqual({ resumed: false, served: false })
  })

  it('is refused after its hub was retired', async () => {
    await serve('relay')
    await system.must(['registry', 'add', 'h1'])
    await system.must(['ca', 'issue', 'h1'])
    const hub = system.start(['hub', '--id', 'h1', '--relay', `mqtts://127.0.0.1:${system.ports.hub}`])
    await connected(hub)
    await system.must(['registry', 'retire', 'h1'])
    await hub.untilSaid(/disconnected from the relay/, SOON_MS)
    await until(
      'nobody is connected',
      SOON_MS,
      async () => (await figure('relay', 'hearth_relay_connected_hubs')) === 0,
    )
  })
})

type Tls = { readonly key: string; readonly cert: string; readonly ca: string }

/** A TLS session of this certificate that can be resumed. */
function ticket(tls: Tls): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...tls, host: '127.0.0.1', port: system.ports.hub, minVersion: 'TLSv1.3' })
    socket.on('error', reject)
    socket.on('session', (session) => {
      socket.destroy()
      resolve(session)
    })
  })
}

/** An MQTT 5 CONNECT, and whether a CONNACK comes before the end. */
function isServed(tls: Tls, session: Buffer | undefined): Promise<{ resumed: boolean; served: boolean }> {
  return new Promise((resolve) => {
    const options = { ...tls, host: '127.0.0.1', port: system.ports.hub, minVersion: 'TLSv1.3' } as const
    const socket = connect(session ? { ...options, session } : options)
    let resumed = false
    socket.on('secureConnect', () => {
      resumed = socket.isSessionReused()
      const id = Buffer.from('\u0000\u0002h1')
      const user = Buffer.from('\u0000\u00051.1.1')
      const body = Buffer.concat([Buffer.from('\u0000\u0004MQTT\u0005\u0082\u0000\u001e\u0000', 'latin1'), id, user])
      socket.write(Buffer.concat([Buffer.from([0x10, body.length]), body]))
    })
    socket.on('data', (data) => {
      socket.destroy()
      resolve({ resumed, served: data[0] === 0x20 && data[3] === 0 })
    })
    socket.on('error', () => resolve({ resumed, served: false }))
    socket.on('close', () => resolve({ resumed, served: false }))
  })
}

describe('a hub elsewhere', () => {
  const words = () => [
    ...['hub', '--id', 'kitchen-1', '--relay', `mqtts://127.0.0.1:${system.ports.hub}`],
    ...['--gateway', `mqtts://127.0.0.1:${system.ports.mqtt}`, '--enrol', `https://127.0.0.1:${system.ports.https}`],
    ...['--ca', join(system.home, 'ca', 'ca.pem')],
  ]
  const there = () => ({ HEARTH_HOME: elsewhere })

  it('enrols once with its code, serves commands, and comes back with it or without; its code is spent', async () => {
    await serve('ingest', 'relay')
    await system.must(['registry', 'add', 'kitchen-1', '--home', 'home-7', '--zone', 'Europe/Berlin'])
    const { code } = JSON.parse(await system.must(['registry', 'code', 'kitchen-1', '--json']))
    const first = system.start([...words(), '--code', code], there())
    await connected(first)
    await connected(first, 'gateway')
    const bearer = await token('--hub', 'kitchen-1')
    expect(await (await send(bearer, 'kitchen-1', 'kitchen-lamp')).json()).toMatchObject({ outcome: 'done' })
    first.signal('SIGTERM')
    expect(await first.ended).toEqual({ code: 0, signal: null })

    // A unit that says it still, or says it otherwise, is the hub that it made.
    const file = join(elsewhere, 'code.txt')
    writeFileSync(file, `${code}\n`)
    for (const more of [[], ['--code', code], ['--code-file', file]]) {
      const next = system.start([...words(), ...more], there())
      await connected(next)
      next.signal('SIGTERM')
      await next.ended
    }
    const thief = await system.run([...words(), '--code', code], { HEARTH_HOME: join(elsewhere, 'thief') })
    expect(thief.code).toBe(1)
    expect(thief.stderr).toMatch(/^hearth: the enrolment endpoint answered 401: [^{}]*code[^{}]*$/m)
    expect(readFileSync(join(elsewhere, 'hubs', 'kitchen-1', 'key.pem'), 'utf8')).toContain('PRIVATE KEY')
    // Neither its key nor its code is anywhere on the fleet's side.
    expect(first.said()).not.toContain(code)
  })
})

describe('a certificate that has expired', () => {
  it('is good for renewal within its grace, and for nothing else', async () => {
    // Issued 380 days ago for 365.
    const then: Clock = { ...machineClock, now: () => machineClock.now() - 380 * 86_400_000 }
    const context = { home: system.home, config: parseConfig({}, 'test'), clock: then, random: machineRandom }
    const registry = await openRegistry(context)
    const authority = await openAuthority(context, registry)
    const about = { home: 'home-7', region: 'local', model: 'test', zone: 'UTC', generation: 1, maintenance: [] }
    await registry.putHub({ hub: 'h1', ...about, enrolled_ms: then.now() }, then.now())
    const { key_pem, certificate_pem } = await authority.issueHub('h1', 1)
    await registry.close()
    const folder = join(elsewhere, 'hubs', 'h1')
    mkdirSync(folder, { recursive: true })
    const tls = { key: key_pem, cert: certificate_pem, ca: authority.certificate_pem }
    for (const [name, text] of Object.entries(tls)) writeFileSync(join(folder, `${name}.pem`), text)

    await serve('ingest', 'relay')
    expect(await isServed(tls, undefined)).toEqual({ resumed: false, served: false })
    const url = `https://127.0.0.1:${system.ports.https}`
    const poster = batchPoster({ url, tls })
    await expect(poster.post(Buffer.from('{}\n'), new AbortController().signal)).rejects.toThrow()
    poster.close()

    const hub = system.start(
      ['hub', '--id', 'h1', '--relay', `mqtts://127.0.0.1:${system.ports.hub}`, '--enrol', url],
      { HEARTH_HOME: elsewhere },
    )
    await connected(hub)
    const renewed = new X509Certificate(readFileSync(join(folder, 'cert.pem')))
    expect(renewed.validToDate.getTime()).toBeGreaterThan(machineClock.now())
    expect(renewed.serialNumber).not.toBe(new X509Certificate(certificate_pem).serialNumber)
  })
})

describe('a token', () => {
  it('does what its scopes and hubs allow, until it is revoked', async () => {
    await serve('relay')
    for (const hub of ['h1', 'h2']) await system.must(['registry', 'add', hub])
    const one = await token('--scope', 'commands', '--hub', 'h1')
    const status = async (bearer: string, hub: string) => (await send(bearer, hub)).status
    expect([await status(one, 'h1'), await status(one, 'h2')]).toEqual([200, 404])
    const watcher = JSON.parse(
      await system.must(['registry', 'token', 'create', 'watcher', '--json', '--scope', 'observe']),
    ).token
    expect(await status(watcher, 'h1')).toBe(403)
    expect(await status('hearth_unknown', 'h1')).toBe(401)
    const brief = JSON.parse(
      await system.must(['registry', 'token', 'create', 'brief', '--json', '--days', '0.00001']),
    ).token
    await until('the token is expired', SOON_MS, async () => (await status(brief, 'h1')) === 401)
    await system.must(['registry', 'token', 'revoke', 'test'])
    await until('the token is revoked', SOON_MS, async () => (await status(one, 'h1')) === 401)
  })
})
