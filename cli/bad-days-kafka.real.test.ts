/** Bad days of Kafka under a gateway and a writer of their own: neither is started again by hand for any of them. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Producer } from '@platformatic/kafka'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { bucketOf } from '../contract/bucket.ts'
import { type Kafka, startKafka } from '../infra/kafka/kafka.ts'
import { clockAhead, untilReady, untilUnready, untilWritten } from './testing/bad-day.ts'
import type { LoadPlan } from './testing/load.ts'
import { type Load, startLoad } from './testing/load-process.ts'
import { openSystem, opsOf, type Running, type System, until } from './testing/system.ts'

const LIMIT_MS = 90_000
const BUCKETS = 4
const TOPIC = 'bad-day'

let kafka: Kafka
let system: System
let folder: string
let gateway: Running
let writer: Running
let loads: Load[] = []

beforeEach(async () => {
  kafka = await startKafka({ brokers: 1 })
  folder = mkdtempSync(join(tmpdir(), 'hearth-bad-day-'))
  system = await openSystem({
    ...{ HEARTH_KAFKA_BROKERS: kafka.bootstrap, HEARTH_KAFKA_TOPIC: TOPIC, HEARTH_KAFKA_REPLICATION: '1' },
    ...{ HEARTH_KAFKA_MIN_INSYNC: '1', HEARTH_LAYOUT_BUCKETS: String(BUCKETS), HEARTH_INGEST_FRESHNESS_MS: '300' },
    HEARTH_LOG: 'info',
  })
  gateway = system.start(['ingest', 'gateway'])
  await gateway.untilSaid(/"event":"ready"/, LIMIT_MS)
  writer = system.start(['ingest', 'writer'])
  await writer.untilSaid(/"event":"ready"/, LIMIT_MS)
})
afterEach(async () => {
  for (const load of loads) load.kill()
  loads = []
  await system[Symbol.asyncDispose]()
  await kafka[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

async function send(more: Partial<Pick<LoadPlan, 'gateways'>> = {}): Promise<Load> {
  const load = await startLoad(system, { folder, hubs: 6, seed: 7, ...more })
  loads.push(load)
  await acknowledged(load, 4_000)
  return load
}

/** Resolves when so many more bytes of acknowledgements are in the journal. */
async function acknowledged(load: Load, bytes: number): Promise<void> {
  const before = load.acknowledged_bytes()
  await until('more is acknowledged', LIMIT_MS, () => load.acknowledged_bytes() > before + bytes)
}

async function end(): Promise<void> {
  for (const one of [gateway, writer]) one.signal('SIGTERM')
  expect([await gateway.ended, await writer.ended]).toEqual([
    { code: 0, signal: null },
    { code: 0, signal: null },
  ])
}

test('no broker at all for a minute, while hubs send: both say so, go on by themselves, and nothing is lost', async () => {
  const load = await send()
  await kafka.brokers[0]?.kill()
  // An append is tried for half a minute before it fails.
  await untilUnready(system, 'gateway', /the event log takes no batches: .*append to bucket/, LIMIT_MS)
  await untilUnready(system, 'writer', /the last attempt to write failed: Kafka: /, LIMIT_MS)
  await kafka.brokers[0]?.restart()
  await acknowledged(load, 4_000)
  await untilReady(system, 'gateway', LIMIT_MS)
  await untilReady(system, 'writer', LIMIT_MS)
  const { events } = await load.end()
  const found = await untilWritten(system, load.journal, LIMIT_MS)
  expect(found).toMatchObject({ code: 0, ok: true, acknowledged: { journal: events, found: events } })
  await end()
})

test('a topic that is deleted is made anew, one that does not fit is refused, and what was in it alone is told as lost', async () => {
  const load = await send()
  // Before that there is no account that would miss what was promised.
  const commits = join(system.home, 'lake/events/_delta_log')
  await until('something is in the table', LIMIT_MS, () => readdirSync(commits).length > 1)
  writer.signal('SIGSTOP')
  await acknowledged(load, 4_000)
  await kafka.admin.deleteTopic(TOPIC)
  await untilUnready(system, 'gateway', /the event log takes no batches: .*do not know the topic/, LIMIT_MS)
  // Somebody else makes one, as brokers that make topics by themselves do.
  await kafka.admin.createTopic(TOPIC, { partitions: BUCKETS - 1, replicas: 1 })
  writer.signal('SIGCONT')
  await untilUnready(system, 'writer', /it has 3 partitions, and the lake 4 buckets.*alter the topic/, LIMIT_MS)
  await kafka.admin.deleteTopic(TOPIC)
  await writer.untilSaid(/took its place/, LIMIT_MS)
  await acknowledged(load, 4_000)
  await untilReady(system, 'gateway', LIMIT_MS)
  await untilReady(system, 'writer', LIMIT_MS)
  const { events } = await load.end()
  const { code, totals, acknowledged: acks } = await untilWritten(system, load.journal, LIMIT_MS)
  expect([code, acks.journal]).toEqual([1, events])
  expect(acks.found).toBeGreaterThan(0)
  // What the lost batches alone told of earlier boots nobody can tell but the journal.
  expect(totals.broken).toBeGreaterThan(0)
  expect(totals.broken).toBeLessThanOrEqual(events - acks.found)
  const buckets = await system.csv(`select distinct bucket from losses where kind = 'replaced'`)
  expect(buckets.length).toBeGreaterThan(0)
  await end()
})

