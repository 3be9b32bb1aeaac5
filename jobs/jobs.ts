import { join } from 'node:path'
import type { Clock, Random } from '../contract/clock.ts'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import { type DuckDb, openDuckDb } from '../lake/duckdb.ts'
import type { FileCacheOptions } from '../lake/file-cache.ts'
import type { Lake } from '../lake/lake.ts'
import { openLocalFiles } from '../lake/local-files.ts'
import type { Table } from '../lake/table.ts'
import { type Calculate, type CalculateOptions, calculate, type How } from './calculate.ts'
import { type Catalogue, catalogue } from './catalogue.ts'
import { type CutOptions, cut } from './cut.ts'
import { DAY_MS, dayOf } from './day.ts'
import type { Engine } from './engine.ts'
import { highestFloor, inputSnapshots } from './floor.ts'
import { type JobRun, recordRuns } from './job-runs.ts'
import { cellsOf, type HourRecord, openRecords, WHOLE_HISTORY_MS } from './ledger.ts'
import { HOUR_MS, JOBS_MEMORY_LIMIT, RUN_ATTEMPTS_MAX, SETTLE_MS, UNITS_A_RUN_MAX } from './limits.ts'
import type { Metric } from './metric.ts'
import { giveDefaults } from './objectives-table.ts'
import {
  bucketsOf,
  type Cause,
  causeOf,
  type Floor,
  isComplete,
  isFrozen,
  type PlanState,
  plan,
  type Unit,
} from './plan.ts'
import { METRIC_DATE, runMetric, type Standing } from './run-metric.ts'
import { type UnitTime, unitTime } from './shape.ts'
import { nothingTouched, type Span, spansOf, type Touched } from './touched.ts'
import { catchUp } from './touched-fold.ts'

export type JobsOptions = {
  readonly lake: Lake
  readonly clock: Clock
  readonly random: Random
  /** For files before they are uploaded. */
  readonly scratch_folder: string
  /** For a lake that has no files on this machine. */
  readonly cache?: FileCacheOptions
  readonly threads?: number
  readonly metrics?: Catalogue
  /** UNITS_A_RUN_MAX unless given. */
  readonly units_a_run?: number
  /** Who calculates, given that this process can; it does unless given. */
  readonly calculate?: ((here: Calculate) => Calculate) | undefined
  /** DuckDB unless given; of what this process calculates. */
  readonly engine?: Engine | undefined
}

/** What one metric's run did. */
export type MetricRun = {
  readonly metric: string
  readonly units: readonly Unit[]
  readonly rows: number
  readonly ms: number
  readonly version: number | undefined
  /** Of a data file, for which the units of some days were left out. */
  readonly damage?: Problem | undefined
  /** Unless this process calculated them. */
  readonly how?: How | undefined
  /** Units that were due as well, and are left to the next run. */
  readonly left: number
}

export type RunOptions = {
  readonly signal?: AbortSignal | undefined
  /** Only these units; all that are due when absent. */
  readonly only?: { readonly from_ms: number; readonly to_ms: number } | undefined
  /** Only these metrics, from what stands of those that they read; all when absent. */
  readonly metrics?: readonly string[] | undefined
  /** Which days of many first; the newest unless given. */
  readonly order?: CutOptions['order'] | undefined
  readonly progress?: ((metric: string, done: number, total: number) => void) | undefined
}

/** One bucket of an hour: what its rows were made from, unless it was never made, and why it is due if it is. */
export type Explained = {
  readonly bucket: number
  readonly record: HourRecord | undefined
  readonly cause: Cause | undefined
  /** Set when it is never made again: which table lacks rows that it would be made from. */
  readonly frozen?: Floor | undefined
}

/** Where one metric stands. */
export type MetricStatus = {
  readonly metric: string
  /** Units that are due, oldest first. */
  readonly due: readonly Unit[]
  /** Units whose rows stand in the table. */
  readonly computed: number
  /** The newest hour of those; 0 for a whole history, undefined when there is none. */
  readonly newest_ms: number | undefined
}

export type Jobs = {
  /** Each metric in order of calculation. */
  status(): Promise<readonly MetricStatus[]>
  /** What is due now, by metric in order of calculation; units that follow from others are found when those are made. */
  plan(): Promise<readonly Unit[]>
  /**
   * Makes what is due, one commit a metric; of a long back-fill a share that its `left` says the rest of. Raises `corrupt`
   * when a check fails or a data file is damaged, once all else is made.
   */
  run(options?: RunOptions): Promise<readonly MetricRun[]>
  /** From what each bucket of an hour was made. Raises `missing` for a metric or an hour that there is not. */
  explain(metric: string, hour_ms: number): Promise<readonly Explained[]>
  [Symbol.asyncDispose](): Promise<void>
}

/** By metric: days of which units are left to the next run. */
type Behind = Map<string, ReadonlySet<number>>

