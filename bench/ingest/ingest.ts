import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Benchmark, BenchmarkOptions, Findings } from '../benchmark.ts'
import { type Figure, latencyFigures, overRounds } from '../figure.ts'
import { cpuOf_us, memoryOf_mib } from '../machine.ts'
import { type BenchFleet, makeFleet, type Server, startHearth, startMosquitto } from '../server.ts'
import { batches, factsOf, hubsOf, WORKLOAD_L, WORKLOAD_S } from '../workload.ts'
import { faultsOf } from './faults.ts'
import { startLoad, WINDOW } from './generator.ts'
import type { LoadDone, LoadTask } from './load.ts'
import { production } from './production.ts'
import { COMMIT_LIMIT_MS, openPlace, untilCommitted, whatIsThere } from './table.ts'

export const ingest: Benchmark = {
  name: 'ingest',
  description: 'hubs to committed Parquet through the real process, beside Mosquitto that keeps nothing',
  rounds: 3,
  run,
}

/** Several attempts of the writer each, so that gathering and encoding go on beside receiving. */
const SIZES = [
  { workload: WORKLOAD_L, batches: 8_000, least: 100_000 },
  { workload: WORKLOAD_S, batches: 8_000, least: undefined },
]
type Ran = {
  /** From the first batch to the last PUBACK. */
  readonly acked_ms: number
  readonly load_cpu_us: number
  readonly server_cpu_us: number
  readonly server_peak_mib: number
  readonly refused: number
}
type Round = {
  readonly workload: string
  readonly hearth: Ran & { readonly committed_ms: number }
  readonly mosquitto?: Ran
}

async function run(options: BenchmarkOptions): Promise<Findings> {
  if (options.log !== undefined) return await production(options)
  const all: Findings[] = []
  const asked = SIZES.filter(({ workload }) => options.workload === undefined || options.workload === workload.name)
  for (const size of asked) all.push(await runWorkload(options, size))
  return {
    workloads: all.flatMap(({ workloads }) => workloads),
    rounds: all.flatMap(({ rounds }) => rounds),
    figures: all.flatMap(({ figures }) => figures),
    notes: [...new Set(all.flatMap(({ notes }) => notes))],
    faults: all.flatMap(({ faults }) => faults),
  }
}

async function runWorkload(
  { rounds, seed, folder, profile, note }: BenchmarkOptions,
  size: (typeof SIZES)[number],
): Promise<Findings> {
  const { workload } = size
  const facts = factsOf(workload, seed, [...batches(workload, { seed, wall_ms: Date.now() }).take(size.batches)])
  const enrolled = await makeFleet(join(folder, `${workload.name}-0`), hubsOf(workload))
  const measured: Round[] = []
  const found: string[] = []
  const faults: string[] = []
  const acks_ms: number[] = []
  for (let i = 1; i <= rounds; i++) {
    const home = join(folder, `${workload.name}-${i}`)
    await cp(enrolled.home, home, { recursive: true })
    const fleet = { ...enrolled, home }
    const task = { workload: workload.name, seed, batches: size.batches, window: WINDOW }
    const hearth = await runHearth(fleet, task, profile)
    const there = await whatIsThere(openPlace(home))
    found.push(there.checksum)
    faults.push(...faultsOf(`${workload.name}, round ${i}`, facts, hearth, there))
    acks_ms.push(...hearth.latencies_ms)
    const peer = await runMosquitto(fleet, task)
    await rm(home, { recursive: true })
    const { latencies_ms: _, ...kept } = hearth
    measured.push({ workload: workload.name, hearth: { ...kept }, ...(peer ? { mosquitto: peer } : {}) })
    note(
      `${workload.name}, round ${i}: acknowledged in ${(hearth.acked_ms / 1000).toFixed(1)} s, committed in ${(hearth.committed_ms / 1000).toFixed(1)} s by ${there.commits} commits${peer ? `; Mosquitto ${(peer.acked_ms / 1000).toFixed(1)} s` : ''}`,
    )
  }
  return {
    workloads: [{ ...facts, checksums_found: found }],
    rounds: measured,
    figures: figuresOf(size, facts.events, measured, acks_ms),
    notes: [
      `The load generator is a process of its own on the same cores: its batches are made before the clock starts, ${WINDOW} a connection are under way. "Acknowledged" is until the last PUBACK, "committed" until the table holds all of it, the wait for freshness included.`,
      measured.some(({ mosquitto }) => mosquitto)
        ? 'Mosquitto takes the same messages from the same generator over the same TLS, and lets them go: no subscriber, no disk, no look into them. It is the price of the way in, and no peer in durability.'
        : 'Mosquitto is not installed: nothing to compare with.',
    ],
    faults,
  }
}

