import type { Clock, Random } from '../contract/clock.ts'
import { isProblem, leaveFault, messageOf, Problem } from '../contract/problem.ts'
import type { FileCacheOptions } from '../lake/file-cache.ts'
import { inParallel } from '../lake/in-parallel.ts'
import type { Lake } from '../lake/lake.ts'
import type { WriteRows } from '../lake/write-rows.ts'
import { openBaton } from './baton.ts'
import type { Benches } from './bench.ts'
import { type Calculate, calculate, type How } from './calculate.ts'
import { type Catalogue, catalogue } from './catalogue.ts'
import { type CutOptions, cut } from './cut.ts'
import { dayOf } from './day.ts'
import { openDuckDbBenches } from './duckdb-bench.ts'
import type { Engine } from './engine.ts'
import { type JobRun, recordRuns } from './job-runs.ts'
import { METRIC_DATE } from './ledger.ts'
import { METRICS_AT_ONCE, RUN_ATTEMPTS_MAX, UNITS_A_RUN_MAX } from './limits.ts'
import { openLook } from './look.ts'
import type { Metric } from './metric.ts'
import { giveDefaults } from './objectives-table.ts'
import { plan, type Unit } from './plan.ts'
import { openRetries } from './retries.ts'
import { runMetric, type Standing } from './run-metric.ts'
import { unitTime } from './shape.ts'
import { unitKey } from './touched.ts'

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
  /** Rows of a day's inputs that this process reads at once, for tests. */
  readonly rows_at_once?: number
  /** Who makes rows and files of them: DuckDB or the engine, as Parquet, unless given; the simulator brings plainer ones. */
  readonly openBenches?: (options: JobsOptions) => Promise<Benches>
  readonly writeRows?: WriteRows
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
  /** It was begun by others, and has what was due then. */
  readonly adopted: boolean
}

export type RunOptions = {
  readonly signal?: AbortSignal | undefined
  /** Only these units and what follows from them; all that are due when absent. */
  readonly only?: { readonly from_ms: number; readonly to_ms: number } | undefined
  /** Only these metrics, from what stands of those that they read; all when absent. */
  readonly metrics?: readonly string[] | undefined
  /** Which days of many first; the newest unless given. */
  readonly order?: CutOptions['order'] | undefined
  readonly progress?: ((metric: string, done: number, total: number) => void) | undefined
  /** What failed waits until its time has come (retries.ts), and the run fails with it again; otherwise all is tried at once. */
  readonly patient?: boolean | undefined
  /** Units of a metric could not be made; others still can. */
  readonly failed?: ((metric: string, error: unknown, units: readonly Unit[]) => void) | undefined
  /** A share is committed. */
  readonly ran?: ((runs: readonly MetricRun[]) => void | Promise<void>) | undefined
}

export type Jobs = {
  /** What is due now, by metric in order of calculation; units that follow from others are found when those are made. */
  plan(): Promise<readonly Unit[]>
  /**
   * Makes what is due, one commit a metric, of a long back-fill one a share. Raises `corrupt` when a check fails or a data
   * file is damaged, and `invalid` when a SELECT is wrong, once all is made that does not hang on it.
   */
  run(options?: RunOptions): Promise<readonly MetricRun[]>
  [Symbol.asyncDispose](): Promise<void>
}

/** Days by metric. */
type Days = Map<string, ReadonlySet<number>>

/** What is not made yet. */
type Unmade = {
  /** Of a share: what was due of it and of its inputs. */
  readonly behind: Days
  /** Of a whole run: what failed. */
  readonly stuck: Days
}

/** Of a metric, what failed after the runs that did not, and which units it was to make. */
type Failed = {
  readonly error: unknown
  readonly how?: How | undefined
  readonly units?: readonly Unit[]
  readonly ms?: number
  /** It was an earlier run that failed, and it is not tried again yet. */
  readonly waits?: boolean
}

/** What is due of a metric came to this. */
type Made = { readonly runs: readonly MetricRun[]; readonly more: boolean; readonly failed?: Failed | undefined }

