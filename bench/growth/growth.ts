import { constants } from 'node:fs'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { machineClock, machineRandom as random } from '../../cli/machine.ts'
import { calculateElsewhere } from '../../jobs/calculate-elsewhere.ts'
import { catalogue } from '../../jobs/catalogue.ts'
import { DAY_MS } from '../../jobs/day.ts'
import { type JobsOptions, openJobs, type RunOptions } from '../../jobs/jobs.ts'
import { HOUR_MS } from '../../jobs/limits.ts'
import { commitSample } from '../../jobs/sample.ts'
import { openDuckDb } from '../../lake/duckdb.ts'
import { openFolderStore } from '../../lake/folder-store.ts'
import { createLake, openLake } from '../../lake/lake.ts'
import type { Benchmark, BenchmarkOptions, Findings } from '../benchmark.ts'
import { writeDay } from '../day.ts'
import { type Figure, overRounds } from '../figure.ts'
import { plotGrowth } from './plot.ts'
import { processRunner } from './process-runner.ts'

export const growth: Benchmark = {
  name: 'growth',
  description: 'all metrics of a day of 1, 10 and 40 million events, in 1, 2 and 4 processes; and of what comes late',
  rounds: 1,
  run,
}

const SIZES = [1_000_000, 10_000_000, 40_000_000]
const INDEXES = [1, 2, 4]
/** Of the day, in each of which a command of each bucket comes late. */
const LATE_HOURS = [1, 4, 16]
const EVENTS_A_HUB = 5_000
const BUCKETS = 4
const DAY = Date.UTC(2026, 10, 20)
const NOW = DAY + 2 * DAY_MS
const ONLY: RunOptions['only'] = { from_ms: DAY, to_ms: DAY + DAY_MS }
const clock = { ...machineClock, now: () => NOW }

/** One run: of how many events of the day, in how many processes or after how many late hours, and its seconds. */
export type Measured = {
  readonly events: number
  readonly indexes?: number
  readonly late_hours?: number
  readonly s: number
}

async function run({ rounds, folder, events, note }: BenchmarkOptions): Promise<Findings> {
  const measured: Measured[] = []
  for (const size of events === undefined ? SIZES : [events]) {
    const day = join(folder, String(size))
    const count = await makeDay(day, size)
    note(`${count} events of ${hubsOf(size)} hubs in a day`)
    for (let round = 1; round <= rounds; round++) {
      for (const indexes of INDEXES) {
        const place = await copyOf(day, `${round}-${indexes}`)
        const s = await seconds(place, { indexes })
        measured.push({ events: count, indexes, s })
        note(`the day in ${indexes} ${indexes === 1 ? 'process' : 'processes'}: ${s.toFixed(2)} s`)
        if (indexes === INDEXES.at(-1)) measured.push(...(await lateRuns(place, count, note)))
        await rm(place, { recursive: true })
      }
    }
    await rm(day, { recursive: true })
  }
  const figures = figuresOf(measured)
  return {
    workloads: [],
    rounds: measured,
    figures,
    plot: plotGrowth(measured),
    notes: [
      `Workload D: ${EVENTS_A_HUB} events of each hub a day, so that a larger day is one of more hubs, in ${BUCKETS} buckets. All ${catalogue().length - 1} metrics but hubs, from plan to commit, one after the other. A process is one of DuckDB's threads and 2 GB, started for its part; this machine has two cores, so that 4 processes can gain nothing over 2.`,
      'Late: after the day is made, a command of each bucket comes in each of so many of its hours; the run makes what hangs on them, in one process that is there.',
    ],
    faults: [],
  }
}

