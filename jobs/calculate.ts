import { assert, isProblem, type Problem } from '../contract/problem.ts'
import type { AddFile } from '../lake/action.ts'
import type { DuckDb } from '../lake/duckdb.ts'
import { inParallel } from '../lake/in-parallel.ts'
import type { LocalFiles } from '../lake/local-files.ts'
import { identifier } from '../lake/schema.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import { writeFile } from '../lake/write.ts'
import { DAY_MS, dayKey, dayOf } from './day.ts'
import { DUCKDB_MACROS } from './dialect.ts'
import { duckDbEngine, type TaskDay } from './engine.ts'
import type { JobsOptions, RunOptions } from './jobs.ts'
import { type Cells, cellName, cellTags, dateOf, type HourRecord, isAhead, openRecords } from './ledger.ts'
import { FILES_AT_ONCE, HOUR_MS } from './limits.ts'
import type { Metric } from './metric.ts'
import { isComplete, type Unit } from './plan.ts'
import { unitTime } from './shape.ts'
import { openSource, type Source } from './source.ts'
import { ALL, unitKey } from './touched.ts'
import { openWork } from './work.ts'
import { emptyHash, openWorkbench } from './workbench.ts'

/** A table as it was at one version. */
export type Pinned = { readonly prefix: string; readonly snapshot: Snapshot }

/** What units of a metric are made from: pinned, so that whoever makes them, and however often, reads the same. */
export type Task = {
  readonly metric: Metric
  /** What counts as over. */
  readonly now_ms: number
  readonly units: readonly Unit[]
  /** What follows from these is made up to this day; what follows beyond is due then by itself. */
  readonly last_ms?: number
  /** The metric's own table, and the cells in it. */
  readonly standing: Pinned
  readonly cells: Cells
  readonly inputs: ReadonlyMap<string, Pinned>
  /** By input: the version whose touched hours are taken into account. */
  readonly versions: Readonly<Record<string, number>>
}

/** What came of a task: files that are not in the table yet. */
export type Made = {
  /** Those of the task and those that followed from them. */
  readonly units: readonly Unit[]
  /** Hour and bucket of each whose rows are others than before. */
  readonly changed: readonly [number, number][]
  readonly adds: readonly AddFile[]
  /** Whose place these take. */
  readonly removes: readonly AddFile[]
  readonly rows: number
  /** Of a data file, for which the units of some days were left out. */
  readonly damage: Problem | undefined
}

/** A try of a part of a task, somewhere else. */
export type Attempt = {
  /** Which part, from 0. */
  readonly index: number
  /** For people: which pod, on which node. */
  readonly place: string
  readonly outcome: 'done' | 'failed' | 'running'
  /** Why it failed, with what it said last. */
  readonly cause?: string
}

/** For people: how a task was calculated. */
export type How = { readonly runner: string; readonly parts: number; readonly attempts: readonly Attempt[] }

export type Calculated = {
  /** What it was made for: of a run that others began and did not end, not what was asked for. */
  readonly task: Task
  readonly made: Made
  /** To be called when it is committed, or lost to others. */
  over(): Promise<void>
}

export type CalculateOptions = Pick<RunOptions, 'signal' | 'progress'> & {
  /** Called once, before it resolves or rejects, unless this process calculates it. */
  readonly tell?: (how: How) => void
}

/** Who calculates a task: this process, or others somewhere else. Raises `conflict` when others ended it. */
export type Calculate = (task: Task, options: CalculateOptions) => Promise<Calculated>