export async function openJobs(options: JobsOptions): Promise<Jobs> {
  const { lake, clock } = options
  const benches = await (options.openBenches ?? openDuckDbBenches)(options)
  const metrics = options.metrics ?? catalogue()
  const look = openLook({ lake, clock, metrics, folds: lake.store })
  /** By metric: the sign of a state in which nothing was due. */
  const settled = new Map<string, string>()
  const retries = openRetries(clock)
  /** The lake has objectives. */
  let given = false

  async function standingOf(metric: Metric): Promise<Standing> {
    const table = await lake.ensureTable(metric.name, {
      columns: metric.columns,
      partition: unitTime(metric.shape) ? [METRIC_DATE] : [],
      description: metric.meaning,
    })
    return { table, snapshot: await table.snapshot() }
  }

  const calculateHere: Calculate = async (task, runOptions) => {
    const made = await calculate(benches, task, { ...options, ...runOptions })
    return { task, made, over: async () => undefined }
  }
  const baton = openBaton()
  const elsewhere = options.calculate?.((task, runOptions) => baton.within(() => calculateHere(task, runOptions)))
  const calculateTask: Calculate = elsewhere
    ? (task, runOptions) => baton.without(() => elsewhere(task, runOptions))
    : calculateHere

  /** Makes a share of what is due of one metric. Fails with `conflict` after losing to others too often. */
  async function makeDue(metric: Metric, runOptions: RunOptions, unmade: Unmade): Promise<Made> {
    const runs: MetricRun[] = []
    /** How the run that is not committed yet was calculated, one that was lost to others included. */
    let how: How | undefined
    const tell = (told: How) => {
      how = { ...told, attempts: [...(how?.attempts ?? []), ...told.attempts] }
    }
    // A history that lags behind is told later which hours it changes, as any late registry event is.
    const byDay = metric.inputs.filter(({ reach }) => reach !== 'validity')
    const ofInputs = (days: Days) => byDay.flatMap(({ table }) => [...(days.get(table) ?? [])])
    const stuck = new Set([...(unmade.stuck.get(metric.name) ?? []), ...ofInputs(unmade.stuck)])
    unmade.stuck.set(metric.name, stuck)
    for (let attempt = 1; attempt <= RUN_ATTEMPTS_MAX; attempt++) {
      runOptions.signal?.throwIfAborted()
      const { sign, standing, state } = await look.at(metric, clock.now(), standingOf)
      if (settled.get(metric.name) === sign) return { runs, more: false }
      const now = { ...state(), ...standing }
      const due = plan(now)
      if (due.length === 0) settled.set(metric.name, sign)
      const { only, order } = runOptions
      const asked = due.filter(
        ({ hour_ms }) => !only || metric.shape === 'bucket' || (hour_ms >= only.from_ms && hour_ms < only.to_ms),
      )
      unmade.behind.set(metric.name, daysOf(asked))
      const waiting = runOptions.patient ? retries.waiting(metric.name, asked) : []
      const [first] = waiting.filter(({ day_ms }) => !stuck.has(day_ms))
      const waits = first && { failed: { error: first.error, waits: true } }
      for (const { day_ms } of waiting) stuck.add(day_ms)
      const { taken, left, more } = cut(metric, asked, {
        most: options.units_a_run ?? UNITS_A_RUN_MAX,
        order: order ?? 'newest',
        behind: new Set(ofInputs(unmade.behind)),
        stuck,
      })
      if (taken.length === 0) return { runs, more, ...waits }
      const work = { units: taken, ...(left.length > 0 && { last_ms: Math.max(...daysOf(taken)) }) }
      let run: MetricRun | undefined
      const begin_ms = clock.monotonic()
      try {
        run = await runMetric(options, calculateTask, now, work, { ...runOptions, tell })
      } catch (error) {
        for (const day_ms of daysOf(taken)) stuck.add(day_ms)
        return { runs, more: true, failed: { error, how, units: taken, ms: clock.monotonic() - begin_ms } }
      }
      if (!run) continue
      const told = how
      runs.push({ ...run, how: told })
      how = undefined
      // What others began is not what is due now: that comes next.
      if (run.adopted) {
        attempt--
        continue
      }
      const made = new Set(run.units.map(({ hour_ms, bucket }) => unitKey(hour_ms, bucket)))
      const failed = taken.filter(({ hour_ms, bucket }) => !made.has(unitKey(hour_ms, bucket)))
      for (const day_ms of daysOf(failed)) stuck.add(day_ms)
      unmade.behind.set(metric.name, daysOf([...left, ...failed]))
      if (!run.damage) return { runs, more, ...waits }
      return { runs, more, failed: { error: run.damage, how: told, units: failed, ms: run.ms } }
    }
    const often = `${metric.name} lost its commit to others ${RUN_ATTEMPTS_MAX} times; the next tick tries again`
    return { runs, more: true, failed: { error: new Problem('conflict', often), how } }
  }

  /** One share of each metric; where others calculate, of several that do not read each other at once. */
  async function runShare(runOptions: RunOptions, stuck: Days) {
    const runs: MetricRun[] = []
    const failed: JobRun[] = []
    let failure: Problem | undefined
    let more = false
    const started_ms = clock.now()
    const { metrics: asked } = runOptions
    const wanted = asked ? metrics.filter(({ name }) => asked.includes(name)) : metrics
    const unmade: Unmade = { behind: new Map(), stuck }

    async function makeOne(metric: Metric): Promise<void> {
      const made = await makeDue(metric, runOptions, unmade).catch(
        (error: unknown): Made => ({ runs: [], more: true, failed: { error } }),
      )
      runs.push(...made.runs)
      more ||= made.more
      const damaged = made.runs.find((run) => run.damage)
      const fault: Failed | undefined = made.failed ?? (damaged && { error: damaged.damage, how: damaged.how })
      if (!fault) return
      const { error, how } = fault
      more = true
      const isStopped = runOptions.signal?.aborted === true
      // A SELECT that is wrong is told as `invalid`, and so is a cluster that takes no Job: what is small is made here all the same.
      const isOwn =
        isProblem(error) && (fault.waits || isProblem(error, 'corrupt', 'missing', 'invalid') || hasTried(how))
      if (!isStopped) {
        if (!fault.waits) failed.push(failedRun(metric, fault))
        if (isOwn && fault.units) retries.note(metric.name, fault.units, error)
        runOptions.failed?.(metric.name, error, fault.units ?? [])
      }
      // Told when all is made that does not hang on it; with anything else no metric would fare better.
      if (isStopped || !isOwn) throw error
      failure ??= error
    }

    try {
      for (const wave of elsewhere ? wavesOf(wanted) : [wanted]) {
        await inParallel(wave.length, elsewhere ? METRICS_AT_ONCE : 1, async (index) => {
          const metric = wave[index]
          if (metric) await baton.within(() => makeOne(metric))
        })
      }
    } catch (error) {
      // What failed before is what counts.
      await record(started_ms, runs, failed).catch(leaveFault)
      throw error
    }
    const places = new Map(wanted.map(({ name }, index) => [name, index]))
    runs.sort((a, b) => (places.get(a.metric) ?? 0) - (places.get(b.metric) ?? 0))
    await record(started_ms, runs, failed)
    return { runs, failure, more }
  }

  async function record(started_ms: number, runs: readonly MetricRun[], failed: readonly JobRun[]): Promise<void> {
    const told = [...runs.map(toldRun), ...failed]
    if (told.length > 0) await recordRuns(options, started_ms, told)
  }

  return {
    plan: async () => (await look.status()).flatMap(({ due }) => due),
    async run(runOptions = {}) {
      if (!given) await giveDefaults(options)
      given = true
      const all: MetricRun[] = []
      const stuck: Days = new Map()
      let failure: Problem | undefined
      for (;;) {
        const before = sizeOf(stuck)
        const share = await runShare(runOptions, stuck)
        failure ??= share.failure
        all.push(...share.runs)
        if (share.runs.length > 0) await runOptions.ran?.(share.runs)
        const isOn = share.runs.length > 0 || sizeOf(stuck) > before
        if (!share.more || !isOn) break
      }
      if (failure) throw failure
      return all
    },
    [Symbol.asyncDispose]: () => benches[Symbol.asyncDispose](),
  }
}

