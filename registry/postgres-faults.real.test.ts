/** A registry in Postgres on bad days: writers at once, writers killed, Postgres killed, frozen, restored, misconfigured. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import type { HubRecord } from '../contract/registry-record.ts'
import { type PostgresServer, startPostgres } from '../infra/postgres/server.ts'
import type { Administration } from './administration.ts'
import { openPostgresRegistry, type PostgresRegistryOptions } from './postgres-registry.ts'

const FIXTURE = new URL('writer.fixture.ts', import.meta.url).pathname
const BUCKETS = 4
const SOON = { timeout: 20_000 }
const hub = (id: string): HubRecord => ({
  ...{ hub: id, home: 'home', region: 'eu', model: 'h1', zone: 'UTC', generation: 1, enrolled_ms: 1, maintenance: [] },
})

let postgres: PostgresServer
let url: string
let folder: string
let opened: Administration[]
beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres[Symbol.asyncDispose]())
beforeEach(async () => {
  url = await postgres.newDatabase()
  folder = mkdtempSync(join(tmpdir(), 'hearth-registry-'))
  opened = []
})
afterEach(async () => {
  for (const registry of opened) await registry.close()
  rmSync(folder, { recursive: true })
})

const database = () => new URL(url).pathname.slice(1)
const copyOf = (machine: string) => join(folder, `${machine}.db`)

async function open(machine: string, more: Partial<PostgresRegistryOptions> = {}): Promise<Administration> {
  const registry = await openPostgresRegistry({
    ...{ fleet: 'demo', layout: { epoch: 1, buckets: BUCKETS }, clock: machineClock, random: machineRandom },
    address: { url, password: postgres.password, ca: readFileSync(postgres.ca_file, 'utf8') },
    copy: copyOf(machine),
    note: () => undefined,
    ...more,
  })
  opened.push(registry)
  return registry
}

/** Whose events are there, by bucket; fails where the numbers have a gap. */
function told(registry: Administration): string[] {
  return Array.from({ length: BUCKETS }, (_, bucket) => {
    const changes = registry.changes(bucket, 0, 10_000)
    expect(changes.map(({ seq }) => seq)).toEqual(changes.map((_one, index) => index))
    return changes.map(({ event }) => String(event['hub']))
  }).flat()
}