export async function openJobs(options: JobsOptions): Promise<Jobs> {
  const { lake, clock } = options
  const local = await openLocalFiles(lake.store, { cache: options.cache, clock })
  const metrics = options.metrics ?? catalogue()
  const seen = new Map<string, Touched>()
  /** By metric: the sign of a state in which nothing was due. */
  const settled = new Map<string, string>()
  let spans: { readonly sign: string; readonly of: readonly Span[] } | undefined
  const buckets = lake.layouts.at(-1)?.buckets ?? 1
  let duck: DuckDb | undefined
  /** The lake has objectives. */
  let given = false

  const tableOf = async (metric: Metric) =>
    await lake.ensureTable(metric.name, {
      columns: metric.columns,
      partition: unitTime(metric.shape) ? [METRIC_DATE] : [],
      description: metric.meaning,
    })

  function openEngine(): Promise<DuckDb> {
    const temp_folder = join(options.scratch_folder, 'temp')
    return openDuckDb({ threads: options.threads ?? 1, memory_limit: JOBS_MEMORY_LIMIT, temp_folder })
  }

  const calculateHere: Calculate = async (task, runOptions) => {
    duck ??= await openEngine()
    const made = await calculate({ ...options, local }, duck, task, runOptions)
    return { task, made, over: async () => undefined }
  }
  const calculateTask = options.calculate?.(calculateHere) ?? calculateHere

  async function touchedOf(name: string): Promise<Touched> {
    const touched = seen.get(name) ?? nothingTouched()
    seen.set(name, touched)
    let table: Table
    try {
      table = await lake.table(name)
    } catch (error) {
      if (isProblem(error, 'missing')) return touched
      throw error
    }
    await catchUp(touched, table, lake.store)
    return touched
  }

  /** What a plan is made from. All that it depends on is in the sign: a tick with nothing to do looks no further. */
  async function lookAt(metric: Metric, now_ms: number) {
    const events = await touchedOf('events')
    const inputs = new Map<string, Touched>()
    for (const { table } of metric.inputs) inputs.set(table, await touchedOf(table))
    const table = await tableOf(metric)
    const snapshot = await table.snapshot()
    const floor = highestFloor([[metric.name, snapshot], ...(await inputSnapshots(lake, metric))])
    const versions = [events, ...inputs.values(), snapshot].map(({ version }) => version)
    const hours = [now_ms, now_ms - SETTLE_MS].map((time_ms) => Math.floor(time_ms / HOUR_MS))
    const sign = [...versions, floor?.from_ms, ...hours].join(' ')
    return { metric, now_ms, events, inputs, table, snapshot, floor, sign }
  }

  function stateOf({ events, sign: _, ...looked }: Awaited<ReturnType<typeof lookAt>>): PlanState & Standing {
    const sign = `${events.version} ${Math.floor(looked.now_ms / HOUR_MS)}`
    if (spans?.sign !== sign) spans = { sign, of: spansOf(events, looked.now_ms) }
    return { ...looked, spans: spans.of, buckets, cells: cellsOf(looked.metric, looked.snapshot) }
  }

  /** Makes what is due of one metric; undefined when nothing is. Raises `conflict` after losing to others too often. */
  async function makeDue(
    metric: Metric,
    runOptions: RunOptions & CalculateOptions,
    behind: Behind,
  ): Promise<MetricRun | undefined> {
    for (let attempt = 1; attempt <= RUN_ATTEMPTS_MAX; attempt++) {
      runOptions.signal?.throwIfAborted()
      const looked = await lookAt(metric, clock.now())
      if (settled.get(metric.name) === looked.sign) return undefined
      const state = stateOf(looked)
      const due = plan(state)
      if (due.length === 0) settled.set(metric.name, looked.sign)
      const { only, order } = runOptions
      const asked = due.filter(
        ({ hour_ms }) => !only || metric.shape === 'bucket' || (hour_ms >= only.from_ms && hour_ms < only.to_ms),
      )
      const { taken, left } = cut(metric, asked, {
        most: options.units_a_run ?? UNITS_A_RUN_MAX,
        order: order ?? 'newest',
        behind: new Set(metric.inputs.flatMap(({ table }) => [...(behind.get(table) ?? [])])),
      })
      behind.set(metric.name, new Set(left.map(({ hour_ms }) => dayOf(hour_ms))))
      if (taken.length === 0) return undefined
      const run = await runMetric(options, calculateTask, state, taken, runOptions)
      if (run) return { ...run, left: left.length }
    }
    throw new Problem(
      'conflict',
      `${metric.name} lost its commit to others ${RUN_ATTEMPTS_MAX} times; the next tick tries again`,
    )
  }

  async function record(started_ms: number, runs: readonly MetricRun[], failed: readonly JobRun[]): Promise<void> {
    const told = [...runs.map(toldRun), ...failed]
    if (told.length === 0) return
    duck ??= await openEngine()
    await recordRuns(options, duck.connection, started_ms, told)
  }

  async function status(): Promise<readonly MetricStatus[]> {
    const now_ms = clock.now()
    const all: MetricStatus[] = []
    for (const metric of metrics) {
      const state = stateOf(await lookAt(metric, now_ms))
      let computed = 0
      let newest_ms: number | undefined
      for (const { sum } of state.cells.values()) {
        computed += sum.count
        newest_ms = Math.max(newest_ms ?? sum.newest_ms, sum.newest_ms)
      }
      all.push({ metric: metric.name, due: plan(state), computed, newest_ms })
    }
    return all
  }

  return {
    status,
    plan: async () => (await status()).flatMap(({ due }) => due),
    async run(runOptions = {}) {
      const runs: MetricRun[] = []
      const failed: JobRun[] = []
      let failure: Problem | undefined
      const started_ms = clock.now()
      if (!given) await giveDefaults(options, async () => (duck ??= await openEngine()).connection)
      given = true
      const { metrics: asked } = runOptions
      const behind: Behind = new Map()
      for (const metric of asked ? metrics.filter(({ name }) => asked.includes(name)) : metrics) {
        let how: How | undefined
        const tell = (told: How) => {
          how = { ...told, attempts: [...(how?.attempts ?? []), ...told.attempts] }
        }
        try {
          const run = await makeDue(metric, { ...runOptions, tell }, behind)
          if (run) runs.push({ ...run, how })
          if (run?.damage) throw run.damage
        } catch (error) {
          if (runOptions.signal?.aborted) throw error
          failed.push(failedRun(metric, error, how))
          // Damage is told when what it does not touch is made; with anything else no metric would fare better.
          if (!isProblem(error, 'corrupt', 'missing')) {
            await record(started_ms, runs, failed)
            throw error
          }
          failure ??= error
        }
      }
      await record(started_ms, runs, failed)
      if (failure) throw failure
      return runs
    },
    async explain(name, hour_ms) {
      const metric = metrics.find((one) => one.name === name)
      if (!metric) {
        throw new Problem(
          'missing',
          `there is no metric ${name}; there are ${metrics.map((one) => one.name).join(', ')}`,
        )
      }
      const state = stateOf(await lookAt(metric, clock.now()))
      const time = unitTime(metric.shape)
      if (time) refuseOutside(state, hour_ms, time)
      const hour = time ? Math.floor(hour_ms / time.length_ms) * time.length_ms : WHOLE_HISTORY_MS
      const records = openRecords(state.cells)
      return bucketsOf(state).map((bucket) => ({
        bucket,
        record: records.get(hour, bucket),
        cause: causeOf(state, hour, bucket),
        ...(isFrozen(state, hour) && { frozen: state.floor }),
      }))
    },
    async [Symbol.asyncDispose]() {
      await duck?.[Symbol.asyncDispose]()
      await local[Symbol.asyncDispose]()
    },
  }
}

