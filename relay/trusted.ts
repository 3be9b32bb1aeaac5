import type { Clock } from '../contract/clock.ts'
import { remember } from '../contract/remember.ts'
import { TRUST_MS, TRUSTED_MAX } from './limits.ts'

/** What `look` answers, trusted for a moment, so that the registry is not asked at every command. What it raises is not kept. */
export function trusted<T>(look: (key: string) => T, clock: Pick<Clock, 'monotonic'>): (key: string) => T {
  const known = new Map<string, { readonly answer: T; readonly until_ms: number }>()
  return (key) => {
    const now_ms = clock.monotonic()
    const found = known.get(key)
    if (found && found.until_ms > now_ms) return found.answer
    const answer = look(key)
    remember(known, key, { answer, until_ms: now_ms + TRUST_MS }, TRUSTED_MAX)
    return answer
  }
}
