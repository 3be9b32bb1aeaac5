/** Who may do what: every role by every action, on a hub of its own and on another one, as a table. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import https from 'node:https'
import { join } from 'node:path'
import { exportJWK, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { LIVE_PROTOCOL, TOKEN_PROTOCOL } from '../contract/live-message.ts'
import { createRequest } from '../registry/authority.ts'
import { openAuthority, openRegistry } from './fleet.ts'
import { parseConfig } from './load-config.ts'
import { machineClock, machineRandom } from './machine.ts'
import { openSystem, type System, until } from './testing/system.ts'

const START_MS = 60_000
const [OWN, OTHER] = ['own-1', 'other-1']
const ISSUER = { issuer: 'https://login.example', audience: 'hearth' }

/** Columns of the tables: tokens by what they may do; `own` and what begins with it are for the hub own-1 alone. */
const ROLES = [
  ...['stranger', 'invented', 'revoked', 'expired', 'commands', 'observe', 'own', 'telemetry', 'query', 'own_query'],
  ...['admin', 'all', 'jwt_own', 'jwt_over', 'jwt_forged'],
] as const

/** What one gets at the relay's app API. */
const RELAY = `
                                  stranger invented revoked expired commands observe own telemetry query own_query admin all jwt_own jwt_over jwt_forged
POST /v1/hubs/own-1/commands      401      401      401     401     200      403     200 403       403   403       403   200 200     401      401
POST /v1/hubs/other-1/commands    401      401      401     401     200      403     404 403       403   403       403   200 404     401      401
POST /v1/hubs/nobody/commands     401      401      401     401     404      403     404 403       403   403       403   404 404     401      401
POST /v1/hubs/gone-1/commands     401      401      401     401     404      403     404 403       403   403       403   404 404     401      401
GET /v1/commands/{of own-1}       401      401      401     401     404      200     200 403       403   403       403   200 200     401      401
GET /v1/commands/{of other-1}     401      401      401     401     404      200     404 403       403   403       403   200 404     401      401
GET /v1/commands/{its own}        401      401      401     401     200      404     200 403       403   403       403   200 200     401      401
GET /v1/hubs                      401      401      401     401     403      200     200 403       403   403       403   200 200     401      401
GET /v1/live                      401      401      401     401     403      101     101 403       403   403       403   101 101     401      401
live: command own-1               401      401      401     401     403      403     200 403       403   403       403   200 200     401      401
live: command other-1             401      401      401     401     403      403     404 403       403   403       403   200 404     401      401
GET /v1/openapi.json              200      200      200     200     200      200     200 200       200   200       200   200 200     200      200
GET /healthz                      200      200      200     200     200      200     200 200       200   200       200   200 200     200      200
GET /readyz                       200      200      200     200     200      200     200 200       200   200       200   200 200     200      200
POST /v1/registry                 404      404      404     404     404      404     404 404       404   404       404   404 404     404      404
`

/** At the gateway's HTTPS port, without a certificate. 422: it is known who asks, and what they send is no batch. */
const GATEWAY = `
                                  stranger invented revoked expired commands observe own telemetry query own_query admin all jwt_own jwt_over jwt_forged
POST /v1/telemetry                401      401      401     401     401      401     401 422       401   401       401   422 401     401      401
POST /v1/enrol                    401      401      401     401     401      401     401 401       401   401       401   401 401     401      401
POST /v1/claim                    401      401      401     401     401      401     401 401       401   401       401   401 401     401      401
POST /v1/renew                    401      401      401     401     401      401     401 401       401   401       401   401 401     401      401
POST /v1/trust                    401      401      401     401     401      401     401 401       401   401       401   401 401     401      401
GET /v1/ca                        200      200      200     200     200      200     200 200       200   200       200   200 200     200      200
POST /v1/registry                 404      404      404     404     404      404     404 404       404   404       404   404 404     404      404
`

