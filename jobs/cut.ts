import { dayOf } from './day.ts'
import { WHOLE_HISTORY_MS } from './ledger.ts'
import type { Metric } from './metric.ts'
import type { Unit } from './plan.ts'
import { unitTime } from './shape.ts'

export type CutOptions = {
  /** Units that a run makes at once; a day is taken whole, and at least one. */
  readonly most: number
  /** Days first, of a long back-fill: what carries goes oldest first in any case. */
  readonly order: 'newest' | 'oldest'
  /** Days that an input lacks yet: what is made of them is left, too, so that it is not made twice, or of too little. */
  readonly behind: ReadonlySet<number>
  /** Days that failed, of it or of an input: they are not tried again. */
  readonly stuck: ReadonlySet<number>
}

export type Cut = {
  readonly taken: readonly Unit[]
  readonly left: readonly Unit[]
  /** Some of what is left can be made by the next run. */
  readonly more: boolean
}

/** What a run takes of the units that are due, and what it leaves to the next. Pure. */
export function cut(metric: Metric, due: readonly Unit[], { most, order, behind, stuck }: CutOptions): Cut {
  if (!unitTime(metric.shape))
    return stuck.has(WHOLE_HISTORY_MS) ? { taken: [], left: due, more: false } : { taken: due, left: [], more: false }
  /** Where hours carry, nothing goes on past a day that is not made. */
  const isBefore = (day_ms: number, days: ReadonlySet<number>) =>
    metric.carry ? day_ms < Math.min(...days) : !days.has(day_ms)
  const days = Map.groupBy(due, ({ hour_ms }) => dayOf(hour_ms))
  const possible = [...days.keys()].filter((day_ms) => isBefore(day_ms, stuck)).sort((a, b) => a - b)
  const ready = possible.filter((day_ms) => isBefore(day_ms, behind))
  const taken = new Set<number>()
  let units = 0
  for (const day_ms of metric.carry || order === 'oldest' ? ready : ready.reverse()) {
    units += days.get(day_ms)?.length ?? 0
    if (units > most && taken.size > 0) break
    taken.add(day_ms)
  }
  const isTaken = ({ hour_ms }: Unit) => taken.has(dayOf(hour_ms))
  return {
    taken: due.filter(isTaken),
    left: due.filter((unit) => !isTaken(unit)),
    more: possible.length > taken.size,
  }
}