/** Calculates units day by day into files, without the days of which a data file is damaged. Raises `corrupt` when a check fails. */
export async function calculate(
  { lake, clock, random, scratch_folder, local, engine = duckDbEngine }: JobsOptions & { readonly local: LocalFiles },
  duck: DuckDb,
  task: Task,
  { signal, progress }: Pick<RunOptions, 'signal' | 'progress'>,
): Promise<Made> {
  const { metric, standing, cells, versions, now_ms } = task
  const time = unitTime(metric.shape)
  const records = openRecords(cells)
  const due = openWork(task.units)
  const days: DayMade[] = []
  let damage: Problem | undefined
  let done = 0
  const connection = duck.connection
  for (const macro of DUCKDB_MACROS) await connection.run(macro)
  for (let day_ms = due.firstDay(); day_ms !== undefined; day_ms = due.firstDay()) {
    await using source = openSource(local, signal)
    try {
      days.push(await makeDay(source, day_ms))
    } catch (error) {
      signal?.throwIfAborted()
      // One that could not be fetched is told by what it raised.
      const found = (await source.damage(connection)) ?? (isProblem(error, 'missing') ? error : undefined)
      // What carries needs the day before, and a whole history all of its days.
      if (!found || metric.carry || !time) throw found ?? error
      damage ??= found
      due.drop(day_ms)
    }
  }
  return {
    units: days.flatMap(({ units }) => units),
    changed: days.flatMap(({ changed }) => changed),
    adds: days.flatMap(({ adds }) => adds),
    removes: days.flatMap(({ removes }) => removes),
    rows: days.reduce((sum, { rows }) => sum + rows, 0),
    damage,
  }

  async function makeDay(source: Source, day_ms: number): Promise<DayMade> {
    const units: Unit[] = []
    const changed: [number, number][] = []
    let rows = 0
    // The last hour's cells of the day before are not committed yet.
    const before = await standingSql(source, task, day_ms, days.at(-1)?.adds ?? [])
    const select = await engine({
      task,
      ...reachOf(metric, due.ofDay(day_ms)),
      connection,
      source,
      store: lake.store,
      local,
      signal,
    })
    const bench = await openWorkbench(connection, metric, select, before)
    for (let wave = due.ofDay(day_ms); wave.length > 0; wave = due.ofDay(day_ms)) {
      for (const step of stepsOf(metric, wave)) {
        signal?.throwIfAborted()
        await bench.calculate(step)
        const hashes = await bench.hashes(step)
        for (const hour_ms of step.hours) {
          for (const bucket of step.buckets) {
            const hash = hashes.get(unitKey(hour_ms, bucket)) ?? emptyHash(metric)
            rows += hash.count
            if (records.get(hour_ms, bucket)?.rows !== hash.rows) changed.push([hour_ms, bucket])
            records.set(hour_ms, bucket, {
              inputs: versions,
              carry: (metric.carry && records.get(hour_ms - HOUR_MS, bucket)?.out) ?? '',
              out: hash.out,
              rows: hash.rows,
              open: time !== undefined && !isComplete(hour_ms, now_ms, time.length_ms),
              revision: metric.revision,
              definition: metric.hash,
            })
            units.push(due.take(hour_ms, bucket))
            const after_ms = hour_ms + HOUR_MS
            const follower = metric.carry && records.get(after_ms, bucket)
            const cell = cells.get(dayKey(after_ms, bucket))
            const isOurs = dayOf(after_ms) <= (task.last_ms ?? after_ms)
            if (isOurs && follower && follower.carry !== hash.out && !(cell && isAhead(cell, metric)))
              due.add({ metric: metric.name, hour_ms: after_ms, bucket, cause: 'carry changed' })
          }
        }
        progress?.(metric.name, done + units.length, done + units.length + due.size)
      }
    }
    done += units.length
    await bench.check()
    const made = [...new Set(units.map((unit) => unit.bucket))]
    // One is uploaded while the next is written; the connection takes one statement after the other.
    const adds = await inParallel(made.length, FILES_AT_ONCE, async (index) => {
      const bucket = made[index]
      assert(bucket !== undefined, 'one of those that were made')
      const hours = new Map<number, HourRecord>()
      for (let hour_ms = day_ms; hour_ms < day_ms + DAY_MS; hour_ms += HOUR_MS) {
        const record = records.get(hour_ms, bucket)
        if (record) hours.set(hour_ms, record)
      }
      return await writeFile({
        connection,
        select: bench.cellSql({ from_ms: day_ms, to_ms: day_ms + DAY_MS }, bucket),
        store: lake.store,
        prefix: standing.prefix,
        columns: metric.columns,
        configuration: standing.snapshot.configuration,
        partitionValues: time ? { metric_date: dateOf(day_ms) } : {},
        sort: time ? [time.column, ...metric.keys] : metric.keys,
        tags: cellTags(cellName(day_ms, bucket), hours),
        random,
        clock,
        scratch_folder,
      })
    })
    const removes = made.flatMap((bucket) => cells.get(dayKey(day_ms, bucket))?.add ?? [])
    return { units, changed, adds, removes, rows }
  }
}