test('records that somebody deleted before they were in the table stop their bucket, and no other, until the loss is accepted', async () => {
  const load = await send()
  const bucket = bucketOf('load-0', BUCKETS)
  writer.signal('SIGSTOP')
  await acknowledged(load, 8_000)
  await kafka.admin.deleteRecords(TOPIC, bucket, -1)
  writer.signal('SIGCONT')
  await untilUnready(system, 'writer', new RegExp(`bucket ${bucket} is stopped: the log begins at`), LIMIT_MS)
  const others = async () => {
    const [[rows = '0'] = []] = await system.csv(`select count(*) from events where bucket <> ${bucket}`)
    return Number(rows)
  }
  const before = await others()
  await until('the other buckets go on', LIMIT_MS, async () => (await others()) > before)
  expect(await system.csv('select bucket, kind from losses')).toEqual([[String(bucket), 'gap']])
  expect(await system.must(['lake', 'accept-loss', String(bucket), '--by', 'anna'])).toMatch(
    /anna accepted that positions? \d+.* lost, and the bucket goes on from \d+/,
  )
  await untilReady(system, 'writer', LIMIT_MS)
  const { events } = await load.end()
  const { code, acknowledged: acks } = await untilWritten(system, load.journal, LIMIT_MS)
  // What was given up is gone, told apart, and nobody's surprise any more.
  expect([code, acks.journal]).toEqual([0, events])
  expect(acks.found).toBeLessThan(events)
  expect(await system.csv('select kind from losses order by time')).toEqual([['gap'], ['accepted']])
  await end()
})

test('a record of something else stops its bucket, and no other, until it is given up; nothing of Hearth is lost', async () => {
  const load = await send()
  const bucket = bucketOf('load-0', BUCKETS)
  const producer = new Producer({ clientId: 'other', bootstrapBrokers: kafka.bootstrap.split(',') })
  await producer.send({ messages: [{ topic: TOPIC, partition: bucket, value: Buffer.from('x') }] })
  await producer.close()
  await untilUnready(system, 'writer', /is stopped: it cannot be read: .*something else writes there/, LIMIT_MS)
  const others = async () => {
    const [[rows = '0'] = []] = await system.csv(`select count(*) from events where bucket <> ${bucket}`)
    return Number(rows)
  }
  const before = await others()
  await until('the other buckets go on', LIMIT_MS, async () => (await others()) > before)
  const figures = await (await fetch(`${opsOf(system, 'writer')}/metrics`)).text()
  expect(figures).toMatch(new RegExp(`^hearth_writer_stopped\\{bucket="${bucket}",.*\\} 1$`, 'm'))
  // Neither half needs what cannot be read to start.
  gateway.signal('SIGTERM')
  await gateway.ended
  gateway = system.start(['ingest', 'gateway'])
  await untilReady(system, 'gateway', LIMIT_MS)
  await system.must(['lake', 'accept-loss', String(bucket), '--by', 'anna'])
  await untilReady(system, 'writer', LIMIT_MS)
  const { events } = await load.end()
  const found = await untilWritten(system, load.journal, LIMIT_MS)
  expect(found).toMatchObject({ code: 0, ok: true, acknowledged: { journal: events, found: events } })
  await end()
})

test('a second writer of the same name, and a gateway with another number of buckets, are turned away', async () => {
  const again = await system.run(['ingest', 'writer'])
  expect([again.code, again.stderr]).toEqual([
    1,
    expect.stringMatching(/ingest writer.* (is|are) running|another .*writer/),
  ])
  const other = await system.run(['ingest', 'gateway', '--name', 'other'], { HEARTH_LAYOUT_BUCKETS: '8' })
  expect([other.code, other.stderr]).toEqual([
    2,
    expect.stringMatching(/the lake in .* has 4 buckets, not the 8 that are configured: set layout.buckets/),
  ])
  const load = await send()
  const { events } = await load.end()
  expect(await untilWritten(system, load.journal, LIMIT_MS)).toMatchObject({ code: 0, acknowledged: { found: events } })
  await end()
})

test('two gateways whose clocks are a minute apart lose nothing, and who is behind says so when it starts', async () => {
  await using elsewhere = await openSystem()
  const { mqtt, https } = elsewhere.ports
  const second = system.start(['ingest', 'gateway', '--name', 'ahead'], {
    ...{ HEARTH_INGEST_MQTT_PORT: String(mqtt), HEARTH_INGEST_HTTPS_PORT: String(https) },
    NODE_OPTIONS: clockAhead(60_000),
  })
  await second.untilSaid(/"event":"ready"/, LIMIT_MS)
  const load = await send({ gateways: [system.ports, elsewhere.ports] })
  gateway.signal('SIGTERM')
  await gateway.ended
  await acknowledged(load, 4_000)
  gateway = system.start(['ingest', 'gateway'])
  await untilUnready(
    system,
    'gateway',
    /the clock of this machine is \d+\.\d s behind the last batch: set it right/,
    LIMIT_MS,
  )
  const { events } = await load.end()
  const found = await untilWritten(system, load.journal, LIMIT_MS)
  expect(found).toMatchObject({ code: 0, ok: true, acknowledged: { journal: events, found: events } })
  const [[sources] = []] = await system.csv(`select count(*) from events where event_time > received_time`)
  expect(sources).toBe('0')
  second.signal('SIGTERM')
  expect((await second.ended).code).toBe(0)
  await end()
})