/** Runs until nothing is left of what is due now. */
export async function runAll(jobs: Pick<Jobs, 'run'>, runOptions: RunOptions = {}): Promise<readonly MetricRun[]> {
  const all: MetricRun[] = []
  for (let runs = await jobs.run(runOptions); ; runs = await jobs.run(runOptions)) {
    all.push(...runs)
    if (!runs.some(({ left }) => left > 0)) return all
  }
}

/** Raises `missing` for an hour that has not begun, or whose day is not over, or from before anything is known. */
function refuseOutside({ metric, spans, now_ms }: PlanState, hour_ms: number, { column, length_ms }: UnitTime): void {
  const time = (ms: number) => `${new Date(ms).toISOString().slice(0, 16)}Z`
  const none = `${metric.name} has no hour ${time(hour_ms)}`
  if (hour_ms > now_ms) throw new Problem('missing', `${none}: it has not begun`)
  if (column === 'day' && !isComplete(dayOf(hour_ms), now_ms, DAY_MS))
    throw new Problem('missing', `${none}: it is made of whole days, once they are over`)
  const next = spans.find(({ to_ms }) => hour_ms <= to_ms)
  if (!next) throw new Problem('missing', `${none}: there are no events yet`)
  if (hour_ms >= Math.floor(next.from_ms / length_ms) * length_ms) return
  const why = next === spans[0] ? 'nothing is known of so long ago' : 'nothing is known of more than a month around it'
  throw new Problem('missing', `${none}: ${why}; the next hour that it has is ${time(next.from_ms)}`)
}

function toldRun({ metric, units, rows, ms, version, how }: MetricRun): JobRun {
  const cause = [...new Set(units.map((unit) => unit.cause))].join(', ')
  const ends = { first_ms: units[0]?.hour_ms, last_ms: units.at(-1)?.hour_ms }
  return { metric, units: units.length, ...ends, rows, ms, cause, outcome: 'committed', version, how }
}

function failedRun(metric: Metric, error: unknown, how: How | undefined): JobRun {
  const nothing = { units: 0, first_ms: undefined, last_ms: undefined, rows: 0, ms: 0, cause: '', version: undefined }
  return { metric: metric.name, ...nothing, outcome: 'failed', reason: messageOf(error), how }
}
