/** Several schedulers of one lake over a real Redis, which is killed, emptied, paused and restarted. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { machineClock as clock } from '../cli/machine.ts'
import { until } from '../cli/testing/system.ts'
import { type RedisServer, type RedisServerOptions, startRedis } from '../infra/redis/server.ts'
import { openLake } from '../lake/lake.ts'
import { seededRandom } from '../sim/clock.ts'
import { openClaims } from './claims.ts'
import { openJobs } from './jobs.ts'
import { HOUR_MS } from './limits.ts'
import { runQueueSchedule } from './queue-schedule.ts'
import { connected, enrolled, type History, METRIC_NAMES, openHistory } from './testing/history.ts'

const T0 = Date.UTC(2026, 10, 20, 22)
const INTERVAL_MS = 200
const LIMIT_MS = 30_000
let history: History
let redis: RedisServer
let schedulers: Scheduler[]

type Scheduler = {
  /** What it told, in order. */
  readonly said: string[]
  ticks: number
  /** Metric, hour and bucket of each unit that it calculated and committed. */
  readonly made: string[]
  /** Aborts it; resolves when it is over. */
  stop(): Promise<void>
}

beforeEach(async () => {
  schedulers = []
  history = await openHistory(T0 + 3 * HOUR_MS + 5 * 60_000)
  await history.add(
    ['demo-01', 'demo-02'].flatMap((hub) => [enrolled(hub, T0), ...connected(hub, T0, T0 + 2 * HOUR_MS)]),
  )
  await serve()
})
afterEach(async () => {
  redis.resume()
  await Promise.all(schedulers.map((one) => one.stop()))
  await redis[Symbol.asyncDispose]()
  await history[Symbol.asyncDispose]()
})

async function serve(options: RedisServerOptions = {}): Promise<void> {
  await redis?.[Symbol.asyncDispose]()
  redis = await startRedis(options)
}

/** A scheduler as a process has it: with a view of the lake and a connection of its own. */
async function start(more: { readonly password?: string; readonly away_max_ms?: number } = {}): Promise<Scheduler> {
  const { lake } = history
  const environment = { store: lake.store, clock: history.clock, random: seededRandom(7 + schedulers.length) }
  const scratch_folder = `${lake.store.localPath?.('scratch')}-${schedulers.length}`
  const jobs = await openJobs({ ...environment, lake: await openLake(environment), scratch_folder })
  const controller = new AbortController()
  const scheduler = { said: new Array<string>(), made: new Array<string>(), ticks: 0, stop }
  const { password, away_max_ms = LIMIT_MS } = more
  const schedule = runQueueSchedule({
    jobs: {
      ...jobs,
      async run(options) {
        const runs = await jobs.run(options)
        scheduler.ticks++
        for (const { metric, units } of runs)
          scheduler.made.push(...units.map(({ hour_ms, bucket }) => `${metric} ${hour_ms} ${bucket}`))
        return runs
      },
    },
    ...{ clock, interval_ms: INTERVAL_MS, signal: controller.signal, lake_id: lake.id, away_max_ms },
    redis: { url: redis.url, password },
    ran: () => undefined,
    failed: (error) => scheduler.said.push(String(error)),
    lost: ({ message }) => scheduler.said.push(`lost: ${message}`),
    found: () => scheduler.said.push('found'),
    alone: () => scheduler.said.push('alone'),
    drops: (policy) => scheduler.said.push(`drops: ${policy}`),
    trouble: () => undefined,
  })
  const over = schedule.then(() => jobs[Symbol.asyncDispose]())
  function stop() {
    controller.abort()
    return over
  }
  schedulers.push(scheduler)
  return scheduler
}

const ticks = () => schedulers.reduce((sum, one) => sum + one.ticks, 0)

/** Resolves when there were `count` ticks more, of all schedulers. */
async function moreTicks(count: number): Promise<void> {
  const before = ticks()
  await until(`${count} more ticks`, LIMIT_MS, () => ticks() >= before + count)
}

/** How often each unit was committed, of all metrics: by metric and unit. */
async function commits(): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>()
  for (const metric of METRIC_NAMES) {
    for await (const { adds } of (await history.lake.table(metric)).history(1)) {
      for (const { tags } of adds) {
        const key = `${metric} ${tags?.['unit']}`
        found.set(key, (found.get(key) ?? 0) + 1)
      }
    }
  }
  return found
}

/** Ticks that are in Redis, due or at work. */
const ticksThere = async () => (await redis.ask('keys', 'hearth:*:repeat:tick:*')).match(/\d+$/gm) ?? []

test('of three schedulers one makes a tick at a time, and nothing is made or committed twice', async () => {
  await Promise.all([start(), start(), start()])
  await moreTicks(20)
  expect(new Set((await commits()).values())).toEqual(new Set([1]))
  const made = schedulers.flatMap((one) => one.made)
  expect(made.length).toBe(new Set(made).size)
  expect(schedulers.flatMap(({ said }) => said)).toEqual([])
})

