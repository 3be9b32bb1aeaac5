import type { Clock } from '../contract/clock.ts'
import { remember } from '../contract/remember.ts'
import {
  HUB_BATCH_EVENTS_MIN,
  HUB_DELAY_MAX_MS,
  HUB_EVENTS_BURST,
  HUB_EVENTS_PER_SECOND,
  SOURCES_REMEMBERED_MAX,
} from './limits.ts'

/** How long each source's answer is held back, so that a hub over its rate is slowed and never refused. */
export type Pace = {
  /** Takes a batch of so many events, or what else it lists, from the source's allowance; returns the ms to wait before answering. */
  delay_ms(source: string, events: number): number
}

/** A token bucket a source. A batch of few events or none has its row, its place in the log and its ranges all the same. */
export function openPace(
  clock: Clock,
  rate: { readonly events_per_second: number; readonly burst: number } = {
    events_per_second: HUB_EVENTS_PER_SECOND,
    burst: HUB_EVENTS_BURST,
  },
): Pace {
  const sources = new Map<string, { left: number; at_ms: number }>()
  return {
    delay_ms(source, events) {
      const now_ms = clock.monotonic()
      const before = sources.get(source) ?? { left: rate.burst, at_ms: now_ms }
      const refilled = before.left + ((now_ms - before.at_ms) / 1000) * rate.events_per_second
      const left = Math.min(rate.burst, refilled) - Math.max(HUB_BATCH_EVENTS_MIN, events)
      remember(sources, source, { left, at_ms: now_ms }, SOURCES_REMEMBERED_MAX)
      return left >= 0 ? 0 : Math.min(HUB_DELAY_MAX_MS, (-left / rate.events_per_second) * 1000)
    },
  }
}
