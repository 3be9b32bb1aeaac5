import { bucketOfKey, DAY_MS, dayKey, dayOfKey } from './day.ts'
import { HOUR_MS } from './limits.ts'

/** The version of each hour of a bucket's day, −1 for none, and the newest of them. */
type Day = { readonly hours: Float64Array; newest: number }

const HOURS = DAY_MS / HOUR_MS

/** A version for each hour of each bucket. By days, so that a day in which nothing moved is known with one look. */
export class HourVersions {
  readonly days = new Map<number, Day>()

  /** The later of two that are set stays. */
  set(hour_ms: number, bucket: number, version: number): void {
    const key = dayKey(hour_ms, bucket)
    let day = this.days.get(key)
    if (!day) this.days.set(key, (day = { hours: new Float64Array(HOURS).fill(-1), newest: -1 }))
    day.hours[hourInDay(hour_ms)] = version
    day.newest = Math.max(day.newest, version)
  }

  /** −1 for none. */
  get(hour_ms: number, bucket: number): number {
    return this.days.get(dayKey(hour_ms, bucket))?.hours[hourInDay(hour_ms)] ?? -1
  }

  /** The newest of a day; −1 for none. */
  ofDay(day_ms: number, bucket: number): number {
    return this.days.get(dayKey(day_ms, bucket))?.newest ?? -1
  }

  /** Hour, bucket, version of each. */
  *entries(): Generator<readonly [hour_ms: number, bucket: number, version: number]> {
    for (const [key, { hours }] of this.days) {
      const day_ms = dayOfKey(key)
      const bucket = bucketOfKey(key)
      for (let i = 0; i < HOURS; i++) {
        const version = hours[i] as number
        if (version >= 0) yield [day_ms + i * HOUR_MS, bucket, version]
      }
    }
  }
}

function hourInDay(hour_ms: number): number {
  return Math.floor(hour_ms / HOUR_MS) - Math.floor(hour_ms / DAY_MS) * HOURS
}
