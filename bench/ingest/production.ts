/** Ingest as it runs in production: gateway and writer apart, a broker between them, the lake in S3, each its own process. */
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { startKafka } from '../../infra/kafka/kafka.ts'
import { type S3Server, startS3 } from '../../infra/s3/server.ts'
import type { BenchmarkOptions, Findings } from '../benchmark.ts'
import { type Figure, latencyFigures, overRounds } from '../figure.ts'
import { cpuOf_us, memoryOf_mib } from '../machine.ts'
import { type BenchFleet, makeFleet, startHearth } from '../server.ts'
import { batches, factsOf, hubsOf, WORKLOAD_B, WORKLOAD_L, WORKLOAD_S, type Workload } from '../workload.ts'
import { faultsOf } from './faults.ts'
import { startLoad, WINDOW } from './generator.ts'
import { COMMIT_LIMIT_MS, openPlace, untilCommitted, whatIsThere } from './table.ts'

/**
 * So many that V8's compiling is a small part of a round: of the CPU of the writer it is a third in the first 3 million
 * events (8,000 batches of L), and a writer runs for months.
 */
const BATCHES: Readonly<Record<string, number>> = { S: 40_000, L: 24_000 }
const batchesOf = ({ name }: Workload) => BATCHES[name] ?? 8_000
/** What 2,000 homes send in a day when all is well: 20,000 events each. */
const FLEET_EVENTS_A_SECOND = (2_000 * 20_000) / 86_400
/** Begun after this, a round would not be done in good time. */
const LAST_ROUND_MS = 200_000

type Processes = Readonly<Record<string, number>>
type Round = {
  readonly workload: string
  readonly acked_ms: number
  readonly committed_ms: number
  /** By process, µs. */
  readonly cpu_us: Readonly<Record<string, number>>
  readonly peak_mib: Readonly<Record<string, number>>
  readonly commits: number
  readonly files: number
}
type Servers = { readonly settings: NodeJS.ProcessEnv; readonly pids: Processes; readonly s3: S3Server | undefined }

export async function production(options: BenchmarkOptions): Promise<Findings> {
  await using kafka = await startKafka({ brokers: 1, optimised: true })
  await using s3 = options.store === 's3' ? await startS3() : undefined
  Object.assign(process.env, s3?.environment)
  const pids = { broker: kafka.brokers[0]?.pid() ?? 0, ...(s3 && { s3: s3.pid() ?? 0 }) }
  const settings = {
    HEARTH_KAFKA_BROKERS: kafka.bootstrap,
    HEARTH_KAFKA_REPLICATION: '1',
    HEARTH_KAFKA_MIN_INSYNC: '1',
  }
  const asked = [WORKLOAD_L, WORKLOAD_S, WORKLOAD_B].filter(
    ({ name }) => options.workload === undefined || options.workload === name,
  )
  const all: Findings[] = []
  for (const workload of asked) all.push(await runWorkload(options, workload, { settings, pids, s3 }))
  return {
    workloads: all.flatMap(({ workloads }) => workloads),
    rounds: all.flatMap(({ rounds }) => rounds),
    figures: all.flatMap(({ figures }) => figures),
    notes: [
      `Kafka is one broker, no copies${s3 ? '; S3 is versitygw' : ''}; all on the same cores as the generator, whose batches are made before the clock starts, ${WINDOW} a connection under way. CPU of each process is from its start of sending to the last commit. "Acknowledged" is until the last PUBACK, "committed" until the table holds all of it; freshness is from the receipt of a batch to the time in its commit: as fast as it goes, it is the length of the queue.`,
      'B: two days of 2,000 hubs, 1,600 events each, sent at once by all. Real time is what such a fleet sends when all is well, 20,000 events a hub and day.',
    ],
    faults: all.flatMap(({ faults }) => faults),
  }
}

