/** Every secret of a system is used once where it is good and once where it is not; none is ever said. */
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportJWK, SignJWT } from 'jose'
import { expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { startPostgres } from '../infra/postgres/server.ts'
import { openSystem } from './testing/system.ts'

const START_MS = 60_000
const ISSUER = 'https://login.example'

it('neither logs nor what commands say has a token, a key, a code or a password, good ones or bad ones', async () => {
  await using postgres = await startPostgres()
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await using system = await openSystem({
    ...{ HEARTH_LOG: 'debug', HEARTH_INGEST_FRESHNESS_MS: '500' },
    HEARTH_REGISTRY_URL: postgres.url.replace('postgres@', `postgres:${postgres.password}@`),
    HEARTH_REGISTRY_CA_FILE: postgres.ca_file,
    ...{ HEARTH_TOKENS_ISSUER: ISSUER, HEARTH_TOKENS_AUDIENCE: 'hearth', HEARTH_TOKENS_JWKS_FILE: 'jwks.json' },
  })
  writeFileSync(join(system.home, 'jwks.json'), JSON.stringify({ keys: [await exportJWK(keys.publicKey)] }))
  const secrets = new Map<string, string>([['the password of Postgres', postgres.password]])
  /** Everything that was said, on either stream, but for what a command was asked to show. */
  const said: string[] = []
  const run = async (words: readonly string[], environment: NodeJS.ProcessEnv = {}) => {
    const result = await system.run(words, environment)
    said.push(result.stdout, result.stderr)
    return result
  }
  const shown = async (name: string, key: 'token' | 'code', ...words: readonly string[]) => {
    const { [key]: secret } = JSON.parse(await system.must(['registry', ...words, '--json'])) as Record<string, string>
    secrets.set(name, secret ?? '')
    return secret ?? ''
  }

  const processes = ['ingest', 'relay', 'dashboards'].map((name) => system.start([name]))
  for (const running of processes) await running.untilSaid(/"event":"ready"/, START_MS)
  const app = `http://127.0.0.1:${system.ports.app}`
  const pages = `http://127.0.0.1:${system.ports.dashboards}`

  // A hub by its code, which is then tried by somebody else; a code that was never made.
  await system.must(['registry', 'add', 'hub-01'])
  const code = await shown('a code', 'code', 'code', 'hub-01')
  const invented = 'abcdef-ghjkmn-pqrstv-wxyz01'
  secrets.set('a code that is none', invented)
  const hubWords = (id: string, with_code: string) => [
    ...['hub', '--id', id, '--code', with_code, '--enrol', `https://127.0.0.1:${system.ports.https}`],
    ...['--relay', `mqtts://127.0.0.1:${system.ports.hub}`, '--gateway', `mqtts://127.0.0.1:${system.ports.mqtt}`],
  ]
  const hub = system.start(hubWords('hub-01', code))
  processes.push(hub)
  await hub.untilSaid(/connected to the relay/, START_MS)
  for (const [id, with_code] of [
    ['thief', code],
    ['guesser', invented],
  ] as const)
    expect((await run(hubWords(id, with_code))).code).toBe(1)

  // Tokens: of the registry and of an issuer, good ones, revoked ones, invented ones; in headers, links, sockets, variables.
  const good = await shown('a token', 'token', 'token', 'create', 'good', '--scope', 'commands', '--scope', 'observe')
  const bad = await shown('a revoked token', 'token', 'token', 'create', 'bad')
  await system.must(['registry', 'token', 'revoke', 'bad'])
  const now_s = Math.floor(Date.now() / 1000)
  const jwt = (name: string, ends_s: number) =>
    new SignJWT({ scope: 'commands observe', hubs: '*', sub: name, iat: now_s })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer(ISSUER)
      .setAudience('hearth')
      .setExpirationTime(ends_s)
      .sign(keys.privateKey)
  const bearers = {
    good,
    bad,
    invented: `hearth_${'Zz09'.repeat(11)}`,
    jwt: await jwt('phone', now_s + 600),
    'jwt that is over': await jwt('phone', now_s - 600),
    nonsense: 'Sup3r-s3cret-nonsense',
  }
  for (const [name, bearer] of Object.entries(bearers)) {
    secrets.set(`bearer: ${name}`, bearer)
    const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ device: 'living-lamp', set: { powered: true }, deadline_ms: 2_000 })
    const answer = await fetch(`${app}/v1/hubs/hub-01/commands`, { method: 'POST', headers, body })
    expect(answer.status, name).toBe(['good', 'jwt'].includes(name) ? 200 : 401)
    said.push(await answer.text())
    for (const url of [
      `${app}/v1/hubs?token=${bearer}`,
      `${pages}/api/hubs`,
      `${pages}/?token=${bearer}`,
      `${app}/${bearer}`,
    ]) {
      const got = await fetch(url, { headers: url.startsWith(`${app}/${bearer}`) ? {} : headers, redirect: 'manual' })
      // What was asked for is repeated to who asked, and to nobody else.
      if (!url.includes(bearer)) said.push(await got.text())
    }
    await new Promise<void>((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${system.ports.app}/v1/live`, { headers })
      socket.on('unexpected-response', () => resolve())
      socket.on('open', () => socket.close())
      socket.on('close', () => resolve())
      socket.on('error', () => resolve())
    })
    await run(['send', 'hub-01', 'living-lamp', 'powered=1', '--relay', app], { HEARTH_TOKEN: bearer })
  }

  // A registry that is told another password, by either way; and the right one, of a server that is gone.
  secrets.set('a wrong password', 'wr0ng-passw0rd')
  const wrong = { HEARTH_REGISTRY_URL: postgres.url.replace('postgres@', 'postgres:wr0ng-passw0rd@') }
  expect((await run(['registry', 'hubs'], wrong)).code).toBe(1)
  expect((await run(['registry', 'hubs'], { HEARTH_REGISTRY_URL: 'postgres://me:wr0ng-passw0rd@' })).code).not.toBe(0)
  await postgres.kill()
  const relay = processes[1]
  await relay?.untilSaid(/goes on from its copy/, START_MS)
  await run(['registry', 'hubs'])
  await run(['doctor', '--json'])
  await run(['doctor'])

  // Keys of this system: the CA's, the servers', the hub's, a claim certificate's.
  const folders = [join(system.home, 'ca'), join(system.home, 'hubs', 'hub-01')]
  for (const folder of folders) {
    for (const name of readdirSync(folder).filter((one) => one.endsWith('.pem'))) {
      const text = readFileSync(join(folder, name), 'utf8')
      const [, inside = ''] = /-----BEGIN PRIVATE KEY-----([^-]+)-----END/.exec(text) ?? []
      for (const line of inside.trim().split('\n').filter(Boolean)) secrets.set(`${name}: ${line.slice(0, 6)}`, line)
    }
  }
  expect([...secrets.keys()].filter((name) => name.includes('.pem')).length).toBeGreaterThan(6)
  // A key that is torn is refused by the name of its file.
  mkdirSync(join(system.home, 'hubs', 'torn'), { recursive: true })
  for (const name of ['key.pem', 'cert.pem', 'ca.pem']) {
    const text = readFileSync(join(system.home, 'hubs', 'hub-01', name), 'utf8')
    writeFileSync(join(system.home, 'hubs', 'torn', name), name === 'key.pem' ? text.slice(0, -40) : text)
  }
  await run(['hub', '--id', 'torn'])

  for (const running of processes) running.signal('SIGTERM')
  for (const { ended } of processes) await ended
  said.push(...processes.map((running) => running.said()))
  const everything = said.join('\n')
  // They did say something of what was refused, or this test looks at nothing.
  expect(everything).toMatch(/"event":"denied".*an app was turned away/)
  expect(everything).toMatch(/"event":"refused".*\/v1\/enrol: this enrolment code was used by another device/)
  expect(everything).toMatch(/was turned away from GET \/api\/hubs/)
  expect(everything).toMatch(/is not known here/)
  expect(everything).toMatch(/this token is not good/)
  const leaked = [...secrets].filter(([, secret]) => everything.includes(secret)).map(([name]) => name)
  expect(leaked).toEqual([])
})
