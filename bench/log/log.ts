import { Consumer, Producer } from '@platformatic/kafka'
import { machineClock } from '../../cli/machine.ts'
import { startKafka } from '../../infra/kafka/kafka.ts'
import type { EventLog, LogRecord } from '../../ingest/event-log.ts'
import { openKafkaLog } from '../../ingest/kafka-log.ts'
import { LOG_READ_BYTES } from '../../ingest/limits.ts'
import type { Benchmark, BenchmarkOptions, Findings } from '../benchmark.ts'
import { type Figure, latencyFigures, overRounds } from '../figure.ts'

export const log: Benchmark = {
  name: 'log',
  description: 'the event log on one Kafka broker, appended to and read, beside the bare client',
  rounds: 3,
  run,
}

const BUCKETS = 16
/** Batches of 400 events and of 20 or so, as they come packed from hubs. */
const SIZES = [
  { bytes: 9_000, records: 40_000 },
  { bytes: 1_000, records: 200_000 },
]
/** Appends under way: what a gateway may hold (ingest/limits.ts). */
const UNDER_WAY = 1_024
/** Records that the bare producer is given at a time, over all partitions. */
const BARE_SEND = 512
/** One append after the other, each waited for by another opener of the log. */
const LATENCIES = 500

type Rate = { readonly ms: number; readonly cpu_us: number }
type Round = { readonly bytes: number; readonly records: number } & {
  readonly append: Rate
  readonly bare_append: Rate
  readonly read: Rate
  readonly bare_read: Rate
}

async function run({ rounds, note }: BenchmarkOptions): Promise<Findings> {
  await using kafka = await startKafka({ brokers: 1, optimised: true })
  const brokers = kafka.bootstrap.split(',')
  const open = (topic: string) =>
    openKafkaLog({
      ...{ brokers, topic, lake_id: 'bench', clock: machineClock },
      ...{ buckets: BUCKETS, replication: 1, min_insync: 1, make: true },
    })
  const measured: Round[] = []
  const faults: string[] = []
  for (let i = 1; i <= rounds; i++) {
    for (const size of SIZES) {
      const [ours, bare] = [`ours-${i}-${size.bytes}`, `bare-${i}-${size.bytes}`]
      for (const topic of [ours, bare]) await (await open(topic)).close()
      const append = await timed(() => appendOurs(open(ours), size))
      const bare_append = await timed(() => appendBare(brokers, bare, size))
      const [read, found] = await timedResult(() => readOurs(open(ours)))
      const bare_read = await timed(() => readBare(brokers, bare, size.records))
      if (found !== size.records) faults.push(`${size.records} records were acknowledged, and ${found} found`)
      measured.push({ ...size, append, bare_append, read, bare_read })
      const rate = ({ ms }: Rate) => `${((size.bytes * size.records) / ms / 1000).toFixed(0)} MB/s`
      note(
        `round ${i}, ${size.bytes} bytes: append ${rate(append)}, bare ${rate(bare_append)}; read ${rate(read)}, bare ${rate(bare_read)}`,
      )
    }
  }
  const { appended_ms, heard_ms } = await latencies(await open('latency'), await open('latency'))
  return {
    workloads: [],
    rounds: measured,
    figures: [
      ...SIZES.flatMap(({ bytes }) => figuresOf(bytes, measured)),
      ...latencyFigures('append to acknowledgement', appended_ms),
      ...latencyFigures('append to the end of another opener’s wait', heard_ms),
    ],
    notes: [
      `One broker on the same cores, ${BUCKETS} buckets, acks=all, no copies. Ours: ${UNDER_WAY} appends under way, each with an answer of its own; read in turns of ${LOG_READ_BYTES} bytes a bucket. CPU is the client's.`,
      `Bare: @platformatic/kafka, an idempotent Producer given ${BARE_SEND} records at a time, one answer for all of them, and a Consumer that parses nothing.`,
    ],
    faults,
  }
}

