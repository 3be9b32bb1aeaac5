/** The directory in a real Redis: its promises, and what it does when Redis is killed, silent, emptied, or went back. */
import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { machineClock, machineRandom } from '../cli/machine.ts'
import { isProblem, type Problem } from '../contract/problem.ts'
import { type RedisServer, startRedis } from '../infra/redis/server.ts'
import { startTcpProxy } from '../infra/tcp-proxy.ts'
import { directoryConformance } from './directory.conformance.ts'
import type { Directory } from './directory.ts'
import { DIRECTORY_LIFE_MS } from './limits.ts'
import { openRedisDirectory, type RedisDirectory, type RedisDirectoryOptions } from './redis-directory.ts'

const HEAL_MS = 20_000

const raise = (error: unknown) => {
  throw error
}

type Place = RedisDirectoryOptions['redis']

async function open(redis: Place, relay: string, more: Partial<RedisDirectoryOptions> = {}): Promise<RedisDirectory> {
  return await openRedisDirectory({
    ...{ fleet: 'test', self: { relay, address: `${relay}.example:8983` }, redis },
    ...{ clock: machineClock, random: machineRandom, fault: raise, ...more },
  })
}

const here = (directory: RedisDirectory) =>
  vi.waitFor(() => expect(directory.away).toBeUndefined(), { timeout: HEAL_MS, interval: 20 })

directoryConformance('the directory in Redis', async () => {
  const redis = await startRedis()
  const ways = new Map<Directory, Awaited<ReturnType<typeof startTcpProxy>>>()
  return {
    async open(relay) {
      const way = await startTcpProxy(redis)
      const directory = await open({ url: `redis://127.0.0.1:${way.port}` }, relay)
      ways.set(directory, way)
      await here(directory)
      return directory
    },
    async die(directory) {
      const way = ways.get(directory)
      if (!way) throw new Error('not opened here')
      // Nothing more comes from it, as from a process that was killed; what it has in Redis stays.
      way.refuse = true
      way.cut()
      await directory.close()
      await redis.ask('pexpire', 'hearth:test:relay:relay-2', '1')
    },
    empty: () => redis.empty(),
    async dispose() {
      for (const way of ways.values()) await way[Symbol.asyncDispose]()
      await redis[Symbol.asyncDispose]()
    },
  }
})

/** Two relays with a session each, which they claim again when they are told to. */
async function twoRelays(place: Place, more: Partial<RedisDirectoryOptions> = {}) {
  const held = new Map([
    ['relay-1', ['hub-1', '1.1.1']],
    ['relay-2', ['hub-2', '1.1.1']],
  ])
  const all: RedisDirectory[] = []
  for (const [relay, [hub = '', epoch = '']] of held) {
    const directory = await open(place, relay, more)
    onTestFinished(() => directory.close())
    const claim = () => void directory.claim(hub, epoch).catch((error: unknown) => expect(isProblem(error)).toBe(true))
    directory.watch({ moved: () => undefined, anew: claim })
    all.push(directory)
  }
  const [one, two] = all
  if (!one || !two) throw new Error('unreachable')
  const heals = () =>
    vi.waitFor(
      async () => {
        expect(await one.find('hub-2')).toMatchObject({ relay: 'relay-2' })
        expect(await two.find('hub-1')).toMatchObject({ relay: 'relay-1' })
      },
      { timeout: HEAL_MS, interval: 50 },
    )
  await heals()
  return { one, two, heals }
}

const problemOf = (asked: Promise<unknown>): Promise<Problem> =>
  asked.then(
    () => Promise.reject(new Error('it answered')),
    (error: unknown) => (isProblem(error, 'unavailable') ? error : Promise.reject(error)),
  )

