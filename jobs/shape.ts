import { DAY_MS } from './day.ts'
import { HOUR_MS } from './limits.ts'

/**
 * What one calculation makes: `hour` is (metric, hour, bucket), `hour-all` one for all buckets, `day-all` a day of all
 * buckets, `bucket` the whole history of a bucket.
 */
export type UnitShape = 'hour' | 'hour-all' | 'day-all' | 'bucket'

/** A time that units begin at, by the column of their rows that tells it. */
export type UnitTime = { readonly column: 'hour' | 'day'; readonly length_ms: number }

const HOUR: UnitTime = { column: 'hour', length_ms: HOUR_MS }

const TIMES: Readonly<Record<UnitShape, UnitTime | undefined>> = {
  hour: HOUR,
  'hour-all': HOUR,
  'day-all': { column: 'day', length_ms: DAY_MS },
  bucket: undefined,
}

/** undefined for units that are whole histories. */
export function unitTime(shape: UnitShape): UnitTime | undefined {
  return TIMES[shape]
}

/** Is it made of all buckets at once? */
export function ofAllBuckets(shape: UnitShape): boolean {
  return shape === 'hour-all' || shape === 'day-all'
}
