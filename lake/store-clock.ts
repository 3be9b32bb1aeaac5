import { Problem } from '../contract/problem.ts'
import { STORE_CLOCK_SLACK_MS } from './limits.ts'
import type { ObjectStore } from './object-store.ts'

/** Put only to learn the store's time, and overwritten each time. */
const WITNESS_PATH = '_hearth/clock'

export type StoreClock = {
  readonly store: ObjectStore
  /** STORE_CLOCK_SLACK_MS unless given: for tests. */
  readonly clock_slack_ms?: number
}

/**
 * Before objects are deleted by their age. Ages are between this machine's time and the store's: by a clock that is ahead,
 * what is young seems old. Raises `unavailable` for `now_ms` ahead of the store's time of an object that was put after it:
 * `put`, or where nothing was put anyway one of its own.
 */
export async function refuseFastClock(
  { store, clock_slack_ms = STORE_CLOCK_SLACK_MS }: StoreClock,
  now_ms: number,
  put?: string,
): Promise<void> {
  if (put === undefined) await store.put(WITNESS_PATH, Buffer.from('when this was put is the time of the store\n'))
  const witness = await store.head(put ?? WITNESS_PATH)
  const ahead_ms = now_ms - (witness?.modified_ms ?? 0)
  if (ahead_ms <= clock_slack_ms) return
  throw new Problem(
    'unavailable',
    `this machine's clock is ${Math.round(ahead_ms / 1000)} s ahead of that of ${store.url}: nothing was deleted; set it right`,
  )
}