/** At the dashboards, which take the registry's tokens alone and say 403 to whoever may not. */
const DASHBOARDS = `
                                  stranger invented revoked expired commands observe own telemetry query own_query admin all jwt_own jwt_over jwt_forged
GET /api/commands                 403      403      403     403     403      200     403 403       403   403       403   200 403     403      403
GET /api/commands/{of own-1}      403      403      403     403     403      200     200 403       403   403       403   200 403     403      403
GET /api/commands/{of other-1}    403      403      403     403     403      200     404 403       403   403       403   200 403     403      403
POST /api/commands own-1          403      403      403     403     200      403     200 403       403   403       403   200 403     403      403
POST /api/commands other-1        403      403      403     403     200      403     403 403       403   403       403   200 403     403      403
GET /api/hubs                     403      403      403     403     403      200     200 403       403   403       403   200 403     403      403
GET /api/hubs/own-1/devices       403      403      403     403     403      200     200 403       403   403       403   200 403     403      403
GET /api/hubs/other-1/devices     403      403      403     403     403      200     404 403       403   403       403   200 403     403      403
GET /api/live                     403      403      403     403     403      200     200 403       403   403       403   200 403     403      403
GET /api/definitions              403      403      403     403     403      200     200 403       403   403       403   200 403     403      403
GET /api/around                   403      403      403     403     403      403     403 403       200   403       403   200 403     403      403
GET /api/fleet                    403      403      403     403     403      403     403 403       200   403       403   200 403     403      403
GET /api/completeness             403      403      403     403     403      403     403 403       200   403       403   200 403     403      403
GET /api/freshness                403      403      403     403     403      403     403 403       200   200       403   200 403     403      403
GET /api/jobs                     403      403      403     403     403      403     403 403       200   403       403   200 403     403      403
GET /api/jobs/{metric}/explain    403      403      403     403     403      403     403 403       200   403       403   200 403     403      403
GET /api/lake                     403      403      403     403     403      403     403 403       200   403       403   200 403     403      403
GET /api/lake/{table}/versions    403      403      403     403     403      403     403 403       200   403       403   200 403     403      403
POST /api/query                   403      403      403     403     403      403     403 403       200   403       403   200 403     403      403
GET /api/schema                   403      403      403     403     403      403     403 403       200   200       403   200 403     403      403
GET /api/openapi.json             200      200      200     200     200      200     200 200       200   200       200   200 200     200      200
GET /healthz                      200      200      200     200     200      200     200 200       200   200       200   200 200     200      200
POST /api/registry                404      404      404     404     404      404     404 404       404   404       404   404 404     404      404
`

/** At the gateway's HTTPS port, by certificate and without a token. */
const CERTIFICATES = `
                                  hub  retired revoked anew service server claim foreign
POST /v1/telemetry                422  401     401     401  422     401    401   401
POST /v1/renew                    200  401     401     401  401     401    401   401
POST /v1/trust                    200  401     401     401  401     401    401   401
POST /v1/claim                    401  401     401     401  401     401    401   401
`

let system: System
let tokens: ReadonlyMap<string, string>
let certificates: ReadonlyMap<string, { readonly key: string; readonly cert: string }>
let csr: string
/** By role, or by the hub that `all` commanded. */
const commands = new Map<string, string>()

beforeAll(async () => {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  system = await openSystem({
    ...{ HEARTH_TOKENS_ISSUER: ISSUER.issuer, HEARTH_TOKENS_AUDIENCE: ISSUER.audience },
    ...{ HEARTH_TOKENS_JWKS_FILE: 'jwks.json', HEARTH_INGEST_FRESHNESS_MS: '500' },
  })
  writeFileSync(join(system.home, 'jwks.json'), JSON.stringify({ keys: [await exportJWK(keys.publicKey)] }))
  await makeFleet()
  tokens = await makeTokens(keys.privateKey)
  for (const name of ['ingest', 'relay', 'dashboards'])
    await system.start([name]).untilSaid(/"event":"ready"/, START_MS)
  await until(
    'the dashboards answer queries',
    START_MS,
    async () => (await at('dashboards', 'POST /api/query', 'all')) === 200,
  )
  const explained = () => at('dashboards', 'GET /api/jobs/{metric}/explain', 'all')
  await until('there are events to explain', START_MS, async () => (await explained()) === 200)
  for (const hub of [OWN, OTHER]) commands.set(hub, await commandBy('all', hub))
  for (const role of ['commands', 'own', 'all', 'jwt_own']) commands.set(role, await commandBy(role, OWN))
})
afterAll(() => system[Symbol.asyncDispose]())

