import type { Clock } from '../contract/clock.ts'
import { remember } from '../contract/remember.ts'
import { RATE_KEYS_MAX, type Rate } from './limits.ts'

/** A token bucket for each key: an app, a hub. */
export type RateGate = {
  /** Takes one token and returns 0, or takes none and returns the ms until there is one. */
  take(key: string): number
}

/** Token buckets on the monotonic clock. A key's bucket begins full, and is forgotten when too many are known. */
export function rateGate(clock: Pick<Clock, 'monotonic'>, rate: Rate): RateGate {
  const buckets = new Map<string, { tokens: number; at_ms: number }>()
  return {
    take: (key) => {
      const now_ms = clock.monotonic()
      const bucket = buckets.get(key) ?? { tokens: rate.burst, at_ms: now_ms }
      remember(buckets, key, bucket, RATE_KEYS_MAX)
      bucket.tokens = Math.min(rate.burst, bucket.tokens + ((now_ms - bucket.at_ms) * rate.per_second) / 1000)
      bucket.at_ms = now_ms
      if (bucket.tokens >= 1) {
        bucket.tokens -= 1
        return 0
      }
      return Math.ceil(((1 - bucket.tokens) * 1000) / rate.per_second)
    },
  }
}