function figuresOf(bytes: number, all: readonly Round[]): Figure[] {
  const rounds = all.filter((round) => round.bytes === bytes)
  return (['append', 'bare_append', 'read', 'bare_read'] as const).flatMap((what) => {
    const name = `${bytes} bytes: ${what.replace('bare_', 'bare ')}`
    return [
      overRounds(
        name,
        'records/s',
        rounds.map((round) => (round.records / round[what].ms) * 1000),
      ),
      overRounds(
        `${name}, CPU`,
        'µs/record',
        rounds.map((round) => round[what].cpu_us / round.records),
      ),
    ]
  })
}

async function timed(work: () => Promise<unknown>): Promise<Rate> {
  return (await timedResult(work))[0]
}

async function timedResult<T>(work: () => Promise<T>): Promise<[Rate, T]> {
  const [begun_ms, before] = [performance.now(), process.cpuUsage()]
  const result = await work()
  const { user, system } = process.cpuUsage(before)
  return [{ ms: performance.now() - begun_ms, cpu_us: user + system }, result]
}

type Size = (typeof SIZES)[number]

function recordOf({ bytes }: Pick<Size, 'bytes'>): LogRecord {
  return {
    ...{ version: 1, source: 'hub-00001', role: 'hub', generation: 1, received_ms: 1_764_000_000_000 },
    ...{ listener: 'mqtt', codec: 'zstd', value: Buffer.alloc(bytes, 'x') },
  }
}

async function appendOurs(opening: Promise<EventLog>, size: Size): Promise<void> {
  const one = await opening
  const record = recordOf(size)
  let next = 0
  const sender = async () => {
    while (next < size.records) await one.append(next++ % BUCKETS, record)
  }
  await Promise.all(Array.from({ length: UNDER_WAY }, sender))
  await one.close()
}

async function appendBare(bootstrapBrokers: string[], topic: string, size: Size): Promise<void> {
  const producer = new Producer({ clientId: 'bare', bootstrapBrokers, idempotent: true })
  const value = Buffer.alloc(size.bytes, 'x')
  for (let next = 0; next < size.records; next += BARE_SEND) {
    const count = Math.min(BARE_SEND, size.records - next)
    const messages = Array.from({ length: count }, (_, i) => ({ topic, partition: (next + i) % BUCKETS, value }))
    await producer.send({ messages })
  }
  await producer.close()
}

/** As the writer does: the buckets in turns, until none has more. */
async function readOurs(opening: Promise<EventLog>): Promise<number> {
  const one = await opening
  const from = Array.from({ length: BUCKETS }, () => 1)
  let records = 0
  for (let more = true; more; ) {
    more = false
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const got = await one.read(bucket, from[bucket] ?? 1, LOG_READ_BYTES)
      const last = got.at(-1)
      if (!last) continue
      more = true
      from[bucket] = last.position + 1
      records += got.length
    }
  }
  await one.close()
  return records
}

async function readBare(bootstrapBrokers: string[], topic: string, records: number): Promise<void> {
  const consumer = new Consumer({ clientId: 'bare', groupId: topic, bootstrapBrokers, maxBytes: 2 * LOG_READ_BYTES })
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: false })
  let left = records
  for await (const _ of stream) if (--left === 0) break
  await consumer.close(true)
}

async function latencies(appends: EventLog, waits: EventLog) {
  const appended_ms: number[] = []
  const heard_ms: number[] = []
  const record = recordOf({ bytes: 1_000 })
  for (let i = 0; i < LATENCIES; i++) {
    const [bucket, position] = [i % BUCKETS, Math.floor(i / BUCKETS) + 1]
    // As the writer does: for all of them at once.
    const over = new AbortController()
    const all = Array.from({ length: BUCKETS }, (_, one) => {
      return waits.waitFor(one, one < bucket ? position + 1 : position, over.signal)
    })
    const begun_ms = performance.now()
    await appends.append(bucket, record)
    appended_ms.push(performance.now() - begun_ms)
    await Promise.race(all)
    heard_ms.push(performance.now() - begun_ms)
    over.abort()
    await Promise.all(all)
    await waits.read(bucket, position, LOG_READ_BYTES)
  }
  await appends.close()
  await waits.close()
  return { appended_ms, heard_ms }
}