async function makeFleet(): Promise<void> {
  const context = { home: system.home, config: parseConfig({}, 'test'), clock: machineClock, random: machineRandom }
  const registry = await openRegistry(context)
  const authority = await openAuthority(context, registry)
  const place = { home: 'home', region: 'local', model: 'm', zone: 'UTC', enrolled_ms: 1, maintenance: [] }
  for (const hub of [OWN, OTHER, 'gone-1', 'stolen-1', 'anew-1'])
    await registry.putHub({ hub, ...place, generation: 1 }, 1)
  const issued = {
    hub: await authority.issueHub(OWN, 1),
    retired: await authority.issueHub('gone-1', 1),
    revoked: await authority.issueHub('stolen-1', 1),
    anew: await authority.issueHub('anew-1', 1),
    service: await authority.issueService('a-service'),
    server: await authority.issueServer('a-server'),
    claim: await authority.issueClaim('spring'),
  }
  await registry.retireHub('gone-1', 2)
  await registry.revokeCertificate(issued.revoked.entry.serial, 'stolen')
  await registry.putHub({ hub: 'anew-1', ...place, generation: 2 }, 2)
  await registry.close()
  const foreign = { ...context, home: join(system.home, 'foreign') }
  const theirs = await openRegistry(foreign)
  const strange = await (await openAuthority(foreign, theirs)).issueHub(OWN, 1)
  await theirs.close()
  certificates = new Map(
    Object.entries({ ...issued, foreign: strange }).map(([name, one]) => [
      name,
      { key: one.key_pem, cert: one.certificate_pem },
    ]),
  )
  csr = (await createRequest('x')).csr_pem
}

async function makeTokens(key: KeyObject): Promise<ReadonlyMap<string, string>> {
  const made = async (name: string, ...words: readonly string[]) =>
    z
      .object({ token: z.string() })
      .parse(JSON.parse(await system.must(['registry', 'token', 'create', name, '--json', ...words]))).token
  const scopes = (...names: readonly string[]) => names.flatMap((name) => ['--scope', name])
  const every = [...scopes('commands', 'observe', 'telemetry', 'query', 'admin'), '--telemetry-source', OWN]
  const now_s = Math.floor(Date.now() / 1000)
  const jwt = (by: KeyObject, ends_s: number) =>
    new SignJWT({ scope: 'commands observe', hubs: [OWN], sub: 'phone' })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer(ISSUER.issuer)
      .setAudience(ISSUER.audience)
      .setIssuedAt(now_s - 1000)
      .setExpirationTime(ends_s)
      .sign(by)
  const found = {
    invented: `hearth_${'x'.repeat(43)}`,
    revoked: await made('revoked', ...every),
    expired: await made('expired', ...every, '--days', '0.0000001'),
    commands: await made('commands', ...scopes('commands')),
    observe: await made('observe', ...scopes('observe')),
    own: await made('own', ...scopes('commands', 'observe'), '--hub', OWN),
    telemetry: await made('telemetry', ...scopes('telemetry'), '--telemetry-source', OWN),
    query: await made('query', ...scopes('query')),
    own_query: await made('own-query', ...scopes('query'), '--hub', OWN),
    admin: await made('admin', ...scopes('admin')),
    all: await made('all', ...every),
    jwt_own: await jwt(key, now_s + 600),
    jwt_over: await jwt(key, now_s - 600),
    jwt_forged: await jwt(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, now_s + 600),
  }
  await system.must(['registry', 'token', 'revoke', 'revoked'])
  return new Map(Object.entries(found))
}

type Place = 'relay' | 'gateway' | 'dashboards'
const portOf = (place: Place) =>
  ({ relay: system.ports.app, gateway: system.ports.https, dashboards: system.ports.dashboards })[place]
const body = { device: 'lamp', set: { powered: true }, deadline_ms: 1_000 }

