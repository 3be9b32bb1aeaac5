import { cellName, type HourRecord, WHOLE_HISTORY_MS } from './ledger.ts'
import { HOUR_MS, LOOKBACK_MS, SETTLE_MS } from './limits.ts'
import type { Metric, Reach } from './metric.ts'
import { ALL, type Span, type Touched, unitKey } from './touched.ts'

/** Why a unit is due. */
export type Cause = 'never computed' | 'hour is over' | 'definition rose' | 'carry changed' | `${string} moved`

/** One unit of work: an hour of a bucket (or of all, or a bucket's whole history). */
export type Unit = { readonly metric: string; readonly hour_ms: number; readonly bucket: number; readonly cause: Cause }

export type PlanState = {
  readonly metric: Metric
  readonly now_ms: number
  /** The hours that there is something to tell of, oldest first. */
  readonly spans: readonly Span[]
  readonly buckets: number
  readonly records: ReadonlyMap<string, HourRecord>
  /** Cells that belong to a higher revision. */
  readonly ahead: ReadonlySet<string>
  readonly inputs: ReadonlyMap<string, Touched>
  /** The highest of what its inputs and its own table keep no rows from before; undefined when they keep all. */
  readonly floor: Floor | undefined
}

/** A table that lacks rows from before a time (lake/table-floor.ts). */
export type Floor = { readonly table: string; readonly from_ms: number }

/** Is an hour so long over that nothing of it is still on its way in the ordinary course of things? */
export function isComplete(hour_ms: number, now_ms: number): boolean {
  return now_ms >= hour_ms + HOUR_MS + SETTLE_MS
}

/** All units that there are, oldest first. */
function unitsOf({ metric, spans, buckets }: PlanState) {
  const spread = metric.shape === 'hour-all' ? [ALL] : Array.from({ length: buckets }, (_, bucket) => bucket)
  if (spans.length === 0) return []
  if (metric.shape === 'bucket') return spread.map((bucket) => ({ hour_ms: WHOLE_HISTORY_MS, bucket }))
  const units: { readonly hour_ms: number; readonly bucket: number }[] = []
  for (const { from_ms, to_ms } of spans)
    for (let hour_ms = from_ms; hour_ms <= to_ms; hour_ms += HOUR_MS)
      for (const bucket of spread) units.push({ hour_ms, bucket })
  return units
}

/** The units of one metric that are due, oldest first, each with its cause. Pure. */
export function plan(state: PlanState): readonly Unit[] {
  const due: Unit[] = []
  for (const { hour_ms, bucket } of unitsOf(state)) {
    const cause = causeOf(state, hour_ms, bucket)
    if (cause) due.push({ metric: state.metric.name, hour_ms, bucket, cause })
  }
  return due
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
  const { metric, now_ms, records } = state
  if (isFrozen(state, hour_ms) || state.ahead.has(cellName(hour_ms, bucket))) return undefined
  const record = records.get(unitKey(hour_ms, bucket))
  if (!record) return 'never computed'
  if (record.revision < metric.revision) return 'definition rose'
  if (metric.shape !== 'bucket' && record.open && isComplete(hour_ms, now_ms)) return 'hour is over'
  for (const input of metric.inputs) {
    const touched = state.inputs.get(input.table)
    if (!touched) continue
    const since = record.inputs[input.table] ?? -1
    if (movedAt(metric, input.reach, touched, hour_ms, bucket, state.buckets) > since) return `${input.table} moved`
  }
  const before = metric.carry && records.get(unitKey(hour_ms - HOUR_MS, bucket))
  if (before && before.out !== record.carry) return 'carry changed'
  return undefined
}

/** The newest version of an input that affects a unit; −1 when none does. */
function movedAt(
  metric: Metric,
  reach: Reach,
  touched: Touched,
  hour_ms: number,
  bucket: number,
  buckets: number,
): number {
  if (reach === 'validity') {
    const whole = metric.shape === 'bucket'
    return touched.validity
      .filter((one) => one.bucket === ALL || bucket === ALL || one.bucket === bucket)
      .filter((one) => whole || one.from_ms < hour_ms + HOUR_MS)
      .reduce((newest, { version }) => Math.max(newest, version), -1)
  }
  const versions = reach === 'hour' ? touched.hours : reach === 'issued' ? touched.issued : touched.receipts
  const all = versions.get(unitKey(hour_ms, ALL)) ?? -1
  if (bucket !== ALL) return Math.max(all, versions.get(unitKey(hour_ms, bucket)) ?? -1)
  let newest = all
  for (let one = 0; one < buckets; one++) newest = Math.max(newest, versions.get(unitKey(hour_ms, one)) ?? -1)
  return newest
}
