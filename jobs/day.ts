import { HOUR_MS } from './limits.ts'

export const DAY_MS = 24 * HOUR_MS
/** More than a lake may have. */
const BUCKETS_MAX = 2 ** 16

/** The begin of the UTC day. */
export function dayOf(time_ms: number): number {
  return Math.floor(time_ms / DAY_MS) * DAY_MS
}

/** A bucket's day as one number, for maps: a text would take longer to make than all else that is done with it. */
export function dayKey(time_ms: number, bucket: number): number {
  return Math.floor(time_ms / DAY_MS) * BUCKETS_MAX + bucket + 1
}

/** The day of a `dayKey`. */
export function dayOfKey(key: number): number {
  return Math.floor(key / BUCKETS_MAX) * DAY_MS
}

/** The bucket of a `dayKey`. */
export function bucketOfKey(key: number): number {
  return key - Math.floor(key / BUCKETS_MAX) * BUCKETS_MAX - 1
}
