import { below, type IntervalSet, intervalSet, size, subtract } from '../contract/interval.ts'
import { SILENT_MS } from './limits.ts'

/** Numbers of events. `sent = stored + dead + dropped + pending + lost`, an event counted by the first that fits. */
export type Totals = {
  readonly boots: number
  readonly sent: number
  readonly stored: number
  readonly dead: number
  readonly dropped: number
  /** May still be on its way. */
  readonly pending: number
  /** Will not come: the source closed the boot, or has been silent for 30 days. */
  readonly lost: number
  /** Below what the source was promised, and neither stored, dead nor dropped; part of pending or lost. */
  readonly broken: number
}

export type Account = Totals & {
  /** Which numbers are pending or lost. */
  readonly missing: IntervalSet
  /** Which of them were promised. */
  readonly broken_numbers: IntervalSet
}

export const NO_TOTALS: Totals = {
  ...{ boots: 0, sent: 0, stored: 0, dead: 0, dropped: 0, pending: 0, lost: 0, broken: 0 },
}

export function addTotals(a: Totals, b: Totals): Totals {
  return {
    boots: a.boots + b.boots,
    sent: a.sent + b.sent,
    stored: a.stored + b.stored,
    dead: a.dead + b.dead,
    dropped: a.dropped + b.dropped,
    pending: a.pending + b.pending,
    lost: a.lost + b.lost,
    broken: a.broken + b.broken,
  }
}

/** The account of one (source, boot, stream) as of `now_ms`. Pure. */
export function accountOf(
  ranges: {
    readonly next: number
    readonly acked: number
    readonly stored: IntervalSet
    readonly dead: IntervalSet
    readonly dropped: IntervalSet
    readonly closed: boolean
    readonly heard_ms: number
  },
  now_ms: number,
): Account {
  const highest = (set: IntervalSet) => set.at(-1)?.[1] ?? 0
  const sent = Math.max(ranges.next, ranges.acked, ...[ranges.stored, ranges.dead, ranges.dropped].map(highest))
  const notStored = subtract([[0, sent]], ranges.stored)
  const notDead = subtract(notStored, ranges.dead)
  const missing = intervalSet(subtract(notDead, ranges.dropped))
  const broken_numbers = below(missing, ranges.acked)
  const gone = ranges.closed || now_ms - ranges.heard_ms >= SILENT_MS
  return {
    boots: 1,
    sent,
    stored: size(ranges.stored),
    dead: size(notStored) - size(notDead),
    dropped: size(notDead) - size(missing),
    pending: gone ? 0 : size(missing),
    lost: gone ? size(missing) : 0,
    broken: size(broken_numbers),
    missing,
    broken_numbers,
  }
}
