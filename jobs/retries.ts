import type { Clock } from '../contract/clock.ts'
import { dayOf } from './day.ts'
import { RETRY_FIRST_MS, RETRY_MAX_MS } from './limits.ts'
import type { Unit } from './plan.ts'
import { unitKey } from './touched.ts'

/**
 * When days of a metric that failed are tried again: where the same is due of one and it fails again, after twice as long.
 * In memory: a process that starts tries at once.
 */
export type Retries = {
  /** Of what is due of a metric: days that are not to be tried yet, and what they failed with. */
  waiting(metric: string, due: readonly Unit[]): readonly { readonly day_ms: number; readonly error: unknown }[]
  /** The days of these units failed. */
  note(metric: string, units: readonly Unit[], error: unknown): void
}

type Retry = {
  /** What was due of the day. */
  readonly due: string
  readonly delay_ms: number
  readonly from_ms: number
  readonly error: unknown
}

export function openRetries(clock: Clock): Retries {
  /** By metric and day. */
  const all = new Map<string, Map<number, Retry>>()
  return {
    waiting(metric, due) {
      const known = all.get(metric)
      if (!known) return []
      const dues = dueByDay(due)
      for (const [day_ms, retry] of known) if (dues.get(day_ms) !== retry.due) known.delete(day_ms)
      return [...known]
        .filter(([, { from_ms }]) => clock.monotonic() < from_ms)
        .map(([day_ms, { error }]) => ({ day_ms, error }))
    },
    note(metric, units, error) {
      const known = all.get(metric) ?? new Map<number, Retry>()
      all.set(metric, known)
      for (const [day_ms, due] of dueByDay(units)) {
        const before = known.get(day_ms)
        const delay_ms = before?.due === due ? Math.min(2 * before.delay_ms, RETRY_MAX_MS) : RETRY_FIRST_MS
        known.set(day_ms, { due, delay_ms, from_ms: clock.monotonic() + delay_ms, error })
      }
    },
  }
}

function dueByDay(units: readonly Unit[]): ReadonlyMap<number, string> {
  const days = Map.groupBy(units, ({ hour_ms }) => dayOf(hour_ms))
  return new Map(
    [...days].map(([day_ms, of]) => [
      day_ms,
      of.map(({ hour_ms, bucket, cause }) => `${unitKey(hour_ms, bucket)} ${cause}`).join(),
    ]),
  )
}
