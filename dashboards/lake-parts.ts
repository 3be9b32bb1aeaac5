import type { Clock } from '../contract/clock.ts'
import { leaveFault } from '../contract/problem.ts'
import { remember } from '../contract/remember.ts'
import { ANSWERS_SHARED_MAX, LAKE_PART_WAIT_MAX_MS } from './limits.ts'

/**
 * Parts that the lake adds to answers which must come without it: undefined when it fails, or takes longer than
 * LAKE_PART_WAIT_MAX_MS. What is late is not asked for anew: it is shared by all who ask meanwhile, and kept for `keep_ms`
 * from when it came.
 */
export function lakeParts(clock: Clock, keep_ms: number) {
  const kept = new Map<string, { readonly part: Promise<unknown>; until_ms: number }>()

  const asked = (key: string, make: () => Promise<unknown>): Promise<unknown> => {
    const found = kept.get(key)
    if (found && clock.monotonic() < found.until_ms) return found.part
    const entry = { part: make(), until_ms: Number.POSITIVE_INFINITY }
    remember(kept, key, entry, ANSWERS_SHARED_MAX)
    entry.part.then(
      () => (entry.until_ms = clock.monotonic() + keep_ms),
      // Whoever still waits hears of it; nobody else has to.
      () => kept.get(key) === entry && kept.delete(key),
    )
    return entry.part
  }

  return async function part<T>(key: string, make: () => Promise<T>): Promise<T | undefined> {
    let cancel = () => {}
    const late = new Promise<undefined>((resolve) => {
      cancel = clock.timer(LAKE_PART_WAIT_MAX_MS, () => resolve(undefined))
    })
    try {
      // A key always belongs to one maker, so that what is found under it is of the maker's type.
      return (await Promise.race([asked(key, make), late])) as T | undefined
    } catch (error) {
      leaveFault(error)
      return undefined
    } finally {
      cancel()
    }
  }
}