/** What is sent with an action, where it needs something. */
function bodyFor(action: string): string | undefined {
  if (!action.startsWith('POST')) return undefined
  if (action.endsWith('/commands')) return JSON.stringify(body)
  const [, , hub] = action.split(' ')
  if (action.startsWith('POST /api/commands')) return JSON.stringify({ hub, ...body })
  if (action.endsWith('/api/query')) return JSON.stringify({ sql: 'select 1' })
  if (action.endsWith('/enrol')) return JSON.stringify({ code: 'no-such-code', csr })
  if (action.endsWith('/claim')) return JSON.stringify({ serial: 'SN-0001', csr })
  if (action.endsWith('/trust')) return JSON.stringify({ ca_sha256: '0'.repeat(64) })
  return action.endsWith('/renew') ? JSON.stringify({ csr }) : '{}\n'
}

const HOUR_MS = 3_600_000
const THIS_HOUR_MS = Math.floor(Date.now() / HOUR_MS) * HOUR_MS
const WINDOW = `?from=${THIS_HOUR_MS - HOUR_MS}&to=${THIS_HOUR_MS}`
/** What operations need to be asked. */
const QUERIES: Readonly<Record<string, string>> = {
  ...{ 'GET /api/commands': WINDOW, 'GET /api/fleet': WINDOW, 'GET /api/completeness': WINDOW },
  ...{ 'GET /api/jobs': WINDOW, 'GET /api/lake': WINDOW },
  'GET /api/jobs/hub_hours/explain': `?hour=${THIS_HOUR_MS}`,
  'GET /api/around': `?hub=${OWN}&device=lamp&at=${THIS_HOUR_MS}`,
}

function pathFor(action: string, role: string): string {
  const [method, path = ''] = action.replace('{its own}', commands.get(role) ?? '0'.repeat(32)).split(/ (?=\/)/)
  const filled = path
    .replace(/\{of (\S+)\}/, (_all, hub: string) => commands.get(hub) ?? '')
    .replace('{metric}', 'hub_hours')
    .replace('{table}', 'events')
    .replace(/ .*$/, '')
  return `${filled}${QUERIES[`${method} ${filled}`] ?? ''}`
}

/** The status that an action has for whoever has this token, or this certificate. */
function at(
  place: Place,
  action: string,
  role: string,
  tls?: { readonly key: string; readonly cert: string },
): Promise<number> {
  const token = tokens.get(role)
  const [method] = action.split(' ')
  const text = bodyFor(action)
  const url = `${place === 'gateway' ? 'https' : 'http'}://127.0.0.1:${portOf(place)}${pathFor(action, role)}`
  const headers = {
    ...(text === undefined ? {} : { 'content-type': 'application/json' }),
    ...(token === undefined || tls ? {} : { authorization: `Bearer ${token}` }),
  }
  if (place !== 'gateway') {
    const ending = new AbortController()
    return fetch(url, {
      method: method ?? '',
      headers,
      signal: ending.signal,
      ...(text === undefined ? {} : { body: text }),
    }).then(({ status }) => {
      // The live feed would go on.
      ending.abort()
      return status
    })
  }
  return new Promise((resolve, reject) => {
    const sent = https.request(url, { ...tls, method, headers, agent: false, rejectUnauthorized: false }, (answer) => {
      answer.resume()
      answer.on('end', () => resolve(answer.statusCode ?? 0))
    })
    sent.on('error', reject)
    sent.end(text)
  })
}

async function commandBy(role: string, hub: string): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${system.ports.app}/v1/hubs/${hub}/commands`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tokens.get(role)}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return z.object({ command: z.string() }).parse(await answer.json()).command
}

const STATUS_OF: Readonly<Record<string, number>> = { unauthorized: 403, missing: 404 }

/** 101 once the socket is open; with a hub, what a command over it comes to. */
function live(role: string, hub?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const token = tokens.get(role)
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const url = `ws://127.0.0.1:${system.ports.app}/v1/live`
    // As a browser says it, for a token of an issuer elsewhere; as anybody else does, for the others.
    const asBrowser = token !== undefined && role.startsWith('jwt')
    const socket = asBrowser
      ? new WebSocket(url, [LIVE_PROTOCOL, `${TOKEN_PROTOCOL}${token}`])
      : new WebSocket(url, { headers })
    const answer = (status: number) => {
      socket.terminate()
      resolve(status)
    }
    socket.on('unexpected-response', (_request, response) => answer(response.statusCode ?? 0))
    socket.on('error', reject)
    socket.on('open', () => {
      if (hub === undefined) answer(101)
      else socket.send(JSON.stringify({ type: 'command', ref: 'r', hub, command: body }))
    })
    socket.on('message', (data: Buffer) => {
      const said = z
        .object({ type: z.string(), ref: z.string().optional(), kind: z.string().optional() })
        .parse(JSON.parse(data.toString()))
      if (said.ref === 'r') answer(said.type === 'answer' ? 200 : (STATUS_OF[said.kind ?? ''] ?? 0))
    })
  })
}