async function runWorkload(
  { rounds, seed, folder, profile, note }: BenchmarkOptions,
  workload: Workload,
  servers: Servers,
): Promise<Findings> {
  const facts = factsOf(workload, seed, [...batches(workload, { seed, wall_ms: Date.now() }).take(batchesOf(workload))])
  const enrolled = await makeFleet(join(folder, `${workload.name}-0`), hubsOf(workload))
  const measured: Round[] = []
  const found: string[] = []
  const faults: string[] = []
  const acks_ms: number[] = []
  const freshness_ms: number[] = []
  const begun_ms = performance.now()
  for (let i = 1; i <= rounds && (i === 1 || performance.now() - begun_ms < LAST_ROUND_MS); i++) {
    const name = `${workload.name}-${i}`
    const home = join(folder, name)
    await cp(enrolled.home, home, { recursive: true })
    const settings = { ...servers.settings, HEARTH_KAFKA_TOPIC: name, ...lakeSettings(servers.s3, name) }
    const { latencies_ms, refused, ...ran } = await runRound({ ...enrolled, home }, { ...servers, settings }, profile, {
      ...{ workload: workload.name, seed, batches: batchesOf(workload), window: WINDOW },
    })
    const there = await whatIsThere(openPlace(home, settings))
    await rm(home, { recursive: true })
    found.push(there.checksum)
    faults.push(...faultsOf(`${workload.name}, round ${i}`, facts, { refused }, there))
    acks_ms.push(...latencies_ms)
    freshness_ms.push(...there.freshness_ms)
    measured.push({ ...ran, workload: workload.name, commits: there.commits, files: there.files })
    const seconds = (ms: number) => (ms / 1000).toFixed(1)
    note(
      `${workload.name}, round ${i}: acknowledged in ${seconds(ran.acked_ms)} s, committed in ${seconds(ran.committed_ms)} s by ${there.commits} commits of ${there.files} files`,
    )
  }
  return {
    workloads: [{ ...facts, checksums_found: found }],
    rounds: measured,
    figures: figuresOf(workload, facts.events, measured, { acks_ms, freshness_ms }),
    notes: [],
    faults,
  }
}

function lakeSettings(s3: S3Server | undefined, prefix: string): NodeJS.ProcessEnv {
  if (!s3) return {}
  return {
    HEARTH_LAKE_URL: `s3://${s3.bucket}/${prefix}`,
    HEARTH_S3_ENDPOINT: s3.endpoint,
    HEARTH_S3_REGION: s3.region,
    HEARTH_S3_PATH_STYLE: 'true',
  }
}

async function runRound(
  fleet: BenchFleet,
  { settings, pids }: Servers,
  profile: string | undefined,
  task: { readonly workload: string; readonly seed: number; readonly batches: number; readonly window: number },
) {
  const start = (half: string) => startHearth(fleet, ['ingest', half], { profile, settings })
  await using stack = new AsyncDisposableStack()
  const gateway = stack.adopt(await start('gateway'), (one) => one.stop())
  const writer = stack.adopt(await start('writer'), (one) => one.stop())
  const port = Number(new URL(String(gateway.facts['mqtt'])).port)
  const load = await startLoad(fleet, { ...task, port })
  const processes: Processes = { gateway: gateway.pid, writer: writer.pid, ...pids }
  const cpu = () => Object.fromEntries(Object.entries(processes).map(([name, pid]) => [name, cpuOf_us(pid)]))
  const before = cpu()
  const start_ms = performance.now()
  const done = await load.go()
  await untilCommitted(openPlace(fleet.home, settings), COMMIT_LIMIT_MS)
  const committed_ms = performance.now() - start_ms
  const spent = Object.entries(cpu()).map(([name, value]) => [name, value - (before[name] ?? 0)] as const)
  const peaks = Object.entries(processes).map(([name, pid]) => [name, memoryOf_mib(pid).peak])
  return {
    ...{ acked_ms: done.ms, committed_ms, latencies_ms: done.latencies_ms, refused: done.refused },
    cpu_us: { ...Object.fromEntries(spent), generator: done.cpu_us },
    peak_mib: Object.fromEntries(peaks),
  }
}

function figuresOf(
  { name, backlog }: Workload,
  events: number,
  measured: readonly Round[],
  { acks_ms, freshness_ms }: { readonly acks_ms: readonly number[]; readonly freshness_ms: readonly number[] },
): Figure[] {
  const of = (what: string, unit: string, value: (round: Round) => number) =>
    overRounds(`${name}: ${what}`, unit, measured.map(value))
  const committed = ({ committed_ms }: Round) => events / (committed_ms / 1000)
  const processes = Object.keys(measured[0]?.cpu_us ?? {})
  return [
    of('acknowledged', 'events/s', ({ acked_ms }) => events / (acked_ms / 1000)),
    of('committed', 'events/s', committed),
    ...(backlog ? [of('catching up, real time', '×', (round) => committed(round) / FLEET_EVENTS_A_SECOND)] : []),
    ...processes.map((process) =>
      of(`${process} CPU`, 'µs/event', ({ cpu_us }) => (cpu_us[process] ?? Number.NaN) / events),
    ),
    of('CPU of all', 'µs/event', ({ cpu_us }) => Object.values(cpu_us).reduce((sum, one) => sum + one, 0) / events),
    ...['gateway', 'writer'].map((process) =>
      of(`${process} memory, peak`, 'MiB', ({ peak_mib }) => peak_mib[process] ?? Number.NaN),
    ),
    of('files a commit', 'files', ({ files, commits }) => files / commits),
    ...latencyFigures(`${name}: receipt to commit`, freshness_ms),
    ...latencyFigures(`${name}: batch to PUBACK`, acks_ms),
  ]
}
