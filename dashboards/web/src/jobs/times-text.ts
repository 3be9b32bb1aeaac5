import { now } from '../browser.ts'
import { whole } from '../number-format.ts'
import { dayTime, minuteTime } from '../time-range.ts'

const DAY_MS = 86_400_000

/** `19 times since 16:03, last 16:57`; the time alone of what was once. */
export function timesText(of: { readonly times: number; readonly since_ms: number; readonly last_ms: number }): string {
  const { times, since_ms, last_ms } = of
  return times === 1 ? timeOf(last_ms) : `${whole(times)} times since ${timeOf(since_ms)}, last ${timeOf(last_ms)}`
}

/** The time of today, else with its day. */
function timeOf(time_ms: number): string {
  return now.value - time_ms < DAY_MS ? minuteTime(time_ms) : dayTime(time_ms)
}
