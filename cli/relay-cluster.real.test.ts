/** Three relays, a Redis, hubs that choose among them: commands come in anywhere, and everything may go away for a while. */
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect } from '../client/client.ts'
import { type RedisServer, startRedis } from '../infra/redis/server.ts'
import { type CommandReport, type Relays, relaysOf } from './testing/relays.ts'
import { openSystem, type Running, type System, until } from './testing/system.ts'

const START_MS = 60_000
const HEAL_MS = 90_000
const HUBS = ['hub-01', 'hub-02', 'hub-03', 'hub-04']
const PASSWORD = 'a-word-of-tests'

let system: System
let redis: RedisServer
let relays: Relays
let token: string
let directory: NodeJS.ProcessEnv
let hubs: Running

beforeAll(async () => {
  redis = await startRedis({ tls: true, password: PASSWORD, settings: ['dbfilename dump.rdb'] })
  system = await openSystem({ HEARTH_INGEST_FRESHNESS_MS: '500' })
  token = JSON.parse(await system.must(['registry', 'token', 'create', 'test', '--json'])).token
  const password_file = join(system.home, 'redis-password')
  writeFileSync(password_file, `${PASSWORD}\n`, { mode: 0o600 })
  directory = {
    HEARTH_RELAY_DIRECTORY: redis.url,
    HEARTH_RELAY_DIRECTORY_CA_FILE: redis.ca_file ?? '',
    HEARTH_RELAY_DIRECTORY_PASSWORD_FILE: password_file,
  }
  relays = await relaysOf(system, 3, { token, settings: directory })
  await system.start(['ingest']).untilSaid(/"event":"ready"/, START_MS)
  for (const name of relays.names) await relays.start(name)
  hubs = system.start(['hub', '--simulated', String(HUBS.length), '--relay', relays.hub_urls])
  await connected()
}, 3 * START_MS)

afterAll(async () => {
  await system?.[Symbol.asyncDispose]()
  await redis?.[Symbol.asyncDispose]()
})

/** Each hub is held by a relay. */
const connected = () =>
  until('all hubs are connected', HEAL_MS, async () => {
    const holders = await Promise.all(HUBS.map((hub) => relays.holderOf(hub)))
    return holders.every((name) => name !== undefined)
  })

/** Each hub is reached from each relay that is in `names`. */
const reached = (names = relays.names) =>
  until('each hub is reached from each relay', HEAL_MS, async () => {
    const all = names.flatMap((name) => HUBS.map((hub) => relays.post(name, hub).catch(() => undefined)))
    return (await Promise.all(all)).every((report) => report?.outcome === 'done')
  })

/** A hub, the relay that holds it, and one that does not. */
async function aHub(): Promise<{ hub: string; holder: string; other: string }> {
  await connected()
  for (const hub of HUBS) {
    const holder = await relays.holderOf(hub)
    const other = relays.names.find((name) => name !== holder)
    if (holder !== undefined && other !== undefined) return { hub, holder, other }
  }
  throw new Error('unreachable')
}

test('a command is carried out wherever it comes in, is one command at all relays, and is told at each', async () => {
  await reached()
  const { hub, holder, other } = await aHub()
  const key = crypto.randomUUID()
  const first = await relays.post(other, hub, { key })
  expect(first).toMatchObject({ outcome: 'done' })
  for (const name of relays.names) {
    expect(await relays.post(name, hub, { key })).toMatchObject({ command: first.command, outcome: 'done' })
    expect(await relays.get(name, first.command)).toMatchObject({ command: first.command, outcome: 'done' })
  }
  expect(await relays.figure(other, 'hearth_relay_forwarded_total')).toBeGreaterThan(0)
  expect(await relays.figure(holder, 'hearth_relay_directory_away')).toBe(0)
})

test('hubs of a relay that is killed come back at others, and commands to them are carried out', async () => {
  const { hub, holder, other } = await aHub()
  await relays.running(holder)?.killTree()
  const living = relays.names.filter((name) => name !== holder)
  await reached(living)
  expect(await relays.holderOf(hub)).not.toBe(holder)
  expect(await relays.post(other, hub)).toMatchObject({ outcome: 'done' })
  await relays.start(holder)
  await reached()
})