describe('a directory whose Redis', () => {
  test.each(['killed and started empty', 'killed and started with what it had'])('is %s heals', async (how) => {
    await using redis = await startRedis({ durable: how.endsWith('had') })
    const { one, heals } = await twoRelays(redis)
    await redis.kill()
    expect((await problemOf(one.find('hub-2'))).message).toMatch(
      /^the directory redis:\/\/127.0.0.1:\d+ cannot be used/,
    )
    await redis.restart()
    await heals()
  })

  test('is silent is told within its time, and then at once, and heals', async () => {
    await using redis = await startRedis()
    const lost: string[] = []
    const { one, heals } = await twoRelays(redis, { lost: ({ message }) => lost.push(message) })
    redis.pause()
    expect((await problemOf(one.claim('hub-9', '1.1.1'))).outcome).toBe('unknown')
    for (let i = 0; i < 100; i++) expect((await problemOf(one.find('hub-2'))).outcome).toBe('did-not-happen')
    expect(one.away).toMatch(/cannot be used/)
    expect(lost.length).toBeLessThanOrEqual(2)
    redis.resume()
    await heals()
    expect(one.away).toBeUndefined()
  })

  test('is emptied heals, and a relay that slept does not get its hub back', async () => {
    await using redis = await startRedis()
    const { one, two, heals } = await twoRelays(redis)
    await redis.empty()
    await heals()
    expect(await two.claim('hub-1', '1.1.2')).toEqual({ held: true })
    expect(await one.claim('hub-1', '1.1.1')).toEqual({ held: false, epoch: '1.1.2' })
  })

  test('went back to an old copy of it heals', async () => {
    await using redis = await startRedis({ settings: ['dbfilename dump.rdb'] })
    const { one, two } = await twoRelays(redis)
    await redis.ask('save')
    const [, folder = ''] = (await redis.ask('config', 'get', 'dir')).trim().split('\n')
    copyFileSync(join(folder, 'dump.rdb'), join(folder, 'old.rdb'))
    // In the old copy hub-1 is at relay-1, in an epoch that is over.
    expect(await two.claim('hub-1', '1.1.7')).toEqual({ held: true })
    two.watch({ moved: () => undefined, anew: () => void two.claim('hub-1', '1.1.7').catch(() => undefined) })
    await redis.kill()
    copyFileSync(join(folder, 'old.rdb'), join(folder, 'dump.rdb'))
    await redis.restart()
    await vi.waitFor(async () => expect(await one.find('hub-1')).toMatchObject({ epoch: '1.1.7' }), {
      timeout: HEAL_MS,
    })
    expect(await one.claim('hub-1', '1.1.1')).toEqual({ held: false, epoch: '1.1.7' })
  })

  test('went back while connections stood is found out by its count', async () => {
    await using redis = await startRedis()
    const { heals } = await twoRelays(redis)
    // What a proxy before a fail-over hides: the same connection, and another past behind it.
    const counts = await redis.ask('hgetall', 'hearth:test:beats')
    await vi.waitFor(async () => expect(await redis.ask('hgetall', 'hearth:test:beats')).not.toBe(counts), {
      timeout: HEAL_MS,
    })
    await redis.ask('del', 'hearth:test:hub:hub-1', 'hearth:test:hub:hub-2')
    await redis.ask('hset', 'hearth:test:beats', 'relay-1', '0', 'relay-2', '0')
    await heals()
  })

  test('is followed by its replica heals by the same address', async () => {
    await using first = await startRedis({ settings: ['repl-diskless-sync-delay 0'] })
    await using second = await startRedis({ settings: [`replicaof 127.0.0.1 ${first.port}`] })
    const target = { port: first.port }
    await using way = await startTcpProxy(target)
    const { one, heals } = await twoRelays({ url: `redis://127.0.0.1:${way.port}` })
    await vi.waitFor(async () => expect(await second.ask('exists', 'hearth:test:hub:hub-2')).toBe('1\n'), {
      timeout: HEAL_MS,
    })
    // For a while the name leads to what is a replica still: it knows places, and takes no claim.
    target.port = second.port
    await first.kill()
    way.cut()
    await vi.waitFor(() => expect(one.away).toMatch(/it is a replica: name the primary in relay.directory/), {
      timeout: HEAL_MS,
      interval: 5,
    })
    await second.ask('replicaof', 'no', 'one')
    await heals()
  })

  test('is another’s by TLS and a password', async () => {
    await using redis = await startRedis({ tls: true, password: 'a-word' })
    const ca = readFileSync(redis.ca_file ?? '', 'utf8')
    await twoRelays({ url: redis.url, ca, password: 'a-word' })
    const refused = async (place: Partial<Place>) => {
      const directory = await open({ url: redis.url, ca, password: 'a-word', ...place }, 'relay-3')
      onTestFinished(() => directory.close())
      await vi.waitFor(() => expect(directory.away).toMatch(/cannot be used/), { timeout: HEAL_MS })
      return directory.away
    }
    expect(await refused({ password: 'another' })).toMatch(/correct the password of relay.directory/)
    expect(await refused({ ca: undefined })).toMatch(/set relay.directory_ca_file/)
    expect(await refused({ url: redis.url.replace('rediss', 'redis') })).not.toContain('a-word')
  })
})

test('a relay that is silent for its life is dead to others, and alive again when it speaks', async () => {
  await using redis = await startRedis()
  await using way = await startTcpProxy(redis)
  const one = await open(redis, 'relay-1')
  const two = await open({ url: `redis://127.0.0.1:${way.port}` }, 'relay-2')
  onTestFinished(async () => void (await Promise.all([one.close(), two.close()])))
  await here(one)
  await here(two)
  await two.claim('hub-2', '1.1.1')
  expect(await one.find('hub-2')).toMatchObject({ relay: 'relay-2' })
  way.swallow = true
  way.refuse = true
  await vi.waitFor(async () => expect(await one.find('hub-2')).toBeUndefined(), { timeout: 3 * DIRECTORY_LIFE_MS })
  way.swallow = false
  way.refuse = false
  way.cut()
  await vi.waitFor(async () => expect(await one.find('hub-2')).toMatchObject({ relay: 'relay-2' }), {
    timeout: HEAL_MS,
  })
})

test('two processes of one name are told so, and the later has it', async () => {
  await using redis: RedisServer = await startRedis()
  const faults: string[] = []
  const fault = (error: unknown) => faults.push(String(error))
  const earlier = await open(redis, 'relay-1', { fault })
  onTestFinished(() => earlier.close())
  await here(earlier)
  const later = await open(redis, 'relay-1', { fault })
  onTestFinished(() => later.close())
  await here(later)
  await vi.waitFor(() => expect(faults[0]).toMatch(/another process of this fleet serves as relay-1 too/), {
    timeout: HEAL_MS,
  })
  await later.claim('hub-1', '1.1.1')
  expect(await earlier.find('hub-1')).toMatchObject({ relay: 'relay-1' })
})
