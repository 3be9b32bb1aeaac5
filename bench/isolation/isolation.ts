import { openWholeSystem, type WholeSystem } from '../../cli/testing/whole-system.ts'
import type { Benchmark, BenchmarkOptions, Findings } from '../benchmark.ts'
import { type Figure, overRounds } from '../figure.ts'
import { watchMachine } from '../machine.ts'
import { makeFleet, pause } from '../server.ts'
import { type Busy, besideJobs } from './beside-jobs.ts'
import { APPS, type Compared, compare, HUBS, openHomes, PER_SECOND, toldOf, WINDOW_S } from './window.ts'

export const isolation: Benchmark = {
  name: 'isolation',
  description: 'commands while Kafka, S3, Redis, Postgres, ingest or jobs are stopped, or silent; and beside busy jobs',
  rounds: 3,
  run,
}

/** What was away comes back, and does what it missed: until so few cores are at work, or for so long. */
const IDLE_CORES = 0.6
const SETTLE_MOST_MS = 60_000
const LOOK_MS = 3_000
const RATIO_MOST = 1.15
const BESIDE_JOBS_P99_MOST_MS = 50

type InTrouble = Compared & { readonly trouble: string }

async function run(options: BenchmarkOptions): Promise<Findings> {
  const troubled = await inTroubles(options)
  const busy = await besideJobs(options)
  return {
    workloads: [],
    rounds: [...troubled, ...busy],
    figures: [...troubleFigures(troubled), ...jobsFigures(busy)],
    notes: [
      `hearth relay, ingest gateway, ingest writer and jobs scheduler, each a process, with a Kafka broker, versitygw, Redis and Postgres; ${HUBS.length} hubs with the real agent (journal and outbox synced) in one process, ${APPS} apps with a WebSocket each in another, ${PER_SECOND} commands a second for ${WINDOW_S} s a window, each timed from when it was due. Stopped: SIGKILL, the port is closed. Silent: SIGSTOP, connections are taken and nothing is answered. A calm window before and after each, once the machine is idle; a ratio is that of the window's median to the mean of theirs.`,
      'All of it is on the same cores, and what stands still takes none, so that a ratio may be below 1.',
      "Beside jobs: a relay and hubs alone with a state folder in whose lake is a day of which nothing is made; `hearth jobs scheduler` as users start it, with as many of DuckDB's threads as there are cores.",
    ],
    faults: [...troubled, ...busy.map((one) => ({ ...one, trouble: 'beside jobs' }))].flatMap(({ trouble, failed }) =>
      failed > 0 ? [`${trouble}: ${failed} commands were not done`] : [],
    ),
  }
}

function troubleFigures(all: readonly InTrouble[]): Figure[] {
  const each = [...Map.groupBy(all, ({ trouble }) => trouble)].flatMap(([name, some]): Figure[] => {
    const over = (what: string, unit: string, pick: (one: Compared) => number, target?: Figure['target']) =>
      overRounds(`${name}: ${what}`, unit, some.map(pick), target)
    return [
      over('median ÷ calm', '×', ({ ratio }) => ratio, { most: RATIO_MOST }),
      over('p50', 'ms', ({ p50_ms }) => p50_ms),
      over('p99', 'ms', ({ p99_ms }) => p99_ms),
      over("relay's CPU ÷ calm", '×', ({ cpu_ratio }) => cpu_ratio),
    ]
  })
  const calm = (what: string, pick: (one: Compared) => number) => overRounds(`calm: ${what}`, 'ms', all.map(pick))
  return [...each, calm('p50', ({ calm_p50_ms }) => calm_p50_ms), calm('p99', ({ calm_p99_ms }) => calm_p99_ms)]
}

function jobsFigures(busy: readonly Busy[]): Figure[] {
  const over = (what: string, unit: string, pick: (one: Busy) => number, target?: Figure['target']) =>
    overRounds(`beside busy jobs: ${what}`, unit, busy.map(pick), target)
  return [
    over('median ÷ calm', '×', ({ ratio }) => ratio),
    over('p50', 'ms', ({ p50_ms }) => p50_ms),
    over('p99', 'ms', ({ p99_ms }) => p99_ms, { most: BESIDE_JOBS_P99_MOST_MS }),
    over('calm p99', 'ms', ({ calm_p99_ms }) => calm_p99_ms),
    over('cores that jobs used', 'cores', ({ jobs_cores }) => jobs_cores),
  ]
}

async function inTroubles({ rounds, seed, folder, events, note }: BenchmarkOptions): Promise<readonly InTrouble[]> {
  note('starting Kafka, S3, Redis, Postgres and the processes')
  await using whole = await openWholeSystem()
  const { home, ports, environment } = whole.system
  const fleet = await makeFleet(home, HUBS, APPS, environment)
  // The relay learns of them from Postgres, and says no until then.
  await settle(note)
  const homes = await openHomes({ fleet, relay_pid: whole.relay.pid, ports, folder, seed, count: events })
  const all: InTrouble[] = []
  try {
    for (let round = 1; round <= rounds; round++) {
      let before = await homes.look()
      for (const { name, begin, end } of troublesOf(whole)) {
        await begin()
        const during = await homes.look()
        await end()
        await settle(note)
        const after = await homes.look()
        const one = { trouble: name, ...compare(during, [before, after]) }
        all.push(one)
        note(`round ${round}: ${name} ${toldOf(one)}`)
        before = after
      }
    }
  } finally {
    await homes.stop()
  }
  return all
}

async function settle(note: BenchmarkOptions['note']): Promise<void> {
  for (let waited_ms = 0; waited_ms < SETTLE_MOST_MS; waited_ms += LOOK_MS) {
    const machine = watchMachine()
    await pause(LOOK_MS)
    if (machine().busy_cores < IDLE_CORES) return
  }
  note(`the machine was not idle after ${SETTLE_MOST_MS / 1000} s`)
}

type Trouble = { readonly name: string; begin(): Promise<void>; end(): Promise<void> }

function troublesOf({ dependencies }: WholeSystem): readonly Trouble[] {
  return dependencies.flatMap(({ name, stop, start, silence, resume }) => [
    { name: `${name} stopped`, begin: stop, end: start },
    { name: `${name} silent`, begin: silence, end: resume },
  ])
}
