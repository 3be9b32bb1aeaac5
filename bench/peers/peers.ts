import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { machineClock as clock } from '../../cli/machine.ts'
import { messageOf } from '../../contract/problem.ts'
import { startFlinkStream } from '../../infra/flink/stream.ts'
import { type Kafka, startKafka } from '../../infra/kafka/kafka.ts'
import { type S3Server, startS3 } from '../../infra/s3/server.ts'
import { startSparkStream } from '../../infra/spark/stream.ts'
import type { StreamProcess, StreamStore } from '../../infra/stream.ts'
import { openKafkaLog } from '../../ingest/kafka-log.ts'
import type { Benchmark, BenchmarkOptions, Findings } from '../benchmark.ts'
import { startChild } from '../child.ts'
import { type Figure, overRounds } from '../figure.ts'
import { fillLog } from '../fill-log.ts'
import { cpuOf_us, memoryOf_mib } from '../machine.ts'
import { batches, factsOf, WORKLOAD_L, type WorkloadBatch } from '../workload.ts'
import { BUCKETS } from './hearth.ts'
import { COLUMNS, fillTopic } from './messages.ts'
import { type Stored, whatIsStored } from './stored.ts'

export const peers: Benchmark = {
  name: 'peers',
  description: 'Kafka to Parquet in S3 by the ingest writer, beside Spark (Delta) and Flink',
  rounds: 3,
  run,
}

/** 800,000 events: as much as one attempt of the writer. */
const BATCHES = 2_000
const MESSAGES = 'messages'
const TARGET_RATIO = 3
/** A pass that takes longer is given up, and its maker left out; past the other no more rounds begin. */
const PASS_LIMIT_MS = 120_000
const ROUNDS_LIMIT_MS = 180_000

/** One that takes events out of a topic, and what it reads. */
type Runner = {
  readonly name: string
  readonly process: StreamProcess
  /** Puts what it reads where it is read, as far as it must be anew each time; names the topic. */
  prepare(pass: number): Promise<string>
  /** Its data files, below what it was given. */
  readonly files: string
}
type Ran = {
  readonly name: string
  readonly ms: number
  readonly cpu_us: number
  readonly broker_cpu_us: number
  readonly s3_cpu_us: number
  readonly peak_mib: number
  /** Of the process since it was started. */
  readonly whole_cpu_us: number
} & Stored

async function run(options: BenchmarkOptions): Promise<Findings> {
  const { seed, folder, note } = options
  const made = [...batches(WORKLOAD_L, { seed, wall_ms: clock.now() }).take(BATCHES)]
  const facts = factsOf(WORKLOAD_L, seed, made)
  await using kafka = await startKafka({ brokers: 1, optimised: true })
  await using s3 = await startS3()
  const broker = kafka.bootstrap
  await kafka.admin.createTopic(MESSAGES, { partitions: BUCKETS, replicas: 1 })
  const message_bytes = await fillTopic(broker, MESSAGES, BUCKETS, made)
  note(`${facts.events - facts.malformed} messages of ${Math.round(message_bytes / facts.events)} bytes are in Kafka`)
  await using stack = new AsyncDisposableStack()
  const { runners, absent } = await startAll(options, { kafka, s3, made }, stack)
  const rounds: Ran[][] = []
  const cold: Ran[] = []
  const begun_ms = clock.monotonic()
  // The first pass, which is not counted, is for the JVM's compilers: streams run for weeks.
  for (let pass = 0; pass <= options.rounds; pass++) {
    if (pass > 1 && clock.monotonic() - begun_ms > ROUNDS_LIMIT_MS) break
    const round: Ran[] = []
    for (const runner of [...runners]) {
      try {
        const ran = await runPass(runner, pass, { folder, broker, kafka, s3 })
        round.push(ran)
        const what = pass === 0 ? 'warming up' : `round ${pass}`
        note(`${what}, ${ran.name}: ${(ran.ms / 1000).toFixed(1)} s, ${(ran.cpu_us / 1e6).toFixed(1)} s of CPU`)
      } catch (error) {
        if (runner.name === OURS) throw error
        runners.splice(runners.indexOf(runner), 1)
        absent.push(`${runner.name}: ${messageOf(error)}`)
        note(`left out: ${runner.name}: ${messageOf(error)}`)
      }
    }
    if (pass > 0) rounds.push(round)
    else cold.push(...round)
  }
  const all = [...cold, ...rounds.flat()]
  const wrong = all.filter(({ checksum }) => checksum !== facts.checksum_sent)
  return {
    workloads: [{ ...facts, checksums_found: all.map(({ checksum }) => checksum) }],
    rounds,
    figures: [...figuresOf(rounds, facts.events), ...cold.map((ran) => coldFigure(ran, facts.events))],
    notes: [
      ...notesOf(message_bytes / facts.events),
      ...absent.map((one) => `Not measured: ${one}`),
      ...(rounds.length < options.rounds ? [`Only ${rounds.length} rounds: the time was over.`] : []),
    ],
    faults: wrong.map(({ name, checksum }) => `${name} stored ${checksum}, sent was ${facts.checksum_sent}`),
  }
}

