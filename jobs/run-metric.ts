import { uuid } from '../contract/clock.ts'
import { assert, type Problem } from '../contract/problem.ts'
import type { Touched as TouchedInfo } from '../contract/touched.ts'
import { type AddFile, removeOf } from '../lake/action.ts'
import type { DuckDb } from '../lake/duckdb.ts'
import type { LocalFiles } from '../lake/local-files.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import type { Table } from '../lake/table.ts'
import { writeFile } from '../lake/write.ts'
import { highestFloor } from './floor.ts'
import type { JobsOptions, MetricRun, RunOptions } from './jobs.ts'
import { type Cell, cellName, cellTags, dateOf, type HourRecord } from './ledger.ts'
import { HOUR_MS } from './limits.ts'
import type { Metric } from './metric.ts'
import { isComplete, type PlanState, type Unit } from './plan.ts'
import { openSource, type Source } from './source.ts'
import { ALL, unitKey } from './touched.ts'
import { emptyHash, openWorkbench } from './workbench.ts'

const DAY_MS = 24 * HOUR_MS

export const METRIC_DATE = { name: 'metric_date', type: 'date', meaning: 'UTC date of the hour' } as const

/** What stands of a metric. */
export type Standing = { readonly table: Table; readonly snapshot: Snapshot; readonly cells: ReadonlyMap<string, Cell> }

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
  const records = new Map(state.records)
  const due = new Map<string, Unit>(planned.map((unit) => [unitKey(unit.hour_ms, unit.bucket), unit]))
  const made = new Map<string, Unit>()
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
    const next = [...due.values()].filter((unit) => !made.has(unitKey(unit.hour_ms, unit.bucket)))
    if (next.length === 0) break
    const day_ms = Math.min(...next.map(({ hour_ms }) => Math.floor(hour_ms / DAY_MS) * DAY_MS))
    const ofDay = () =>
      [...due.values()].filter(
        (unit) =>
          Math.floor(unit.hour_ms / DAY_MS) * DAY_MS === day_ms && !made.has(unitKey(unit.hour_ms, unit.bucket)),
      )
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
      for (const unit of ofDay()) due.delete(unitKey(unit.hour_ms, unit.bucket))
      continue
    }
    for (let wave = ofDay(); wave.length > 0; wave = ofDay()) {
      for (const step of stepsOf(metric, wave)) {
        signal?.throwIfAborted()
        await bench.calculate(step, now_ms, (hour_ms) => isComplete(hour_ms, now_ms))
        const hashes = await bench.hashes(step)
        for (const hour_ms of step.hours) {
          for (const bucket of step.buckets) {
            const key = unitKey(hour_ms, bucket)
            const unit = due.get(key)
            assert(unit, `${key} is due`)
            const hash = hashes.get(key) ?? emptyHash(metric)
            rows += hash.count
            const before = records.get(key)
            if (before?.rows !== hash.rows) changed.push([hour_ms, bucket])
            records.set(key, {
              inputs: versions,
              carry: (metric.carry && records.get(unitKey(hour_ms - HOUR_MS, bucket))?.out) ?? '',
              out: hash.out,
              rows: hash.rows,
              open: metric.shape !== 'bucket' && !isComplete(hour_ms, now_ms),
              revision: metric.revision,
              definition: metric.hash,
            })
            made.set(key, unit)
            const after = unitKey(hour_ms + HOUR_MS, bucket)
            const follower = metric.carry && records.get(after)
            const follows = follower && follower.carry !== hash.out && !due.has(after)
            if (follows && !state.ahead.has(cellName(hour_ms + HOUR_MS, bucket))) {
              due.set(after, { metric: metric.name, hour_ms: hour_ms + HOUR_MS, bucket, cause: 'carry changed' })
            }
          }
        }
        progress?.(metric.name, made.size, due.size)
      }
    }
    await bench.check()
    const touchedCells = new Set(
      [...made.values()]
        .filter(({ hour_ms }) => Math.floor(hour_ms / DAY_MS) * DAY_MS === day_ms)
        .map(({ bucket }) => bucket),
    )
    const written: AddFile[] = []
    for (const bucket of touchedCells) {
      const name = cellName(day_ms, bucket)
      const hours = new Map<number, HourRecord>()
      for (let hour_ms = day_ms; hour_ms < day_ms + DAY_MS; hour_ms += HOUR_MS) {
        const record = records.get(unitKey(hour_ms, bucket))
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
      const standing = cells.get(name)
      if (standing) removes.push(standing.add)
    }
    yesterday = written
  }
  if (damage && made.size === 0) throw damage
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
  const units = [...made.values()].sort((a, b) => a.hour_ms - b.hour_ms || a.bucket - b.bucket)
  return { metric: metric.name, units, rows, ms: clock.monotonic() - begin_ms, version: outcome.version, damage }
}

/** From when on the history of each changed bucket is another: the earliest registry row since it was last made. */
function registryTouched(state: PlanState, changed: readonly [number, number][]): [number, number][] {
  return changed.map(([, bucket]) => {
    const since = state.records.get(unitKey(0, bucket))?.inputs['events'] ?? -1
    const news = (state.inputs.get('events')?.validity ?? []).filter(
      (one) => one.version > since && (one.bucket === bucket || one.bucket === ALL),
    )
    return [bucket, news.length === 0 ? 0 : Math.min(...news.map(({ from_ms }) => from_ms))]
  })
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
  const date = dateOf(day_ms)
  const rewritten = new Set(yesterday.map((add) => add.tags?.['unit']))
  const before = dateOf(day_ms - HOUR_MS)
  const files = new Map<string, AddFile>()
  for (const [name, { add }] of cells) {
    if (name.startsWith(date) || (metric.carry && name.startsWith(before) && !rewritten.has(name)))
      files.set(add.path, add)
  }
  const carried = metric.carry ? yesterday.filter((add) => add.tags?.['unit']?.startsWith(before)) : []
  for (const add of carried) files.set(add.path, add)
  if (files.size === 0) return undefined
  const span = { from_ms: day_ms - HOUR_MS, to_ms: day_ms + DAY_MS }
  const input = { table: metric.name, reach: metric.shape === 'bucket' ? ('validity' as const) : ('hour' as const) }
  const select = await source.select({ prefix: table.prefix, snapshot: { ...snapshot, files } }, input, span, 'TRUE')
  return select.replace('SELECT *', `SELECT ${metric.columns.map(({ name }) => `"${name}"`).join(', ')}`)
}