function figuresOf(
  { workload, least }: (typeof SIZES)[number],
  events: number,
  measured: readonly Round[],
  acks_ms: readonly number[],
): Figure[] {
  const named = (what: string) => `${workload.name}: ${what}`
  const ours = (what: string, unit: string, of: (round: Round['hearth']) => number, target?: Figure['target']) =>
    overRounds(named(what), unit, measured.map(({ hearth }) => hearth).map(of), target)
  const peers = measured.flatMap(({ mosquitto }) => mosquitto ?? [])
  const target = least === undefined ? undefined : { least }
  return [
    ours('acknowledged', 'events/s', ({ acked_ms }) => events / (acked_ms / 1000), target),
    ours('committed', 'events/s', ({ committed_ms }) => events / (committed_ms / 1000), target),
    ours('ingest CPU', 'µs/event', ({ server_cpu_us }) => server_cpu_us / events),
    ours('generator CPU', 'µs/event', ({ load_cpu_us }) => load_cpu_us / events),
    ours('ingest CPU', 'µs/batch', ({ server_cpu_us }) => (server_cpu_us / events) * workload.events_a_batch),
    ours('ingest memory, peak', 'MiB', ({ server_peak_mib }) => server_peak_mib),
    ...latencyFigures(named('batch to PUBACK'), acks_ms),
    ...(peers.length === 0
      ? []
      : [
          overRounds(
            named('Mosquitto acknowledged'),
            'events/s',
            peers.map((one) => events / (one.acked_ms / 1000)),
          ),
          overRounds(
            named('Mosquitto CPU'),
            'µs/batch',
            peers.map((one) => (one.server_cpu_us / events) * workload.events_a_batch),
          ),
        ]),
  ]
}

type Task = Pick<LoadTask, 'workload' | 'seed' | 'batches' | 'window'>

async function runHearth(fleet: BenchFleet, task: Task, profile: string | undefined) {
  const server = await startHearth(fleet, ['ingest'], { profile })
  try {
    const port = Number(new URL(String(server.facts['mqtt'])).port)
    const load = await startLoad(fleet, { ...task, port })
    const before_us = cpuOf_us(server.pid)
    const start_ms = performance.now()
    const done = await load.go()
    await untilCommitted(openPlace(fleet.home), COMMIT_LIMIT_MS)
    const committed_ms = performance.now() - start_ms
    return { ...ranOf(done, server, before_us), committed_ms, latencies_ms: done.latencies_ms }
  } finally {
    await server.stop()
  }
}

async function runMosquitto(fleet: BenchFleet, task: Task): Promise<Ran | undefined> {
  const server = await startMosquitto(fleet)
  if (!server) return undefined
  try {
    const load = await startLoad(fleet, { ...task, port: server.port })
    const before_us = cpuOf_us(server.pid)
    return ranOf(await load.go(), server, before_us)
  } finally {
    await server.stop()
  }
}

function ranOf(done: LoadDone, server: Server, before_us: number): Ran {
  return {
    acked_ms: done.ms,
    load_cpu_us: done.cpu_us,
    server_cpu_us: cpuOf_us(server.pid) - before_us,
    server_peak_mib: memoryOf_mib(server.pid).peak,
    refused: done.refused,
  }
}