/** What came of a day. */
type DayMade = Omit<Made, 'damage'>

/** Which rows of its inputs may be read to make these units of a day, and those that follow from them. */
function reachOf(metric: Metric, units: readonly Unit[]): Pick<TaskDay, 'span' | 'buckets'> {
  const hours = units.map(({ hour_ms }) => hour_ms)
  const [from_ms, last_ms] = [Math.min(...hours), Math.max(...hours)]
  const to_ms = metric.carry ? dayOf(from_ms) + DAY_MS : last_ms + (unitTime(metric.shape)?.length_ms ?? HOUR_MS)
  return { span: { from_ms, to_ms }, buckets: [...new Set(units.map(({ bucket }) => bucket))] }
}

/** An hour that carries is one statement, in order; else hours with the same buckets go together. */
function stepsOf(metric: Metric, units: readonly Unit[]) {
  if (metric.carry) {
    const first = Math.min(...units.map(({ hour_ms }) => hour_ms))
    return [{ hours: [first], buckets: units.filter(({ hour_ms }) => hour_ms === first).map(({ bucket }) => bucket) }]
  }
  const byBuckets = new Map<string, { hours: number[]; buckets: readonly number[] }>()
  for (const hour_ms of new Set(units.map((unit) => unit.hour_ms))) {
    const buckets = units.filter((unit) => unit.hour_ms === hour_ms).map(({ bucket }) => bucket)
    const step = byBuckets.get(buckets.join()) ?? { hours: [], buckets }
    step.hours.push(hour_ms)
    byBuckets.set(buckets.join(), step)
  }
  return [...byBuckets.values()]
}

/** The rows that stand for a day, and those of the hour before it for a metric that carries. */
async function standingSql(
  source: Source,
  { standing, cells, metric }: Task,
  day_ms: number,
  yesterday: readonly AddFile[],
): Promise<string | undefined> {
  // A day that is one unit is made whole.
  if (metric.shape === 'day-all') return undefined
  const rewritten = new Set(yesterday.map((add) => add.tags?.['unit']))
  const before = dateOf(day_ms - HOUR_MS)
  const files = new Map<string, AddFile>()
  for (const { add, day_ms: of_ms } of cells.values()) {
    const isBefore = of_ms === day_ms - DAY_MS && metric.carry && !rewritten.has(add.tags?.['unit'])
    if (of_ms === day_ms || isBefore) files.set(add.path, add)
  }
  const carried = metric.carry ? yesterday.filter((add) => add.tags?.['unit']?.startsWith(before)) : []
  for (const add of carried) files.set(add.path, add)
  if (files.size === 0) return undefined
  const span = { from_ms: day_ms - HOUR_MS, to_ms: day_ms + DAY_MS }
  const input = { table: metric.name, reach: metric.shape === 'bucket' ? ('validity' as const) : ('hour' as const) }
  const select = await source.select(
    { ...standing, snapshot: { ...standing.snapshot, files } },
    input,
    span,
    [ALL],
    'TRUE',
  )
  return `SELECT ${metric.columns.map(({ name }) => identifier(name)).join(', ')} FROM (${select}) standing`
}
