import { EVENTS_TABLE } from '../contract/events-table.ts'
import type { TaskDay } from './engine.ts'
import { HOUR_MS } from './limits.ts'
import type { Metric } from './metric.ts'
import { isComplete } from './plan.ts'
import { type UnitTime, unitTime } from './shape.ts'
import { type Span, timeColumn } from './source.ts'
import { ALL } from './touched.ts'

/** Hours, or days, and buckets that one statement calculates. */
export type Step = { readonly hours: readonly number[]; readonly buckets: readonly number[] }

/** How an engine writes a moment. */
type TimeSql = (ms: number) => string

/**
 * The condition that a row is of the step, by its time in `column`.
 * As spans of plain comparisons: to cut each row's time down to its hour first costs more than all the rest.
 */
export function inStepSql(metric: Metric, { hours, buckets }: Step, timeSql: TimeSql, column?: string): string {
  const time = unitTime(metric.shape)
  if (!time) return inBucketsSql(buckets)
  const name = column ?? time.column
  const within = spansOf(hours, time.length_ms).map(
    ({ from_ms, to_ms }) => `(${name} >= ${timeSql(from_ms)} AND ${name} < ${timeSql(to_ms)})`,
  )
  return `(${within.join(' OR ')}) AND ${inBucketsSql(buckets)}`
}

function inBucketsSql(buckets: readonly number[]): string {
  return buckets.includes(ALL) ? 'TRUE' : `bucket IN (${buckets.join(', ')})`
}

/** Hours, or units of another length, as spans, those that touch joined. */
function spansOf(hours: readonly number[], length_ms: number): readonly Span[] {
  const spans: { from_ms: number; to_ms: number }[] = []
  for (const hour_ms of [...hours].sort((a, b) => a - b)) {
    const last = spans.at(-1)
    if (last?.to_ms === hour_ms) last.to_ms = hour_ms + length_ms
    else spans.push({ from_ms: hour_ms, to_ms: hour_ms + length_ms })
  }
  return spans
}

/** Is all of `events_day` of the step? It has rows of the day's span only, from files that are each of one bucket. */
function isDay({ span, buckets }: Pick<TaskDay, 'span' | 'buckets'>, step: Step, length_ms: number): boolean {
  const [own, ...others] = spansOf(step.hours, length_ms)
  const isWhole = others.length === 0 && own?.from_ms === span.from_ms && own.to_ms === span.to_ms
  return isWhole && buckets.every((bucket) => step.buckets.includes(bucket))
}

/** Statements that make the views of a step which its SELECT reads: `hours` or `days`, and each input of what `<input>_day` has. */
export function stepViews(
  day: Pick<TaskDay, 'task' | 'span' | 'buckets'>,
  step: Step,
  time: TimeSql,
): readonly string[] {
  const { metric, now_ms } = day.task
  const { column: name, length_ms }: UnitTime = unitTime(metric.shape) ?? { column: 'hour', length_ms: HOUR_MS }
  const rows = step.hours.map((hour_ms) => {
    const end_ms = hour_ms + length_ms
    const until_ms = Math.max(hour_ms, Math.min(end_ms, now_ms))
    return `(${[hour_ms, end_ms, until_ms].map(time).join(', ')}, ${isComplete(hour_ms, now_ms, length_ms)})`
  })
  return [
    `CREATE OR REPLACE TEMP VIEW ${name}s AS SELECT * FROM (VALUES ${rows.join(', ')}) h(${name}, ${name}_end, until, complete)`,
    ...metric.inputs.map((input) => {
      const column = timeColumn(input)
      const isWhole = input.table === EVENTS_TABLE && isDay(day, step, length_ms)
      const inStep = column === undefined ? inBucketsSql(step.buckets) : inStepSql(metric, step, time, column)
      const where = isWhole ? 'TRUE' : inStep
      return `CREATE OR REPLACE TEMP VIEW ${input.table} AS SELECT * FROM ${input.table}_day WHERE ${where}`
    }),
  ]
}
