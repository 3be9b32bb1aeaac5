/** Schedulers as processes, on a lake in S3 and a queue in a Redis with TLS and a password. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type FaultProxy, startFaultProxy } from '../infra/fault-proxy.ts'
import { type RedisServer, startRedis } from '../infra/redis/server.ts'
import { type S3Server, startS3 } from '../infra/s3/server.ts'
import { S3_BUILD_LIMIT_MS } from '../infra/s3/versitygw.ts'
import { HOUR_MS } from '../jobs/limits.ts'
import {
  BUCKETS,
  command,
  connected,
  enrolled,
  type History,
  METRIC_NAMES,
  openHistory,
} from '../jobs/testing/history.ts'
import { openLake } from '../lake/lake.ts'
import { openS3Store } from '../lake/s3-store.ts'
import { machineClock as clock, machineRandom as random } from './machine.ts'
import { reasonsOf, untilReady, untilUnready } from './testing/bad-day.ts'
import { openSystem, opsOf, type Running, type System, until } from './testing/system.ts'

const LIMIT_MS = 120_000
const PASSWORD = 'a-word-of-redis'
const HOURS = 48
/** So that a tick takes long enough to be killed in. */
const SLOW = { kind: 'delay', ms: 200 } as const
let s3: S3Server
let redis: RedisServer
let proxy: FaultProxy
let history: History