test('hubs of a relay that drains move while commands fly, and each has one end', async () => {
  const { hub, holder, other } = await aHub()
  const ends: CommandReport[] = []
  /** Its holder is going away, and it was not back in time: nothing was issued. */
  const again = (error: unknown) => {
    if (!String(error).includes('"outcome":"did-not-happen"')) throw error
  }
  const fly = async () => {
    while (ends.length < 20 || ends.at(-1)?.outcome !== 'done') {
      const report = await relays.post(other, hub, { deadline_ms: 1_500 }).catch(again)
      if (report) ends.push(report)
      else await after(50)
    }
  }
  const flying = Promise.all([fly(), fly(), fly()])
  await until('commands fly', HEAL_MS, () => ends.length > 5)
  relays.running(holder)?.signal('SIGTERM')
  await relays.running(holder)?.ended
  await flying
  expect(ends.map(({ outcome }) => outcome).filter((outcome) => outcome !== 'done' && outcome !== 'offline')).toEqual(
    [],
  )
  await reached(relays.names.filter((name) => name !== holder))
  await relays.start(holder)
  await reached()
})

test('an app hears of hubs at each relay, and who is connected, from whichever relay it asks', async () => {
  const { hub, holder, other } = await aHub()
  const client = connect({ url: relays.app(other), token })
  try {
    const heard: string[] = []
    client.subscribe({ hub }, (event) => heard.push(event.type === 'stage' ? event.stage : event.type))
    // One that is under way as the watch begins is heard from there on.
    await until('all of a command is heard', HEAL_MS, async () => {
      await relays.post(holder, hub)
      return ['issued', 'sent', 'executed', 'outcome'].every((what) => heard.includes(what))
    })
    const connected = await client.hubs()
    expect(connected.map((one) => one.hub).sort()).toEqual(HUBS)
    expect(connected.find((one) => one.hub === hub)).toMatchObject({ relay: holder })
  } finally {
    client.close()
  }
})

/** What the doctor says of it. */
async function directoryFound(): Promise<unknown> {
  const findings: { check: string }[] = JSON.parse((await system.run(['doctor', '--json'], directory)).stdout)
  return findings.find(({ check }) => check === 'directory')
}

/** With the directory away: what is on one relay goes on, what is on two is told so at once. */
async function withoutDirectory(): Promise<void> {
  const { hub, holder, other } = await aHub()
  expect(await relays.post(holder, hub)).toMatchObject({ outcome: 'done' })
  const elsewhere = await relays.post(other, hub)
  expect(elsewhere).toMatchObject({ outcome: 'offline', reason: expect.stringMatching(/the directory/) })
  await until('it is told', HEAL_MS, async () => (await relays.figure(other, 'hearth_relay_directory_away')) === 1)
  const ready = await fetch(`${relays.app(other)}/readyz`)
  expect(ready.status).toBe(200)
}

test('with Redis killed commands of one relay go on, and all heals when it comes back empty', async () => {
  expect(await directoryFound()).toMatchObject({
    ...{ state: 'good', found: expect.stringMatching(/relays that live: relay-0, relay-1, relay-2/) },
  })
  await redis.kill()
  await withoutDirectory()
  expect(await directoryFound()).toMatchObject({ state: 'bad', found: expect.stringMatching(/cannot be used/) })
  await redis.restart()
  await reached()
  expect(relays.running('relay-0')?.said()).toMatch(/"event":"directory-lost".*"event":"directory-found"/s)
  expect(relays.running('relay-0')?.said()).not.toContain(PASSWORD)
})

test('with Redis silent commands of one relay go on, and all heals when it answers', async () => {
  redis.pause()
  await withoutDirectory()
  redis.resume()
  await reached()
})

test('with Redis emptied all heals', async () => {
  await redis.empty()
  const { hub, holder } = await aHub()
  expect(await relays.post(holder, hub)).toMatchObject({ outcome: 'done' })
  await reached()
})

test('with Redis as old as a copy of it all heals', async () => {
  await redis.ask('save')
  const [, folder = ''] = (await redis.ask('config', 'get', 'dir')).trim().split('\n')
  copyFileSync(join(folder, 'dump.rdb'), join(folder, 'old.rdb'))
  // By the copy they are all where they are no more.
  await hubs.killTree()
  hubs = system.start(['hub', '--simulated', String(HUBS.length), '--relay', relays.hub_urls])
  await reached()
  await redis.kill()
  copyFileSync(join(folder, 'old.rdb'), join(folder, 'dump.rdb'))
  await redis.restart()
  const { hub, holder } = await aHub()
  expect(await relays.post(holder, hub)).toMatchObject({ outcome: 'done' })
  await reached()
})