const OURS = 'Hearth'

async function startAll(
  { folder, profile }: BenchmarkOptions,
  { kafka, s3, made }: { readonly kafka: Kafka; readonly s3: S3Server; readonly made: readonly WorkloadBatch[] },
  stack: AsyncDisposableStack,
): Promise<{ runners: Runner[]; absent: string[] }> {
  const broker = kafka.bootstrap
  const ours: Runner = {
    name: OURS,
    process: await startOurs(broker, s3, join(folder, 'hearth'), profile),
    // The writer trims what it has committed.
    async prepare(pass) {
      const topic = `log-${pass}`
      const demands = { buckets: BUCKETS, replication: 1, min_insync: 1, make: true }
      const log = await openKafkaLog({ brokers: [broker], topic, lake_id: 'bench', clock, ...demands })
      await fillLog(log, made)
      await log.close()
      return topic
    },
    files: 'events/event_date=*/**/*.parquet',
  }
  const runners = [ours]
  const absent: string[] = []
  for (const [name, start] of [
    ['Spark', startSparkStream],
    ['Flink', startFlinkStream],
  ] as const) {
    try {
      const prepare = () => Promise.resolve(MESSAGES)
      runners.push({ name, process: await start(s3), prepare, files: 'part-*' })
    } catch (error) {
      absent.push(`${name}: ${messageOf(error)}`)
    }
  }
  for (const { process } of runners) stack.use(process)
  return { runners, absent }
}

async function startOurs(
  broker: string,
  { environment, endpoint, region, bucket }: StreamStore,
  scratch_folder: string,
  profile: string | undefined,
): Promise<StreamProcess> {
  Object.assign(process.env, environment)
  const setting = { broker, endpoint, region, bucket, scratch_folder }
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const child = startChild(join(import.meta.dirname, 'hearth-child.ts'), setting, profiling)
  if ((await child.line()) !== 'ready') throw new Error('the writer did not get ready')
  return {
    pid: child.pid,
    async carry({ topic, folder }) {
      child.write(JSON.stringify({ topic, folder }))
      if ((await child.line()) !== 'done') throw new Error('the writer did not commit')
    },
    kill: () => child.kill(),
    [Symbol.asyncDispose]: () => child.end(),
  }
}

async function runPass(
  runner: Runner,
  pass: number,
  at: { readonly folder: string; readonly broker: string; readonly kafka: Kafka; readonly s3: S3Server },
): Promise<Ran> {
  const { name, process } = runner
  const topic = await runner.prepare(pass)
  const folder = `${name.toLowerCase()}-${pass}`
  const scratch_folder = join(at.folder, folder)
  await mkdir(scratch_folder, { recursive: true })
  const pids = { own: process.pid, broker: at.kafka.brokers[0]?.pid() ?? 0, s3: at.s3.pid() ?? 0 }
  const cpu = () => [cpuOf_us(pids.own), cpuOf_us(pids.broker), cpuOf_us(pids.s3)] as const
  const before = cpu()
  const begun_ms = clock.monotonic()
  const late = { is: false }
  const cancel = clock.timer(PASS_LIMIT_MS, () => {
    late.is = true
    process.kill()
  })
  await process
    .carry({ bootstrap: at.broker, topic, columns: COLUMNS, folder, scratch_folder })
    .catch((error: unknown) => {
      throw late.is ? new Error(`not within ${PASS_LIMIT_MS / 1000} s`) : error
    })
    .finally(cancel)
  const ms = clock.monotonic() - begun_ms
  const after = cpu()
  const facts = { peak_mib: memoryOf_mib(pids.own).peak, whole_cpu_us: after[0] }
  const [cpu_us = 0, broker_cpu_us = 0, s3_cpu_us = 0] = after.map((value, index) => value - (before[index] ?? 0))
  const place = join(at.s3.folder, at.s3.bucket, folder)
  const stored = await whatIsStored(join(place, runner.files))
  await rm(place, { recursive: true })
  return { name, ms, cpu_us, broker_cpu_us, s3_cpu_us, ...facts, ...stored }
}

