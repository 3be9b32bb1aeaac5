import { FRESH_WITHIN_MS } from './limits.ts'
import { bucketsOf, type PlanState } from './plan.ts'
import { unitTime } from './shape.ts'

/** How far a metric reaches. Both undefined for whole histories, which are as new as their table is when nothing is due. */
export type Freshness = {
  /** The end of the newest unit whose rows are final, in every bucket; undefined when a bucket has none. */
  readonly complete_to_ms: number | undefined
  /** It is late once this has passed and it still reaches no further; undefined when there is nothing to make. */
  readonly fresh_until_ms: number | undefined
}

/** Pure, and the same at any time in which nothing is made. */
export function freshnessOf(state: Pick<PlanState, 'metric' | 'cells' | 'buckets' | 'spans'>): Freshness {
  const time = unitTime(state.metric.shape)
  if (!time) return { complete_to_ms: undefined, fresh_until_ms: undefined }
  const { length_ms } = time
  const newest_ms = Math.min(...bucketsOf(state).map((bucket) => newestFinal(state, bucket)))
  const complete_to_ms = Number.isFinite(newest_ms) ? newest_ms + length_ms : undefined
  const first = state.spans[0]
  const next_ms = complete_to_ms ?? (first && Math.floor(first.from_ms / length_ms) * length_ms)
  return { complete_to_ms, fresh_until_ms: next_ms === undefined ? undefined : next_ms + length_ms + FRESH_WITHIN_MS }
}

/** The newest unit of a bucket that was over when it was made; −∞ for none. */
function newestFinal({ cells }: Pick<PlanState, 'cells'>, bucket: number): number {
  const own = [...cells.values()].filter((cell) => cell.bucket === bucket).sort((a, b) => b.day_ms - a.day_ms)
  for (const { sum, hours } of own) {
    if (!sum.open) return sum.newest_ms
    const final = [...hours()].filter(([, { open }]) => !open).map(([hour_ms]) => hour_ms)
    if (final.length > 0) return Math.max(...final)
  }
  return Number.NEGATIVE_INFINITY
}