/** Of a catalogue, those that can be made beside each other, after all that they read. */
function wavesOf(metrics: Catalogue): readonly Catalogue[] {
  const waves = new Map<string, number>()
  for (const { name, inputs } of metrics)
    waves.set(name, Math.max(0, ...inputs.map(({ table }) => (waves.get(table) ?? -1) + 1)))
  return [...Map.groupBy(metrics, ({ name }) => waves.get(name)).values()]
}

function daysOf(units: readonly Unit[]): ReadonlySet<number> {
  return new Set(units.map(({ hour_ms }) => dayOf(hour_ms)))
}

function sizeOf(days: Days): number {
  return [...days.values()].reduce((sum, { size }) => sum + size, 0)
}

/** Parts of it were calculated elsewhere: what became of them says nothing of other metrics. */
function hasTried(how: How | undefined): boolean {
  return how !== undefined && how.attempts.length > 0
}

function toldRun({ metric, units, rows, ms, version, how }: MetricRun): JobRun {
  return { metric, ...unitsTold(units), rows, ms, outcome: 'committed', version, how }
}

function failedRun({ name: metric }: Metric, { error, how, units = [], ms = 0 }: Failed): JobRun {
  const told = { ...unitsTold(units), rows: 0, ms, version: undefined, how }
  return { metric, ...told, outcome: 'failed', reason: messageOf(error) }
}

function unitsTold(units: readonly Unit[]) {
  const cause = [...new Set(units.map((unit) => unit.cause))].join(', ')
  return { units: units.length, first_ms: units[0]?.hour_ms, last_ms: units.at(-1)?.hour_ms, cause }
}
