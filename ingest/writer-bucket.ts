import { BUCKET_LOOK_FIRST_MS, BUCKET_LOOK_MAX_MS } from './limits.ts'
import type { StreamRanges } from './ranges.ts'

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
