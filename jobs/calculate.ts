import { assert, type Problem } from '../contract/problem.ts'
import type { AddFile } from '../lake/action.ts'
import type { DuckDb } from '../lake/duckdb.ts'
import type { LocalFiles } from '../lake/local-files.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import { writeFile } from '../lake/write.ts'
import { DAY_MS, dayKey } from './day.ts'
import type { JobsOptions, RunOptions } from './jobs.ts'
import { type Cells, cellName, cellTags, dateOf, type HourRecord, isAhead, openRecords } from './ledger.ts'
import { HOUR_MS } from './limits.ts'
import type { Metric } from './metric.ts'
import { isComplete, type Unit } from './plan.ts'
import { unitTime } from './shape.ts'
import { openSource, type Source } from './source.ts'
import { unitKey } from './touched.ts'
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
  { lake, clock, random, scratch_folder, local }: JobsOptions & { readonly local: LocalFiles },
  duck: DuckDb,
  task: Task,
  { signal, progress }: Pick<RunOptions, 'signal' | 'progress'>,
): Promise<Made> {
  const { metric, standing, cells, inputs, versions, now_ms } = task
  const time = unitTime(metric.shape)
  const records = openRecords(cells)
  const due = openWork(task.units)
  const made: Unit[] = []
  const changed: [number, number][] = []
  const adds: AddFile[] = []
  const removes: AddFile[] = []
  /** The last hour's cells of the day before, which are not committed yet. */
  let yesterday: readonly AddFile[] = []
  let rows = 0
  let damage: Problem | undefined
  const connection = duck.connection
  for (;;) {
    const day_ms = due.firstDay()
    if (day_ms === undefined) break
    const span = { from_ms: day_ms, to_ms: day_ms + DAY_MS }
    await using source = openSource(local, signal)
    const selects = new Map<string, string>()
    for (const input of metric.inputs) {
      const pinned = inputs.get(input.table)
      assert(pinned, `${input.table} is pinned`)
      const whole = input.reach === 'validity' || !time
      const select = await source.select(
        pinned,
        whole ? { ...input, reach: 'validity' } : input,
        span,
        input.table === 'events' ? metric.only : 'TRUE',
      )
      selects.set(input.table, select)
    }
    const before = await standingSql(source, task, day_ms, yesterday)
    const bench = await openWorkbench(connection, metric, selects, before).catch(async (error: unknown) => {
      damage ??= await source.damage(connection)
      // What carries needs the day before, and a whole history all of its days.
      if (!damage || metric.carry || !time) throw damage ?? error
    })
    if (!bench) {
      due.drop(day_ms)
      continue
    }
    const madeBuckets = new Set<number>()
    for (let wave = due.ofDay(day_ms); wave.length > 0; wave = due.ofDay(day_ms)) {
      for (const step of stepsOf(metric, wave)) {
        signal?.throwIfAborted()
        await bench.calculate(step, now_ms, (hour_ms) => isComplete(hour_ms, now_ms))
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
            made.push(due.take(hour_ms, bucket))
            madeBuckets.add(bucket)
            const after_ms = hour_ms + HOUR_MS
            const follower = metric.carry && records.get(after_ms, bucket)
            const cell = cells.get(dayKey(after_ms, bucket))
            if (follower && follower.carry !== hash.out && !(cell && isAhead(cell, metric)))
              due.add({ metric: metric.name, hour_ms: after_ms, bucket, cause: 'carry changed' })
          }
        }
        progress?.(metric.name, made.length, made.length + due.size)
      }
    }
    await bench.check()
    const written: AddFile[] = []
    for (const bucket of madeBuckets) {
      const name = cellName(day_ms, bucket)
      const hours = new Map<number, HourRecord>()
      for (let hour_ms = day_ms; hour_ms < day_ms + DAY_MS; hour_ms += HOUR_MS) {
        const record = records.get(hour_ms, bucket)
        if (record) hours.set(hour_ms, record)
      }
      const add = await writeFile({
        connection,
        select: bench.cellSql(span, bucket),
        store: lake.store,
        prefix: standing.prefix,
        columns: metric.columns,
        configuration: standing.snapshot.configuration,
        partitionValues: time ? { metric_date: dateOf(day_ms) } : {},
        sort: time ? [time.column, ...metric.keys] : metric.keys,
        tags: cellTags(name, hours),
        random,
        clock,
        scratch_folder,
      })
      written.push(add)
      adds.push(add)
      const replaced = cells.get(dayKey(day_ms, bucket))
      if (replaced) removes.push(replaced.add)
    }
    yesterday = written
  }
  return { units: made, changed, adds, removes, rows, damage }
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
  const select = await source.select({ ...standing, snapshot: { ...standing.snapshot, files } }, input, span, 'TRUE')
  return select.replace('SELECT *', `SELECT ${metric.columns.map(({ name }) => `"${name}"`).join(', ')}`)
}