function figuresOf(measured: readonly Measured[]): Figure[] {
  const figures: Figure[] = []
  const of = (name: string, unit: string, some: readonly Measured[], figure: (one: Measured) => number) =>
    void (some.length > 0 && figures.push(overRounds(name, unit, some.map(figure))))
  for (const [events, all] of Map.groupBy(measured, (one) => one.events)) {
    const size = `${(events / 1e6).toFixed(1)} M events`
    for (const indexes of INDEXES) {
      const some = all.filter((one) => one.indexes === indexes)
      of(`${size}, ${indexes} at once`, 's', some, ({ s }) => s)
      of('  … an event', 'µs', some, ({ s }) => (s / events) * 1e6)
    }
    for (const hours of LATE_HOURS) {
      const some = all.filter((one) => one.late_hours === hours)
      of(`${size}, late in ${hours} of 24 hours`, 's', some, ({ s }) => s)
      of('  … an event of these hours', 'µs', some, ({ s }) => (s / ((events / 24) * hours)) * 1e6)
    }
  }
  return figures
}

function hubsOf(events: number): number {
  return Math.round(events / EVENTS_A_HUB)
}

/** A lake with the day's events, and `hubs` made. */
async function makeDay(folder: string, events: number): Promise<number> {
  const store = openFolderStore(join(folder, 'lake'))
  const lake = await createLake({ store, clock, random, fleet: 'bench', region: 'local', buckets: BUCKETS })
  const scratch_folder = join(folder, 'scratch')
  await using duck = await openDuckDb({ threads: 2, temp_folder: join(folder, 'temp') })
  const fleet = { day_ms: DAY, hubs: hubsOf(events), events_a_hub: EVENTS_A_HUB }
  const count = await writeDay({ lake, duck, clock, random, scratch_folder }, fleet)
  await using jobs = await openJobs({ lake, clock, random, scratch_folder })
  await jobs.run({ metrics: ['hubs'] })
  return count
}

async function copyOf(day: string, name: string): Promise<string> {
  const place = `${day}-${name}`
  await cp(join(day, 'lake'), join(place, 'lake'), { recursive: true, mode: constants.COPYFILE_FICLONE })
  return place
}

async function seconds(place: string, { indexes }: { readonly indexes?: number } = {}): Promise<number> {
  const lake = await openLake({ store: openFolderStore(join(place, 'lake')), clock, random })
  const options: JobsOptions = { lake, clock, random, scratch_folder: join(place, 'scratch') }
  const calculate =
    indexes === undefined
      ? undefined
      : () =>
          calculateElsewhere({
            lake,
            clock,
            metrics: catalogue(),
            runner: processRunner(place, NOW, indexes),
            on_abort: 'end',
          })
  const begun_ms = performance.now()
  await using jobs = await openJobs({ ...options, calculate })
  await jobs.run({ only: ONLY })
  return (performance.now() - begun_ms) / 1000
}

/** What comes late, each time in other hubs' commands of hours from the morning on. */
async function lateRuns(place: string, events: number, note: (line: string) => void): Promise<Measured[]> {
  const measured: Measured[] = []
  for (const [i, hours] of LATE_HOURS.entries()) {
    await commandsComeLate(place, i, hours)
    const s = await seconds(place)
    measured.push({ events, late_hours: hours, s })
    note(`late in ${hours} of its hours: ${s.toFixed(2)} s`)
  }
  return measured
}

async function commandsComeLate(place: string, nth: number, hours: number): Promise<void> {
  const store = openFolderStore(join(place, 'lake'))
  const lake = await openLake({ store, clock, random })
  await using duck = await openDuckDb({ threads: 2 })
  const { connection } = duck
  await connection.run(
    `CREATE TEMP TABLE sample AS
     SELECT * REPLACE (command_id || '-late-${nth}' AS command_id, seq + ${(nth + 1) * 100_000_000} AS seq)
     FROM read_parquet('${join(place, 'lake/events/**/*.parquet')}', hive_partitioning = true)
     WHERE kind = 'command' AND issued_time < make_timestamptz(${(DAY + (6 + hours) * HOUR_MS) * 1000})
     QUALIFY DENSE_RANK() OVER (PARTITION BY bucket ORDER BY hub_id) = ${nth + 1}`,
  )
  const parts = { clock, random, scratch_folder: join(place, 'scratch'), connection }
  await commitSample(lake, 'TRUE', parts)
}
