const HOUR_MS = 3_600_000

export type LocalTime = {
  /** Hour of the day with fraction, 0 ≤ hour < 24. */
  readonly hour: number
  readonly weekend: boolean
  /** 0 in mid-winter of the northern half, 1 in mid-summer. */
  readonly summer: number
}

/**
 * What the clock on the wall of a home says. The zone's offset is looked up once for each UTC quarter of an hour, at
 * which all zones change, since Intl costs far more than the sums. Raises RangeError for a zone that does not exist.
 */
export function localTime(zone: string): (time_ms: number) => LocalTime {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  })
  let quarter = Number.NaN
  let offset_ms = 0
  return (time_ms) => {
    const current = Math.floor(time_ms / (HOUR_MS / 4))
    if (current !== quarter) {
      quarter = current
      const at_ms = current * (HOUR_MS / 4)
      const part = new Map(format.formatToParts(at_ms).map(({ type, value }) => [type, Number(value)]))
      const get = (name: Intl.DateTimeFormatPartTypes) => part.get(name) ?? 0
      offset_ms = Date.UTC(get('year'), get('month') - 1, get('day'), get('hour'), get('minute')) - at_ms
    }
    const local_ms = time_ms + offset_ms
    const day = Math.floor(local_ms / (24 * HOUR_MS))
    // Day 0 of 1970 was a Thursday; 21 June is day 171 of a year.
    return {
      hour: (local_ms - day * 24 * HOUR_MS) / HOUR_MS,
      weekend: (((day + 4) % 7) + 7) % 7 === 0 || (((day + 4) % 7) + 7) % 7 === 6,
      summer: 0.5 + 0.5 * Math.cos(((day - 171) / 365.2425) * 2 * Math.PI),
    }
  }
}
