import { dayOf } from './day.ts'
import type { Metric } from './metric.ts'
import type { Unit } from './plan.ts'
import { unitTime } from './shape.ts'

export type CutOptions = {
  /** Units that a run makes at once; a day is taken whole, and at least one. */
  readonly most: number
  /** Days first, of a long back-fill: what carries goes oldest first in any case. */
  readonly order: 'newest' | 'oldest'
  /** Days that an input lacks yet: what is made of them is left, too, so that it is not made twice. */
  readonly behind: ReadonlySet<number>
}

export type Cut = { readonly taken: readonly Unit[]; readonly left: readonly Unit[] }

/** What a run takes of the units that are due, and what it leaves to the next. Pure. */
export function cut(metric: Metric, due: readonly Unit[], { most, order, behind }: CutOptions): Cut {
  if (!unitTime(metric.shape)) return { taken: due, left: [] }
  const days = Map.groupBy(due, ({ hour_ms }) => dayOf(hour_ms))
  const oldest = [...days.keys()].sort((a, b) => a - b)
  const first = metric.carry ? Math.min(...behind) : Number.POSITIVE_INFINITY
  const ready = oldest.filter((day_ms) => day_ms < first && !behind.has(day_ms))
  const taken = new Set<number>()
  let units = 0
  for (const day_ms of metric.carry || order === 'oldest' ? ready : ready.reverse()) {
    units += days.get(day_ms)?.length ?? 0
    if (units > most && taken.size > 0) break
    taken.add(day_ms)
  }
  const isTaken = ({ hour_ms }: Unit) => taken.has(dayOf(hour_ms))
  return { taken: due.filter(isTaken), left: due.filter((unit) => !isTaken(unit)) }
}
