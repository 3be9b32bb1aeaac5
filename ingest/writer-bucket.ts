import { BUCKET_LOOK_FIRST_MS, BUCKET_LOOK_MAX_MS } from './limits.ts'
import { positionTxn } from './position.ts'
import type { StreamRanges } from './ranges.ts'
import type { WriterOptions } from './writer-seam.ts'

/** A bucket as its writer knows it. */
export type Bucket = {
  readonly bucket: number
  /** Where the table keeps its position, and the number there: undefined before the first commit. */
  appId: string
  expected: number | undefined
  position: number
  ranges: Map<string, StreamRanges>
  snapshot_version: number
  /** Commits that took rows away, of which the ranges tell. */
  removals: number | undefined
  /** Known anew from the table before the next attempt. */
  stale: boolean
  /** Why it does not go on: until it is known to, also while that is tried. */
  stopped: string | undefined
  /** Log and table did not join up: only another position in the table can mend that. */
  gap: boolean
  /** Attempts leave it alone, and it is looked at again at this time; monotonic, ms. */
  resting: boolean
  look_ms: number
  delay_ms: number
}

export function unknownBucket(bucket: number): Bucket {
  return {
    ...{ bucket, appId: '', expected: undefined, position: 0, ranges: new Map(), snapshot_version: -1 },
    ...{ removals: undefined, stale: true, stopped: undefined, gap: false, resting: false, look_ms: 0, delay_ms: 0 },
  }
}

/** Each time for twice as long, within bounds; tells how long. */
export function leaveAlone(one: Bucket, reason: string, now_ms: number): number {
  one.stopped = reason
  one.resting = true
  one.delay_ms = Math.min(BUCKET_LOOK_MAX_MS, Math.max(BUCKET_LOOK_FIRST_MS, one.delay_ms * 2))
  one.look_ms = now_ms + one.delay_ms
  return one.delay_ms
}

export function goOn(one: Bucket): void {
  one.stopped = undefined
  one.gap = false
  one.delay_ms = 0
}

type Looking = Pick<WriterOptions, 'log' | 'table' | 'layout' | 'clock' | 'recordedGaps'>

/**
 * Takes up again what has rested; where log and table do not join up, only once the table stands elsewhere, or the gap was
 * closed: a log that begins right after it goes on from where the table stood.
 */
export async function wake(
  { log, table, layout, clock, recordedGaps }: Looking,
  buckets: Iterable<Bucket>,
): Promise<void> {
  const due = [...buckets].filter((one) => one.resting && one.look_ms <= clock.monotonic())
  if (due.length === 0) return
  await log.identify?.()
  // Before the table: a gap is closed once that has moved.
  const gaps = due.some(({ gap }) => gap) ? await recordedGaps?.() : undefined
  const { txns } = await table.snapshot()
  for (const one of due) {
    const appId = positionTxn(log.id, layout, one.bucket)
    const hasMoved = appId !== one.appId || txns.get(appId) !== one.expected
    const isClosed = gaps !== undefined && gaps.get(one.bucket) !== one.position
    if (one.gap && !hasMoved && !isClosed) {
      leaveAlone(one, one.stopped ?? '', clock.monotonic())
      continue
    }
    if (hasMoved || one.gap) one.stale = true
    one.resting = false
  }
}
