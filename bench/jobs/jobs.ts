import { cp, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { machineClock, machineRandom as random } from '../../cli/machine.ts'
import { DAY_MS } from '../../jobs/day.ts'
import { openJobs } from '../../jobs/jobs.ts'
import { HOUR_MS } from '../../jobs/limits.ts'
import { openDuckDb } from '../../lake/duckdb.ts'
import { openFolderStore } from '../../lake/folder-store.ts'
import { createLake } from '../../lake/lake.ts'
import type { Benchmark, BenchmarkOptions, Findings } from '../benchmark.ts'
import { runChild } from '../child.ts'
import { type FleetDay, writeDay } from '../day.ts'
import { overRounds } from '../figure.ts'
import { type Answer, answer, METRIC, THREADS } from './measured.ts'
import { openPlans } from './plan.ts'

export const jobs: Benchmark = {
  name: 'jobs',
  description: 'a day of a metric and an hour of it, beside the same SELECT by hand; and the plan of 3 years',
  rounds: 5,
  run,
}

/** Enough for a day's job of ten seconds. */
const HUBS = 5_000
const EVENTS = 20_000_000
const DAY = Math.floor(Date.UTC(2026, 10, 20) / DAY_MS) * DAY_MS
const NOW = DAY + DAY_MS + HOUR_MS / 2
const PLAN_ROUNDS = 7
const NOTHING_ROUNDS = 11

type Pair = { readonly ours: Answer; readonly bare: Answer }

async function run({ rounds, folder, events = EVENTS, note }: BenchmarkOptions): Promise<Findings> {
  const { hubs, count } = await makeDay(folder, { hubs: HUBS, events_a_hub: Math.round(events / HUBS) }, ['hubs'])
  note(`${count} events of ${HUBS} hubs in a day`)
  // Hearth's process makes them once more, to be at work when it is measured.
  await rm(join(folder, 'lake/hubs'), { recursive: true })
  const pair = async (name: string, hour_ms?: number): Promise<Pair> => {
    const out = join(folder, name)
    const lake = join(folder, 'lake')
    const ours = await runChild(
      join(import.meta.dirname, 'jobs-child.ts'),
      { lake, out: `${out}-ours`, now_ms: NOW, day_ms: DAY, hour_ms },
      answer,
    )
    const bare = await runChild(
      join(import.meta.dirname, 'bare-child.ts'),
      { lake, hubs, out: `${out}-bare`, day_ms: DAY, hour_ms },
      answer,
    )
    for (const part of ['ours', 'bare', 'bare-temp']) await rm(`${out}-${part}`, { recursive: true, force: true })
    return { ours, bare }
  }
  const days: Pair[] = []
  const hours: Pair[] = []
  for (let round = 1; round <= rounds; round++) {
    const day = await pair(`day-${round}`)
    const hour = await pair(`hour-${round}`, DAY + 12 * HOUR_MS)
    days.push(day)
    hours.push(hour)
    const told = ({ ours, bare }: Pair) => `${ours.ms.toFixed(0)} and ${bare.ms.toFixed(0)} ms`
    note(`round ${round}: a day ${told(day)}, an hour ${told(hour)}, by Hearth and by hand`)
  }
  const { nothing_ms } = await makeDay(join(folder, 'small'), { hubs: 20, events_a_hub: 2_400 })
  const plans = measurePlans()
  const of = (pairs: readonly Pair[], figure: (pair: Pair) => number) => pairs.map(figure)
  const wrong = [...days, ...hours].filter(({ ours, bare }) => ours.rows !== bare.rows)
  return {
    workloads: [],
    rounds: [...days, ...hours],
    figures: [
      overRounds(
        'a day of a metric: Hearth ÷ by hand',
        '×',
        of(days, ({ ours, bare }) => ours.ms / bare.ms),
        { most: 1.05 },
      ),
      overRounds(
        'a day by Hearth',
        's',
        of(days, ({ ours }) => ours.ms / 1000),
      ),
      overRounds(
        'a day by hand',
        's',
        of(days, ({ bare }) => bare.ms / 1000),
      ),
      overRounds(
        'CPU of Hearth ÷ by hand',
        '×',
        of(days, ({ ours, bare }) => ours.cpu_us / bare.cpu_us),
      ),
      overRounds(
        'an hour of it: Hearth − by hand',
        'ms',
        of(hours, ({ ours, bare }) => ours.ms - bare.ms),
        { most: 100 },
      ),
      overRounds(
        'an hour by Hearth',
        'ms',
        of(hours, ({ ours }) => ours.ms),
      ),
      overRounds(
        'peak memory of Hearth',
        'MB',
        of(days, ({ ours }) => ours.rss_mb),
      ),
      overRounds(`plan of ${plans.hours} hours of buckets`, 'ms', plans.planned_ms, { most: 500 }),
      overRounds('a tick with nothing to do, of all metrics', 'ms', nothing_ms, { most: 50 }),
    ],
    notes: [
      `Workload D: ${count} events of ${HUBS} hubs in the table, in ${BUCKETS} buckets. The metric is ${METRIC}; ${THREADS} thread and 2 GB each, processes that are warm, times without their start. By hand: the metric's own SELECT over the same files, in one statement, written as one file a bucket; it checks nothing, keeps no account of what it was made from and commits nothing.`,
      `The plan is of 20 metrics over 3 years in 16 buckets whose newest day moved, what is known of them being in memory: ${plans.due} units are due.`,
    ],
    faults: wrong.map(({ ours, bare }) => `rows differ: ${ours.rows} by Hearth, ${bare.rows} by hand`),
  }
}

const BUCKETS = 4

type Made = { readonly hubs: string; readonly count: number; readonly nothing_ms: readonly number[] }

/** A lake with the day in its table and these metrics made; resolves with a copy of the files of `hubs`. */
async function makeDay(folder: string, day: Omit<FleetDay, 'day_ms'>, metrics?: readonly string[]): Promise<Made> {
  const store = openFolderStore(join(folder, 'lake'))
  const clock = { ...machineClock, now: () => NOW }
  const lake = await createLake({ store, clock, random, fleet: 'bench', region: 'local', buckets: BUCKETS })
  const scratch_folder = join(folder, 'scratch')
  await mkdir(scratch_folder, { recursive: true })
  await using duck = await openDuckDb({ threads: 2 })
  const count = await writeDay({ lake, duck, clock, random, scratch_folder }, { day_ms: DAY, ...day })
  await using made = await openJobs({ lake, clock, random, scratch_folder })
  await made.run({ metrics })
  const nothing_ms: number[] = []
  for (let i = 0; i < NOTHING_ROUNDS; i++) {
    const begin_ms = performance.now()
    await made.run({ metrics })
    nothing_ms.push(performance.now() - begin_ms)
  }
  const hubs = join(folder, 'hubs')
  await cp(join(folder, 'lake/hubs'), hubs, { recursive: true })
  return { count, hubs: join(hubs, '*.parquet'), nothing_ms }
}

function measurePlans() {
  const plans = openPlans(Date.UTC(2026, 10, 20, 5, 30))
  const planned_ms: number[] = []
  let due = 0
  for (let i = 0; i < PLAN_ROUNDS; i++) {
    const begin_ms = performance.now()
    due = plans.plan()
    planned_ms.push(performance.now() - begin_ms)
  }
  return { planned_ms, due, hours: plans.hours }
}
