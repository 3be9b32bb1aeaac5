import { uuid } from '../contract/clock.ts'
import { assert, type Problem } from '../contract/problem.ts'
import type { Touched as TouchedInfo } from '../contract/touched.ts'
import { type AddFile, removeOf } from '../lake/action.ts'
import type { DuckDb } from '../lake/duckdb.ts'
import type { LocalFiles } from '../lake/local-files.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import type { Table } from '../lake/table.ts'
import { writeFile } from '../lake/write.ts'
import { DAY_MS, dayKey, dayOf } from './day.ts'
import { highestFloor } from './floor.ts'
import type { JobsOptions, MetricRun, RunOptions } from './jobs.ts'
import {
  type Cells,
  cellName,
  cellTags,
  dateOf,
  type HourRecord,
  isAhead,
  openRecords,
  WHOLE_HISTORY_MS,
} from './ledger.ts'
import { HOUR_MS } from './limits.ts'
import type { Metric } from './metric.ts'
import { isComplete, type PlanState, type Unit } from './plan.ts'
import { openSource, type Source } from './source.ts'
import { ALL, unitKey } from './touched.ts'
import { emptyHash, openWorkbench } from './workbench.ts'

export const METRIC_DATE = { name: 'metric_date', type: 'date', meaning: 'UTC date of the hour' } as const

/** What stands of a metric. */
export type Standing = { readonly table: Table; readonly snapshot: Snapshot; readonly cells: Cells }

/**
 * Calculates units day by day and commits them at once, without the days of which a data file is damaged; undefined when
 * others were first.
 */
export async function runMetric(
  { lake, clock, random, scratch_folder, local }: JobsOptions & { readonly local: LocalFiles },
  duck: DuckDb,
  state: PlanState & Standing,
  planned: readonly Unit[],
  { signal, progress }: RunOptions,
): Promise<MetricRun | undefined> {
  const { metric, table, snapshot, cells, now_ms } = state
  const begin_ms = clock.monotonic()
  const records = openRecords(cells)
  const due = openWork(planned)
  const made: Unit[] = []
  const changed: [number, number][] = []
  const adds: AddFile[] = []
  const removes: AddFile[] = []
  /** The last hour's cells of the day before, which are not committed yet. */
  let yesterday: readonly AddFile[] = []
  let rows = 0
  let damage: Problem | undefined
  const inputs = new Map<string, { snapshot: Snapshot; prefix: string }>()
  const versions: Record<string, number> = {}
  for (const { table: name } of metric.inputs) {
    const input = await lake.table(name)
    inputs.set(name, { snapshot: await input.snapshot(), prefix: input.prefix })
    versions[name] = state.inputs.get(name)?.version ?? -1
  }
  // Rows may have gone since it was planned: what they were in is not to be made anew without them.
  const floor = highestFloor([...inputs].map(([name, input]) => [name, input.snapshot]))
  if ((floor?.from_ms ?? 0) > (state.floor?.from_ms ?? 0)) return undefined
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
      const whole = input.reach === 'validity' || metric.shape === 'bucket'
      const select = await source.select(
        pinned,
        whole ? { ...input, reach: 'validity' } : input,
        span,
        input.table === 'events' ? metric.only : 'TRUE',
      )
      selects.set(input.table, select)
    }
    const standing = await standingSql(source, { table, snapshot, cells, metric }, day_ms, yesterday)
    const bench = await openWorkbench(connection, metric, selects, standing).catch(async (error: unknown) => {
      damage ??= await source.damage(connection)
      // What carries needs the day before, and a whole history all of its days.
      if (!damage || metric.carry || metric.shape === 'bucket') throw damage ?? error
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
              open: metric.shape !== 'bucket' && !isComplete(hour_ms, now_ms),
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
        prefix: table.prefix,
        columns: metric.columns,
        configuration: snapshot.configuration,
        partitionValues: metric.shape === 'bucket' ? {} : { metric_date: dateOf(day_ms) },
        sort: metric.shape === 'bucket' ? metric.keys : ['hour', ...metric.keys],
        tags: cellTags(name, hours),
        random,
        clock,
        scratch_folder,
      })
      written.push(add)
      adds.push(add)
      const standing = cells.get(dayKey(day_ms, bucket))
      if (standing) removes.push(standing.add)
    }
    yesterday = written
  }
  if (damage && made.length === 0) throw damage
  const touched: TouchedInfo = { hours: metric.shape === 'bucket' ? [] : changed, issued: [], registry: [] }
  if (metric.shape === 'bucket') touched.registry = registryTouched(state, changed)
  const outcome = await table.commit({
    id: uuid(random),
    kind: 'replace',
    base: snapshot,
    adds,
    removes: removes.map((add) => removeOf(add)),
    txns: [],
    info: { touched, inputs: versions, revision: metric.revision, definition: metric.hash },
    ...(signal ? { signal } : {}),
  })
  if (outcome.kind !== 'committed') return undefined
  const units = made.sort((a, b) => a.hour_ms - b.hour_ms || a.bucket - b.bucket)
  return { metric: metric.name, units, rows, ms: clock.monotonic() - begin_ms, version: outcome.version, damage }
}

/** From when on the history of each changed bucket is another: the earliest registry row since it was last made. */
function registryTouched(state: PlanState, changed: readonly [number, number][]): [number, number][] {
  return changed.map(([, bucket]) => {
    const since = state.cells.get(dayKey(WHOLE_HISTORY_MS, bucket))?.sum.inputs['events'] ?? -1
    const news = (state.inputs.get('events')?.validity.rows ?? []).filter(
      (one) => one.version > since && (one.bucket === bucket || one.bucket === ALL),
    )
    return [bucket, news.length === 0 ? 0 : Math.min(...news.map(({ from_ms }) => from_ms))]
  })
}

/** Units that are due, by day. */
function openWork(planned: readonly Unit[]) {
  const days = new Map<number, Map<string, Unit>>()
  const work = {
    size: 0,
    /** One that is due already stays as it is. */
    add(unit: Unit) {
      const day_ms = dayOf(unit.hour_ms)
      const day = days.get(day_ms) ?? new Map<string, Unit>()
      days.set(day_ms, day)
      const key = unitKey(unit.hour_ms, unit.bucket)
      if (day.has(key)) return
      day.set(key, unit)
      work.size++
    },
    /** undefined when nothing is due. */
    firstDay(): number | undefined {
      return days.keys().reduce<number | undefined>((first, day) => Math.min(first ?? day, day), undefined)
    },
    ofDay: (day_ms: number): readonly Unit[] => [...(days.get(day_ms)?.values() ?? [])],
    take(hour_ms: number, bucket: number): Unit {
      const day = days.get(dayOf(hour_ms))
      const key = unitKey(hour_ms, bucket)
      const unit = day?.get(key)
      assert(day && unit, `${key} is due`)
      day.delete(key)
      if (day.size === 0) days.delete(dayOf(hour_ms))
      work.size--
      return unit
    },
    drop(day_ms: number) {
      work.size -= days.get(day_ms)?.size ?? 0
      days.delete(day_ms)
    },
  }
  for (const unit of planned) work.add(unit)
  return work
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
  { table, snapshot, cells, metric }: Standing & { readonly metric: Metric },
  day_ms: number,
  yesterday: readonly AddFile[],
): Promise<string | undefined> {
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
  const select = await source.select({ prefix: table.prefix, snapshot: { ...snapshot, files } }, input, span, 'TRUE')
  return select.replace('SELECT *', `SELECT ${metric.columns.map(({ name }) => `"${name}"`).join(', ')}`)
}
