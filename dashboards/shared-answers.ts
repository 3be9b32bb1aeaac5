import type { Clock } from '../contract/clock.ts'
import { remember } from '../contract/remember.ts'
import { ANSWER_SHARED_MS, ANSWERS_SHARED_MAX } from './limits.ts'

/** Gives all who ask the same within ANSWER_SHARED_MS one answer; failures are not kept. */
export function shareAnswers(clock: Clock) {
  const kept = new Map<string, { readonly at: number; readonly answer: Promise<unknown> }>()
  return async function shared<T>(key: string, make: () => Promise<T>, keep_ms = ANSWER_SHARED_MS): Promise<T> {
    const now = clock.monotonic()
    const found = kept.get(key)
    // A key always belongs to one maker, so that what is found under it is of the maker's type.
    if (found && now - found.at < keep_ms) return (await found.answer) as T
    const answer = make()
    remember(kept, key, { at: now, answer }, ANSWERS_SHARED_MAX)
    answer.catch(() => {
      if (kept.get(key)?.answer === answer) kept.delete(key)
    })
    return answer
  }
}
