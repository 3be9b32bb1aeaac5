import { remember } from '../contract/remember.ts'
import { TRUSTED_MAX } from './limits.ts'

export type Trusted<T> = {
  /** What `look` answered for a key, or does now. What it raises is not kept. */
  of(key: string): T
  /** Something changed: everything is looked up anew. */
  forget(): void
}

/** Answers of the registry, so that it is not asked at every command (45 µs, measured). Its `watch` says when to forget. */
export function trusted<T>(look: (key: string) => T): Trusted<T> {
  const known = new Map<string, { readonly answer: T }>()
  return {
    of(key) {
      const found = known.get(key)
      if (found) return found.answer
      const answer = look(key)
      remember(known, key, { answer }, TRUSTED_MAX)
      return answer
    },
    forget: () => known.clear(),
  }
}