function figuresOf(rounds: readonly (readonly Ran[])[], events: number): Figure[] {
  const names = [...new Set(rounds.flat().map(({ name }) => name))]
  const of = (name: string, what: (ran: Ran) => number) =>
    rounds.flatMap((round) => round.filter((ran) => ran.name === name).map(what))
  const rate = (ran: Ran) => events / (ran.cpu_us / 1e6)
  /** Within its round, ours by another's. */
  const ratios = (best: (others: readonly number[]) => number, among: (name: string) => boolean) =>
    rounds.flatMap((round) => {
      const ours = round.find(({ name }) => name === OURS)
      const others = round.filter(({ name }) => name !== OURS && among(name)).map(rate)
      return ours && others.length > 0 ? [rate(ours) / best(others)] : []
    })
  const best = ratios(
    (others) => Math.max(...others),
    () => true,
  )
  return [
    ...(best.length > 0
      ? [overRounds('events a CPU second, ours ÷ best peer', '×', best, { least: TARGET_RATIO })]
      : []),
    ...names.flatMap((name) => [
      ...(name === OURS
        ? []
        : [
            overRounds(
              `events a CPU second, ours ÷ ${name}`,
              '×',
              ratios(
                ([one = Number.NaN]) => one,
                (other) => other === name,
              ),
            ),
          ]),
      overRounds(`${name}: events a CPU second`, 'events/s', of(name, rate)),
      overRounds(
        `${name}: events a second`,
        'events/s',
        of(name, ({ ms }) => events / (ms / 1000)),
      ),
      overRounds(
        `${name}: stored`,
        'bytes/event',
        of(name, ({ bytes }) => bytes / events),
      ),
      overRounds(
        `${name}: files`,
        'files',
        of(name, ({ files }) => files),
      ),
      overRounds(
        `${name}: broker CPU`,
        'µs/event',
        of(name, ({ broker_cpu_us }) => broker_cpu_us / events),
      ),
      overRounds(
        `${name}: memory, peak`,
        'MiB',
        of(name, ({ peak_mib }) => peak_mib),
      ),
    ]),
  ]
}

/** As a job that is started for it alone, and ended after it. */
function coldFigure({ name, whole_cpu_us }: Ran, events: number): Figure {
  const value = events / (whole_cpu_us / 1e6)
  return { name: `${name}: events a CPU second, start and first pass`, unit: 'events/s', value }
}

function notesOf(bytes_a_message: number): readonly string[] {
  return [
    `The same events in the same Kafka, to the same S3 server (versitygw), zstd Parquet, ${BUCKETS} partitions, two cores. CPU is user and system of the whole process, from the task to its answer; starts are not counted, nor is one whole pass before the rounds, in which JVMs and V8 compile: all of them stay warm from pass to pass. Checksums are DuckDB's, over the columns that all of them have.`,
    `Ours reads the hubs' batches as they came (zstd, 400 events), unpacks and checks them, removes the resent ones by the received ranges, judges each line and keeps the malformed ones as dead, dates events, writes a row for each batch, sorts, makes one file a (date, bucket), and commits files, ranges and positions together; then it trims the log. Exactly once.`,
    `Peers get one event a message, ${Math.round(bytes_a_message)} bytes of plain JSON with dates reckoned, without malformed and resent ones; they check, sort, partition and remove nothing. Spark: Structured Streaming (availableNow, one batch) into Delta, local[2], 2 GB; its checkpoint is on local disk. Flink: SQL in streaming mode, parallelism 2, 2 GB, a checkpoint (in memory) each 5 s; files and no table, so that nothing tells a reader which belong together.`,
    'Not to be had: Redpanda Connect (no open-source licence for its Kafka and Parquet parts), Bento (no module is served).',
  ]
}
