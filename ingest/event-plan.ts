import { type Interval, type IntervalSet, intervalSet } from '../contract/interval.ts'
import type { Touched } from '../contract/touched.ts'
import { batchKey, type Encoded } from './encoder.ts'
import type { ErasedHub } from './erased-hubs.ts'
import type { EventAttempt } from './event-attempt.ts'
import { type LeftOut, leaveOut } from './event-erasure.ts'
import { type Partition, type Partitions, partitionRows } from './event-partitions.ts'
import { DEAD_KIND } from './event-rows.ts'
import { ATTEMPT_DATES_MAX } from './limits.ts'

const HOUR_MS = 3_600_000

/** What becomes of an attempt, whatever form its files have. */
export type EventPlan = Omit<Encoded, 'files'> & { readonly partitions: readonly Partition[] }

export type PlanOptions = {
  /** Of the attempt's subjects those that were erased. */
  readonly erased: ReadonlyMap<string, ErasedHub>
  readonly dates_max?: number
}

/** Which rows go into which files, and what the commit tells of them. */
export function planEvents(attempt: EventAttempt, options: PlanOptions): EventPlan {
  const left = leaveOut(attempt, options.erased)
  const divided = partitionRows(attempt, left.gone, options.dates_max ?? ATTEMPT_DATES_MAX)
  const { dead, issued, registry } = summaryOf(attempt, divided, left)
  return {
    ...{ partitions: divided.partitions, through: divided.through },
    ...{ dead: byKey(attempt, dead), erased: byKey(attempt, left.lines), enrolled_ms: left.enrolled_ms },
    touched: { hours: divided.hours.map(([a, b]) => [a, b]), issued, registry },
  }
}

/** Which lines are dead, by batch, and what was touched besides the hours of events. */
function summaryOf(
  { rows, values }: EventAttempt,
  { chosen }: Partitions,
  { gone }: LeftOut,
): Omit<Touched, 'hours'> & { readonly dead: ReadonlyMap<number, readonly Interval[]> } {
  const { batch, ordinal, kind, issued } = rows.columns()
  const dead = new Map<number, Interval[]>()
  const hours = new Map<string, [number, number]>()
  const registered = new Map<number, number>()
  const command = rows.words.of('command')
  const registry = rows.words.of('registry')
  const from = rows.words.of('valid_from_ms')
  for (let row = 0; row < rows.count(); row++) {
    const number = batch[row] as number
    if (!chosen[number] || gone.has(row)) continue
    const bucket = values[number]?.bucket ?? 0
    const at = ordinal[row] as number
    if (kind[row] === DEAD_KIND && at >= 0) {
      const known = dead.get(number)
      if (known) known.push([at, at + 1])
      else dead.set(number, [[at, at + 1]])
    } else if (kind[row] === command && !Number.isNaN(issued[row])) {
      const hour_ms = Math.floor((issued[row] as number) / HOUR_MS) * HOUR_MS
      hours.set(`${bucket} ${hour_ms}`, [hour_ms, bucket])
    } else if (kind[row] === registry) {
      // A change that does not say since when may be of any time.
      const since_ms = Math.round(rows.moreNumber(row, from) ?? 0)
      registered.set(bucket, Math.min(registered.get(bucket) ?? since_ms, since_ms))
    }
  }
  return {
    dead,
    issued: [...hours.values()].sort(([a, x], [b, y]) => a - b || x - y),
    registry: [...registered].sort(([a], [b]) => a - b),
  }
}

function byKey(
  { batches }: EventAttempt,
  lines: ReadonlyMap<number, readonly Interval[]>,
): ReadonlyMap<string, IntervalSet> {
  const sets = new Map<string, IntervalSet>()
  for (const [number, list] of lines) {
    const batch = batches[number]
    if (batch) sets.set(batchKey(batch.bucket, batch.position), intervalSet(list))
  }
  return sets
}
