import { assert, isProblem, type Problem } from '../contract/problem.ts'
import type { AddFile } from '../lake/action.ts'
import { inParallel } from '../lake/in-parallel.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import { decodeStatistics } from '../lake/statistics.ts'
import { type Bench, type Benches, emptyHash } from './bench.ts'
import { DAY_MS, dayKey, dayOf } from './day.ts'
import type { JobsOptions, RunOptions } from './jobs.ts'
import { type Cells, cellName, cellTags, dateOf, dateOfFile, type HourRecord, isAhead, openRecords } from './ledger.ts'
import { FILES_AT_ONCE, HOUR_MS, ROWS_AT_ONCE, ROWS_AT_ONCE_CARRIED } from './limits.ts'
import type { Metric } from './metric.ts'
import { joined, partsOf } from './parts.ts'
import { isComplete, type Unit } from './plan.ts'
import { unitTime } from './shape.ts'
import { bucketOfFile } from './source.ts'
import { ALL, unitKey } from './touched.ts'
import { openWork } from './work.ts'

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

type Options = Pick<RunOptions, 'signal' | 'progress'> & Pick<JobsOptions, 'engine' | 'rows_at_once'>

/**
 * Calculates units into files, without the days of which a data file is damaged; of a large day some buckets at a time, since
 * what DuckDB has no memory for goes to disk and back; for another engine a day stays whole. Raises `corrupt` when a check fails.
 */
export async function calculate(
  benches: Benches,
  task: Task,
  { signal, progress, engine, ...options }: Options,
): Promise<Made> {
  const most = task.metric.carry ? ROWS_AT_ONCE_CARRIED : ROWS_AT_ONCE
  const { rows_at_once = engine ? Number.POSITIVE_INFINITY : most } = options
  const made: Made[] = []
  let [done, left] = [0, task.units.length]
  for (const part of partsOf(task, Math.max(1, Math.ceil(rowsOfLargestDay(task) / rows_at_once)))) {
    left -= part.units.length
    const told: RunOptions['progress'] = (metric, own, total) => progress?.(metric, done + own, done + total + left)
    const one = await calculateDays(benches, part, { signal, progress: told })
    done += one.units.length
    made.push(one)
  }
  return joined(made)
}

/** Rows of its inputs that a task reads for one of its days, by the dates and buckets of files and its share of the hours. */
function rowsOfLargestDay({ metric, units, inputs }: Task): number {
  const time = unitTime(metric.shape)
  if (!time) return 0
  const hours = Map.groupBy(new Set(units.map(({ hour_ms }) => hour_ms)), dateOf)
  const buckets = new Set(units.map(({ bucket }) => bucket))
  const rows = new Map<string, number>()
  for (const { snapshot } of inputs.values()) {
    for (const add of snapshot.files.values()) {
      const date = dateOfFile(add.partitionValues)
      if (date === undefined || !hours.has(date) || !(buckets.has(ALL) || buckets.has(bucketOfFile(add)))) continue
      rows.set(date, (rows.get(date) ?? 0) + (decodeStatistics(add.stats)?.numRecords ?? 0))
    }
  }
  const share = (date: string) => {
    const due = hours.get(date) ?? []
    return (Math.max(...due) + time.length_ms - Math.min(...due)) / DAY_MS
  }
  return Math.max(0, ...[...rows].map(([date, count]) => count * share(date)))
}

async function calculateDays(
  benches: Benches,
  task: Task,
  { signal, progress }: Pick<RunOptions, 'signal' | 'progress'>,
): Promise<Made> {
  const { metric, cells, versions, now_ms } = task
  const time = unitTime(metric.shape)
  const records = openRecords(cells)
  const due = openWork(task.units)
  const days: Made[] = []
  let damage: Problem | undefined
  let done = 0
  for (let day_ms = due.firstDay(); day_ms !== undefined; day_ms = due.firstDay()) {
    // The last hour's cells of the day before are not committed yet.
    const yesterday = days.at(-1)?.adds ?? []
    await using bench = benches.of({ task, day_ms, units: due.ofDay(day_ms), yesterday }, signal)
    try {
      days.push(await makeDay(bench, day_ms))
    } catch (error) {
      signal?.throwIfAborted()
      // One that could not be fetched is told by what it raised.
      const found = (await bench.damage()) ?? (isProblem(error, 'missing') ? error : undefined)
      // What carries needs the day before, and a whole history all of its days.
      if (!found || metric.carry || !time) throw found ?? error
      damage ??= found
      due.drop(day_ms)
    }
  }
  return { ...joined(days), damage }

  async function makeDay(bench: Bench, day_ms: number): Promise<Made> {
    const units: Unit[] = []
    const changed: [number, number][] = []
    let rows = 0
    const result = await bench.open()
    for (let wave = due.ofDay(day_ms); wave.length > 0; wave = due.ofDay(day_ms)) {
      for (const step of stepsOf(metric, wave)) {
        signal?.throwIfAborted()
        await result.calculate(step)
        const hashes = await result.hashes(step)
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
    await result.check()
    const made = [...new Set(units.map((unit) => unit.bucket))]
    // One is uploaded while the next is written.
    const adds = await inParallel(made.length, FILES_AT_ONCE, async (index) => {
      const bucket = made[index]
      assert(bucket !== undefined, 'one of those that were made')
      const hours = new Map<number, HourRecord>()
      for (let hour_ms = day_ms; hour_ms < day_ms + DAY_MS; hour_ms += HOUR_MS) {
        const record = records.get(hour_ms, bucket)
        if (record) hours.set(hour_ms, record)
      }
      return await result.write(bucket, cellTags(cellName(day_ms, bucket), hours))
    })
    const removes = made.flatMap((bucket) => cells.get(dayKey(day_ms, bucket))?.add ?? [])
    return { units, changed, adds, removes, rows, damage: undefined }
  }
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