test('a schedule that Redis has forgotten is put anew', async () => {
  await start()
  await moreTicks(2)
  await redis.empty()
  await moreTicks(3)
})

test('a scheduler that Redis leaves for a moment says so once, waits for it, and goes on', async () => {
  const one = await start()
  await moreTicks(2)
  await redis.kill()
  await until('it is said', LIMIT_MS, () => one.said.length > 0)
  await redis.restart()
  await until('it is back', LIMIT_MS, () => one.said.includes('found'))
  await moreTicks(2)
  expect(one.said).toEqual([expect.stringMatching(/^lost: the job queue redis:.*ECONNREFUSED/), 'found'])
})

test('schedulers that Redis has left for long make ticks by themselves, and share again when it is back', async () => {
  const both = await Promise.all([start({ away_max_ms: 1_000 }), start({ away_max_ms: 1_000 })])
  await moreTicks(2)
  await redis.kill()
  await until('both look by themselves', LIMIT_MS, () => both.every(({ said }) => said.includes('alone')))
  const before = both.map((one) => one.ticks)
  await until('both go on', LIMIT_MS, () => both.every((one, index) => one.ticks > (before[index] ?? 0) + 1))
  await redis.restart()
  await until('both are back', LIMIT_MS, () => both.every(({ said }) => said.includes('found')))
  await moreTicks(3)
  expect(new Set((await commits()).values())).toEqual(new Set([1]))
})

test('a Redis that stood still goes on, and what it missed is one tick', async () => {
  const one = await start()
  await moreTicks(2)
  redis.pause()
  await until('it is said', LIMIT_MS, () => one.said.length > 0)
  redis.resume()
  await until('it is back', LIMIT_MS, () => one.said.includes('found'))
  expect((await ticksThere()).length).toBeLessThanOrEqual(2)
  await moreTicks(2)
  expect(one.said).toEqual([expect.stringMatching(/^lost: .* no answer$/), 'found'])
})

test('a Redis that drops keys when it is full is told once, and nothing is written beside the log', async () => {
  const written = vi.spyOn(console, 'warn')
  await serve({ settings: ['maxmemory 100mb', 'maxmemory-policy allkeys-lru'] })
  const one = await start()
  await moreTicks(2)
  expect([one.said, written.mock.calls]).toEqual([['drops: allkeys-lru'], []])
  written.mockRestore()
})

test('whether Redis was reached at first is known', async () => {
  const reached = async () => {
    const claims = await openClaims(clock, { url: redis.url }, 'a-lake')
    const found = await claims.reached
    claims.close()
    return found
  }
  expect(await reached()).toBe(true)
  await redis.kill()
  expect(await reached()).toBe(false)
})

test('a Redis that stands still holds up no end', async () => {
  const one = await start()
  await moreTicks(2)
  redis.pause()
  await one.stop()
})

test('a Redis that never was there holds up no end', async () => {
  await redis.kill()
  const one = await start()
  await until('it is said', LIMIT_MS, () => one.said.length > 0)
  await one.stop()
})

test('a window without schedulers is made up for by one tick', async () => {
  const one = await start()
  await moreTicks(2)
  await one.stop()
  const there = await ticksThere()
  expect(there).toHaveLength(1)
  await until('twenty intervals have passed', LIMIT_MS, () => clock.now() > Number(there[0]) + 20 * INTERVAL_MS)
  await start()
  await moreTicks(1)
  expect((await ticksThere()).length).toBeLessThanOrEqual(2)
})

test('of schedulers that claim a task one has it in a period, and each while Redis is away', async () => {
  const { signal } = new AbortController()
  const three = await Promise.all([0, 1, 2].map(() => openClaims(clock, { url: redis.url }, 'a-lake')))
  const claimed = async (period_ms: number) =>
    (await Promise.all(three.map((one) => one.claim('compact', period_ms, signal)))).filter((mine) => mine).length
  expect(await claimed(500)).toBe(1)
  await until('the period is over', LIMIT_MS, async () => (await claimed(60_000)) === 1)
  expect(await claimed(60_000)).toBe(0)
  await redis.kill()
  expect(await claimed(60_000)).toBe(3)
  for (const one of three) one.close()
})

test.each<[string, RedisServerOptions, RegExp]>([
  ['a wrong password', { password: 'the-right-word' }, /WRONGPASS.*correct the password of jobs.queue/],
  ['a certificate of an unknown CA', { tls: true }, /certificate.*set jobs.queue_ca_file/],
])('%s is told with what to do', async (_, options, advice) => {
  await serve(options)
  const one = await start({ password: 'a-wrong-word' })
  await until('it is said', LIMIT_MS, () => one.said.length > 0)
  expect(one.said[0]).toMatch(advice)
  expect(one.said.join()).not.toContain('wrong-word')
})