/** Rows of a table as `action → { role: status }`; its first line has the names of the columns. */
function rowsOf(table: string): readonly (readonly [string, Readonly<Record<string, number>>])[] {
  const [head = '', ...lines] = table.trim().split('\n')
  const names = head.trim().split(/ +/)
  return lines.map((line) => {
    const [action = '', ...cells] = line.split(/ {2,}| (?=\d{3})/).filter(Boolean)
    expect(cells.length, action).toBe(names.length)
    return [action.trim(), Object.fromEntries(names.map((name, i) => [name, Number(cells[i])]))]
  })
}

async function ask(place: Place, action: string, role: string): Promise<number> {
  if (action === 'GET /v1/live') return live(role)
  if (action.startsWith('live: command ')) return live(role, action.split(' ').at(-1))
  return at(place, action, role)
}

describe.each([
  ['relay', RELAY],
  ['gateway', GATEWAY],
  ['dashboards', DASHBOARDS],
] as const)('at the %s', (place, table) => {
  test.each(rowsOf(table))('%s is for those who may', async (action, expected) => {
    expect(Object.keys(expected)).toEqual(ROLES)
    const found: Record<string, number> = {}
    for (const role of ROLES) found[role] = await ask(place, action, role)
    expect(found).toEqual(expected)
  })
})

test.each(rowsOf(CERTIFICATES))('by certificate, %s is for those who may', async (action, expected) => {
  const found: Record<string, number> = {}
  for (const name of Object.keys(expected))
    found[name] = await at('gateway', action, 'stranger', certificates.get(name))
  expect(found).toEqual(expected)
})

test('the tables have every operation that the interfaces tell of', async () => {
  const documents = [
    ['/v1/openapi.json', system.ports.app, RELAY],
    ['/api/openapi.json', system.ports.dashboards, DASHBOARDS],
  ] as const
  const document = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) })
  for (const [path, port, table] of documents) {
    const { paths } = document.parse(await (await fetch(`http://127.0.0.1:${port}${path}`)).json())
    const shape = (text: string) => text.replaceAll(/\{[^}]*\}/g, '{}')
    const listed = rowsOf(table).map(([action]) => shape(action.replace('/own-1/', '/{}/')))
    const told = Object.entries(paths).flatMap(([url, methods]) =>
      Object.keys(methods).map((method) => shape(`${method.toUpperCase()} ${url}`)),
    )
    expect(told.length).toBeGreaterThan(3)
    expect(told.filter((one) => !listed.some((action) => action === one || action.startsWith(`${one} `)))).toEqual([])
  }
})

test('a key that was used is for the same command alone, of the same app, and another app may use it too', async () => {
  const send = async (role: string, hub: string, powered: boolean) => {
    const answer = await fetch(`http://127.0.0.1:${system.ports.app}/v1/hubs/${hub}/commands`, {
      method: 'POST',
      headers: {
        ...{ authorization: `Bearer ${tokens.get(role)}`, 'content-type': 'application/json' },
        'idempotency-key': 'the-same',
      },
      body: JSON.stringify({ ...body, set: { powered } }),
    })
    const told = z.object({ command: z.string().optional() }).parse(await answer.json())
    return [answer.status, told.command] as const
  }
  const [status, first] = await send('all', OWN, true)
  expect(status).toBe(200)
  expect(await send('all', OWN, true)).toEqual([200, first])
  expect((await send('all', OWN, false))[0]).toBe(409)
  const [otherHub, elsewhere] = await send('all', OTHER, false)
  const [otherApp, theirs] = await send('own', OWN, false)
  expect([otherHub, otherApp, new Set([first, elsewhere, theirs]).size]).toEqual([200, 200, 3])
})