beforeAll(async () => {
  s3 = await startS3()
  proxy = await startFaultProxy(s3)
  redis = await startRedis({ password: PASSWORD, tls: true })
  Object.assign(process.env, s3.environment)
  const now_ms = clock.now()
  const from_ms = now_ms - (now_ms % HOUR_MS) - HOURS * HOUR_MS
  history = await openHistory(now_ms)
  await history.add(
    ['demo-01', 'demo-02', 'demo-03'].flatMap((hub) => [
      enrolled(hub, from_ms),
      ...connected(hub, from_ms, now_ms),
      ...command(hub, `${hub}-c`, from_ms + 60_000, [
        ['issued', 0],
        ['sent', 1],
        ['done', 5],
      ]),
    ]),
  )
}, S3_BUILD_LIMIT_MS)
afterAll(async () => {
  await history[Symbol.asyncDispose]()
  await redis[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
  await s3[Symbol.asyncDispose]()
})

const storeOf = (prefix: string) =>
  openS3Store({
    ...{ bucket: s3.bucket, prefix, region: s3.region, endpoint: s3.endpoint, path_style: true, clock, random },
  })

/** The history as a lake in S3, without metrics. */
async function put(prefix: string): Promise<void> {
  const to = storeOf(prefix)
  for await (const { path } of history.lake.store.list('')) await to.put(path, await history.lake.store.get(path))
}

type Scheduler = { readonly system: System; readonly process: Running }

/** A scheduler with a state folder of its own. */
async function start(prefix: string): Promise<Scheduler> {
  const system = await openSystem({
    ...{ ...s3.environment, AWS_EC2_METADATA_DISABLED: 'true', HEARTH_LAKE_URL: `s3://${s3.bucket}/${prefix}` },
    ...{ HEARTH_S3_ENDPOINT: proxy.endpoint, HEARTH_S3_PATH_STYLE: 'true' },
    ...{ HEARTH_FLEET: 'test', HEARTH_LAYOUT_BUCKETS: String(BUCKETS), HEARTH_JOBS_INTERVAL_MS: '1000' },
    ...{ HEARTH_JOBS_QUEUE: redis.url.replace('//', `//:${PASSWORD}@`), HEARTH_JOBS_QUEUE_CA_FILE: redis.ca_file },
  })
  const process = system.start(['jobs', 'scheduler'])
  await process.untilSaid(/"event":"ready"/, LIMIT_MS)
  return { system, process }
}

/** How often each unit was committed as it is made from the same, of all metrics. */
async function commits(prefix: string): Promise<ReadonlySet<number>> {
  const lake = await openLake({ store: storeOf(prefix), clock, random })
  const found = new Map<string, number>()
  for (const metric of METRIC_NAMES) {
    for await (const { adds } of (await lake.table(metric)).history(1)) {
      for (const { tags } of adds) {
        const key = `${metric} ${JSON.stringify(tags)}`
        found.set(key, (found.get(key) ?? 0) + 1)
      }
    }
  }
  return new Set(found.values())
}

/** Resolves when nothing is due, as one of them sees it. */
async function untilMade([one]: readonly Scheduler[]): Promise<void> {
  await until('nothing is due', LIMIT_MS, async () => {
    const due = await one?.system.must(['jobs', 'plan', '--direct', '--json'])
    return due?.trim() === '[]'
  })
}

/** Resolves with one that has found units due and makes them. */
async function atWork(schedulers: readonly Scheduler[]): Promise<Scheduler> {
  let found: Scheduler | undefined
  await until('one is at work', LIMIT_MS, async () => {
    for (const one of schedulers) {
      const figures = await (await fetch(`${opsOf(one.system, 'jobs')}/metrics`)).text()
      if (/^hearth_jobs_due_units\{.*\} [1-9]/m.test(figures)) found = one
    }
    return found !== undefined
  })
  if (!found) throw new Error('unreachable')
  return found
}

test('of three at work one is killed and one is ended, and all is made once', { timeout: 300_000 }, async () => {
  await put('three')
  proxy.rule = ({ method }) => (method === 'PUT' ? SLOW : undefined)
  const three = [await start('three'), await start('three'), await start('three')]
  try {
    const killed = await atWork(three)
    await killed.process.killTree()
    const rest = three.filter((one) => one !== killed)
    const ended = await atWork(rest)
    ended.process.signal('SIGTERM')
    expect(await ended.process.ended).toEqual({ code: 0, signal: null })
    expect(ended.process.said()).toContain('"event":"ended"')
    proxy.rule = () => undefined
    await untilMade(rest.filter((one) => one !== ended))
    expect(await commits('three')).toEqual(new Set([1]))
    for (const { process } of three) expect(process.said()).not.toContain(PASSWORD)
  } finally {
    proxy.rule = () => undefined
    for (const { system } of three) await system[Symbol.asyncDispose]()
  }
})

test('what one that stood still at work makes after all is not committed again', { timeout: 300_000 }, async () => {
  await put('two')
  proxy.rule = ({ method }) => (method === 'PUT' ? SLOW : undefined)
  const two = [await start('two'), await start('two')]
  try {
    const still = await atWork(two)
    still.process.signal('SIGSTOP')
    const rest = two.filter((one) => one !== still)
    await atWork(rest)
    still.process.signal('SIGCONT')
    proxy.rule = () => undefined
    await untilMade(rest)
    expect(await commits('two')).toEqual(new Set([1]))
    await untilReady(still.system, 'jobs', LIMIT_MS)
  } finally {
    proxy.rule = () => undefined
    for (const { system } of two) await system[Symbol.asyncDispose]()
  }
})

test('one tells that Redis is away, the doctor too, and ends while Redis stands still', {
  timeout: 300_000,
}, async () => {
  await put('one')
  const { system, process } = await start('one')
  try {
    const second = await system.run(['jobs', 'scheduler'])
    expect(second.code).toBe(1)
    expect(second.stderr).toMatch(/another hearth jobs scheduler runs on .*a state folder of its own \(HEARTH_HOME\)/)
    await untilReady(system, 'jobs', LIMIT_MS)
    expect((await system.run(['doctor'])).stdout).toMatch(
      /ok +job queue +Redis \d\S+ at rediss:\/\/127.0.0.1:\d+ answers; 1 schedulers, next look in \d s/,
    )
    await redis.kill()
    await untilUnready(system, 'jobs', /the job queue rediss:.* cannot be used: connect ECONNREFUSED/, LIMIT_MS)
    expect((await system.run(['doctor'])).stdout).toMatch(/FAIL +job queue .*ECONNREFUSED/)
    await redis.restart()
    await process.untilSaid(/"event":"queue-found"/, LIMIT_MS)
    expect(await reasonsOf(system, 'jobs')).toEqual([])
    redis.pause()
    process.signal('SIGTERM')
    expect(await process.ended).toEqual({ code: 0, signal: null })
    expect(process.said()).not.toContain(PASSWORD)
  } finally {
    redis.resume()
    await system[Symbol.asyncDispose]()
  }
})