function writer(prefix: string, count: number) {
  const words = [url, postgres.ca_file, postgres.password, copyOf(prefix), prefix, String(count)]
  const child = spawn(process.execPath, [FIXTURE, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const acknowledged: string[] = []
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => acknowledged.push(line))
  return { child, acknowledged, ended: Promise.all([once(child, 'exit'), once(lines, 'close')]) }
}

test('writers in several processes, one of them killed, leave numbers without a gap and a record for each event', async () => {
  const reader = await open('reader')
  const writers = ['a', 'b', 'c'].map((prefix) => writer(prefix, 150))
  const doomed = writer('doomed', 100_000)
  await vi.waitFor(() => expect(doomed.acknowledged.length).toBeGreaterThan(40), { timeout: 60_000 })
  doomed.child.kill('SIGKILL')
  for (const { ended } of [...writers, doomed]) await ended
  const acknowledged = [...writers, doomed].flatMap((one) => one.acknowledged)
  expect(acknowledged.length).toBeGreaterThan(490)
  await reader.putHub(hub('last'), 1)
  const events = told(reader)
  expect(events.toSorted()).toEqual(
    reader
      .hubs()
      .map((one) => one.hub)
      .toSorted(),
  )
  expect(acknowledged.filter((name) => !events.includes(name))).toEqual([])
  // What the killed one was not told of is one change at most.
  expect(events.length - acknowledged.length - 1).toBeLessThanOrEqual(1)
})

test('of several devices that spend one code at once, on connections of their own, one gets it', async () => {
  const machines = await Promise.all(['a', 'b', 'c', 'd'].map((name) => open(name)))
  await machines[0]?.putHub(hub('kitchen'), 1)
  const code = (await machines[0]?.createCode('kitchen')) ?? ''
  const answers = await Promise.allSettled(machines.map((one, index) => one.redeemCode(code, `key-${index}`)))
  expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  for (const answer of answers)
    if (answer.status === 'rejected') expect(String(answer.reason)).toMatch(/used by another device/)
})

test('with Postgres gone everything is answered from the copy, a start too, and it catches up by itself', async () => {
  const notes: string[] = []
  const relay = await open('relay', { note: (text) => notes.push(text) })
  await relay.putHub(hub('kitchen'), 1)
  const token = await relay.createToken({ app: 'panel', scopes: ['commands'] })
  const certificate = { source: 'kitchen', generation: 1, serial: 'AB' }
  await relay.recordCertificate({ ...certificate, role: 'hub', issued_ms: 1, expires_ms: 2 })
  const expectAll = (registry: Administration) => {
    expect(registry.allows(certificate)).toEqual({ ok: true })
    expect(registry.verifyToken(token).app).toBe('panel')
    expect(registry.hub('kitchen')?.home).toBe('home')
    expect(told(registry)).toEqual(['kitchen'])
  }
  await postgres.kill()
  expectAll(relay)
  await expect(relay.putHub(hub('attic'), 1)).rejects.toMatchObject({ kind: 'unavailable', outcome: 'did-not-happen' })
  await vi.waitFor(() => expect(notes).toHaveLength(1), SOON)
  const started = await open('relay')
  expectAll(started)
  expect([started.boot, started.wall_ms]).toEqual([relay.boot, relay.wall_ms])
  await expect(open('nowhere')).rejects.toMatchObject({ kind: 'unavailable' })
  expect(relay.stale_ms()).toBeGreaterThan(0)

  await postgres.restart()
  const other = await open('other')
  await other.revokeCertificate('AB', 'stolen')
  await other.revokeToken('panel')
  await vi.waitFor(() => {
    for (const registry of [relay, started]) {
      expect(registry.allows(certificate)).toMatchObject({ ok: false, reason: expect.stringContaining('stolen') })
      expect(() => registry.verifyToken(token)).toThrow(/revoked/)
    }
    expect(notes).toHaveLength(2)
  }, SOON)
  expect(notes).toEqual([expect.stringMatching(/goes on from its copy/), expect.stringMatching(/there again/)])
  await relay.putHub(hub('attic'), 1)
  expect(relay.hub('attic')).toBeDefined()
})

test('a change after its connection was killed goes by a new one', async () => {
  const registry = await open('a')
  const pids = async () =>
    (await postgres.ask("SELECT pid FROM pg_stat_activity WHERE application_name = 'hearth'", database())).split('\n')
  await postgres.ask(`SELECT pg_terminate_backend(${(await pids())[0]})`)
  await registry.putHub(hub('after-goodbye'), 1)
  // The whole server recovers from that: it may be `unavailable` meanwhile, and says so.
  postgres.killBackend(Number((await pids())[0]))
  await vi.waitFor(() => registry.putHub(hub('after-kill'), 1), SOON)
  expect(registry.hubs().map((one) => one.hub)).toEqual(['after-goodbye', 'after-kill'])
  expect(told(registry)).toHaveLength(2)
})

test('a Postgres that answers nothing holds up no answer, and is given up by who waits for it', async () => {
  const registry = await open('a')
  await registry.putHub(hub('kitchen'), 1)
  await postgres.pause()
  try {
    const change = registry.putHub(hub('attic'), 1).catch((error: unknown) => error)
    expect(registry.hub('kitchen')).toBeDefined()
    expect(await change).toMatchObject({ kind: 'unavailable', outcome: 'did-not-happen' })
  } finally {
    await postgres.resume()
  }
  await vi.waitFor(() => registry.putHub(hub('attic'), 1), SOON)
  expect(told(registry)).toEqual(expect.arrayContaining(['kitchen', 'attic']))
})

test('a change by hand in the database is heard of everywhere, within a moment', async () => {
  const registry = await open('a')
  const token = await registry.createToken({ app: 'panel', scopes: ['commands'] })
  let heard = 0
  registry.watch(() => heard++)
  await postgres.ask("UPDATE hearth.tokens SET revoked_ms = 1 WHERE app = 'panel'", database())
  await vi.waitFor(() => {
    expect(() => registry.verifyToken(token)).toThrow(/revoked/)
    expect(heard).toBe(1)
  }, SOON)
  await postgres.ask('DELETE FROM hearth.tokens', database())
  await vi.waitFor(() => expect(() => registry.verifyToken(token)).toThrow(/not known/), SOON)
})

test('who may only read follows, and is told that it may change nothing', async () => {
  const registry = await open('a')
  await registry.putHub(hub('kitchen'), 1)
  await postgres.ask(
    `CREATE ROLE follower LOGIN PASSWORD 'p-w'; GRANT USAGE ON SCHEMA hearth TO follower; GRANT SELECT ON ALL TABLES IN SCHEMA hearth TO follower`,
    database(),
  )
  const ca = readFileSync(postgres.ca_file, 'utf8')
  const address = { url: url.replace('postgres@', 'follower@'), password: 'p-w', ca }
  const follower = await open('follower', { address })
  expect(follower.hub('kitchen')).toBeDefined()
  await expect(follower.putHub(hub('attic'), 1)).rejects.toMatchObject({ kind: 'unauthorized' })
  await registry.putHub(hub('attic'), 1)
  await vi.waitFor(() => expect(follower.hub('attic')).toBeDefined(), SOON)
})

test('a copy of another database, or of a later state than this one, is made anew', async () => {
  const before = await open('a')
  for (const name of ['one', 'two', 'three']) await before.putHub(hub(name), 1)
  await before.close()
  opened = []
  url = await postgres.newDatabase()
  const other = await open('b')
  await other.putHub(hub('another'), 1)
  const after = await open('a')
  expect(after.boot).toBe(other.boot)
  expect(after.hubs().map((one) => one.hub)).toEqual(['another'])
  expect(told(after)).toEqual(['another'])
})

test('what is wrong with the way to Postgres is said, and nobody but the named server is spoken to', async () => {
  const ca = readFileSync(postgres.ca_file, 'utf8')
  const { password } = postgres
  const failed = async (address: PostgresRegistryOptions['address'], more: Partial<PostgresRegistryOptions> = {}) => {
    const error: unknown = await open('x', { address, ...more }).catch((raised: unknown) => raised)
    expect(String(error)).not.toContain(password)
    return error
  }
  expect(await failed({ url, password: 'wrong', ca })).toMatchObject({
    kind: 'unauthorized',
    message: expect.stringMatching(/refuses this user: correct registry.url, or registry.password_file/),
  })
  expect(await failed({ url, password })).toMatchObject({ kind: 'unavailable', message: expect.stringMatching(/cert/) })
  expect(await failed({ url: url.replace('localhost', '127.0.0.2'), password, ca })).toMatchObject({
    message: expect.stringMatching(/127\.0\.0\.2 is not in the cert/),
  })
  expect(await failed({ url: `${url}_none`, password, ca })).toMatchObject({ kind: 'missing' })
  await open('right')
  expect(await failed({ url, password, ca }, { fleet: 'other' })).toMatchObject({ kind: 'conflict' })
  expect(await failed({ url, password, ca }, { layout: { epoch: 1, buckets: 8 } })).toMatchObject({ kind: 'conflict' })
  const secure =
    "SELECT count(*), bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'hearth'"
  // Those that were refused are gone.
  await vi.waitFor(async () => expect(await postgres.ask(secure, database())).toBe('1|t'), SOON)
})
