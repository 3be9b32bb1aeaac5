import { DAY_MS, dayKey, dayOf } from './day.ts'
import { type Cells, isAhead, openRecords, type Records, WHOLE_HISTORY_MS } from './ledger.ts'
import { HOUR_MS, LOOKBACK_MS, SETTLE_MS } from './limits.ts'
import type { Metric, MetricInput } from './metric.ts'
import { ofAllBuckets, unitTime } from './shape.ts'
import { ALL, type Span, type Touched } from './touched.ts'

/** Why a unit is due. */
export type Cause = 'never computed' | 'hour is over' | 'definition rose' | 'carry changed' | `${string} moved`

/** One unit of work: an hour of a bucket (or of all, or a day of all, or a bucket's whole history), by its begin. */
export type Unit = { readonly metric: string; readonly hour_ms: number; readonly bucket: number; readonly cause: Cause }

export type PlanState = {
  readonly metric: Metric
  readonly now_ms: number
  /** The hours that there is something to tell of, oldest first. */
  readonly spans: readonly Span[]
  readonly buckets: number
  readonly cells: Cells
  readonly inputs: ReadonlyMap<string, Touched>
  /** The highest of what its inputs and its own table keep no rows from before; undefined when they keep all. */
  readonly floor: Floor | undefined
}

/** A table that lacks rows from before a time (lake/table-floor.ts). */
export type Floor = { readonly table: string; readonly from_ms: number }

/** Is an hour, or a unit of another length, so long over that nothing of it is still on its way in the ordinary course of things? */
export function isComplete(begin_ms: number, now_ms: number, length_ms = HOUR_MS): boolean {
  return now_ms >= begin_ms + length_ms + SETTLE_MS
}

/** The buckets of a metric's units: ALL for one that is made of all of them at once. */
export function bucketsOf({ metric, buckets }: Pick<PlanState, 'metric' | 'buckets'>): readonly number[] {
  return ofAllBuckets(metric.shape) ? [ALL] : Array.from({ length: buckets }, (_, bucket) => bucket)
}

/**
 * The units of one metric that are due, oldest first, each with its cause. Pure. It looks at days, and at hours only of
 * those that are not settled: a long history in which nothing moved costs a look at each of its files.
 */
export function plan(state: PlanState): readonly Unit[] {
  const { metric, cells, spans } = state
  const due: Unit[] = []
  const records = openRecords(cells)
  const look = (hour_ms: number, bucket: number) => {
    const cause = causeIn(state, records, hour_ms, bucket)
    if (cause) due.push({ metric: metric.name, hour_ms, bucket, cause })
  }
  const buckets = bucketsOf(state)
  const time = unitTime(metric.shape)
  if (!time) {
    if (spans.length > 0) for (const bucket of buckets) look(WHOLE_HISTORY_MS, bucket)
    return due
  }
  const { length_ms } = time
  for (const { from_ms, to_ms } of spans) {
    for (let day_ms = dayOf(from_ms); day_ms <= to_ms; day_ms += DAY_MS) {
      const unsettled = buckets.filter((bucket) => !isSettled(state, day_ms, bucket))
      if (unsettled.length === 0) continue
      const last_ms = Math.min(to_ms, day_ms + DAY_MS - length_ms)
      const first_ms = length_ms === DAY_MS ? day_ms : Math.max(from_ms, day_ms)
      for (let hour_ms = first_ms; hour_ms <= last_ms; hour_ms += length_ms)
        for (const bucket of unsettled) look(hour_ms, bucket)
    }
  }
  return due
}

function lengthOf({ shape }: Metric): number {
  return unitTime(shape)?.length_ms ?? HOUR_MS
}

/** Is every hour of a bucket's day made, and none of them due? May say no where an hour by hour look would say yes. */
function isSettled(state: PlanState, day_ms: number, bucket: number): boolean {
  const { metric, cells } = state
  const sum = cells.get(dayKey(day_ms, bucket))?.sum
  if (!sum || sum.count < DAY_MS / lengthOf(metric) || sum.open || sum.least_revision < metric.revision) return false
  for (const input of metric.inputs) {
    if (movedAt(state, input, { from_ms: day_ms, length_ms: DAY_MS }, bucket) > (sum.inputs[input.table] ?? -1))
      return false
  }
  if (!metric.carry) return true
  const before = cells.get(dayKey(day_ms - DAY_MS, bucket))?.sum
  return (
    sum.carry !== undefined &&
    (!before || (before.newest_ms === day_ms - HOUR_MS && before.carry?.out === sum.carry.in))
  )
}

/** Does its input, or the hour before it, reach below the floor? Then its rows stay as they are, whatever changes. Pure. */
export function isFrozen({ metric, floor }: Pick<PlanState, 'metric' | 'floor'>, hour_ms: number): boolean {
  return metric.shape !== 'bucket' && floor !== undefined && hour_ms - LOOKBACK_MS < floor.from_ms
}

/**
 * Why this unit is due, or undefined when it is not. Never for one in a cell of a higher revision, nor for a frozen one.
 * Pure.
 */
export function causeOf(state: PlanState, hour_ms: number, bucket: number): Cause | undefined {
  return causeIn(state, openRecords(state.cells), hour_ms, bucket)
}

function causeIn(state: PlanState, records: Records, hour_ms: number, bucket: number): Cause | undefined {
  const { metric, now_ms } = state
  const cell = state.cells.get(dayKey(hour_ms, bucket))
  if (isFrozen(state, hour_ms) || (cell && isAhead(cell, metric))) return undefined
  const record = records.get(hour_ms, bucket)
  const length_ms = lengthOf(metric)
  // A running day has its hours to be seen by: to make it anew with each of them would cost all of them each time.
  if (length_ms > HOUR_MS && !isComplete(hour_ms, now_ms, length_ms)) return undefined
  if (!record) return 'never computed'
  if (record.revision < metric.revision) return 'definition rose'
  if (metric.shape !== 'bucket' && record.open && isComplete(hour_ms, now_ms)) return 'hour is over'
  const unit = { from_ms: hour_ms, length_ms }
  const moved = metric.inputs.find((input) => movedAt(state, input, unit, bucket) > (record.inputs[input.table] ?? -1))
  if (moved) return `${moved.table} moved`
  const before = metric.carry && records.get(hour_ms - HOUR_MS, bucket)
  if (before && before.out !== record.carry) return 'carry changed'
  return undefined
}

/** An hour, or a whole day of them. */
type Reached = { readonly from_ms: number; readonly length_ms: number }

/** The newest version of an input that affects a unit of these hours; −1 when none does. */
function movedAt(
  state: PlanState,
  { table, reach }: MetricInput,
  { from_ms, length_ms }: Reached,
  bucket: number,
): number {
  const touched = state.inputs.get(table)
  if (!touched) return -1
  if (reach === 'validity') {
    const whole = state.metric.shape === 'bucket'
    return touched.validity.newest(bucket, whole ? Number.POSITIVE_INFINITY : from_ms + length_ms)
  }
  const versions = touched[VERSIONS[reach]]
  const newest = (of: number) => (length_ms === DAY_MS ? versions.ofDay(from_ms, of) : versions.get(from_ms, of))
  if (bucket !== ALL) return Math.max(newest(ALL), newest(bucket))
  let newestOfAny = -1
  for (let one = ALL; one < state.buckets; one++) newestOfAny = Math.max(newestOfAny, newest(one))
  return newestOfAny
}

const VERSIONS = { hour: 'hours', issued: 'issued', receipt: 'receipts' } as const
