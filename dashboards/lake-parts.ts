import type { Clock } from '../contract/clock.ts'
import { isProblem, messageOf } from '../contract/problem.ts'
import { ANSWERS_SHARED_MAX, LAKE_PART_OLD_MAX_MS, LAKE_PART_WAIT_MAX_MS, LAKE_PARTS_ASKED_MAX } from './limits.ts'

/** Under one key: what was found last, and whether it is being asked for now. */
type Part = { found?: { readonly value: unknown; readonly at_ms: number }; asking?: Promise<void>; failed: boolean }

/**
 * Parts that the lake adds to answers which must come without it: asked for anew when the last is older than `keep_ms`, and
 * waited for LAKE_PART_WAIT_MAX_MS. What is late, or fails, is answered by the last, while that is not too old, or undefined.
 * What is late is shared by all who ask meanwhile, and few are asked for at a time: a lake that is slow is not asked by
 * everybody again and again. Failures are noted when they begin and end.
 */
export function lakeParts(clock: Clock, keep_ms: number, note: (text: string) => void) {
  const parts = new Map<string, Part>()
  let asking = 0

  const ask = (key: string, part: Part, make: () => Promise<unknown>) => {
    asking++
    part.asking = make()
      .then(
        (value) => {
          part.found = { value, at_ms: clock.monotonic() }
          if (part.failed) note(`the lake tells ${key} again`)
          part.failed = false
        },
        (error: unknown) => {
          const told = isProblem(error) || !(error instanceof Error) ? messageOf(error) : (error.stack ?? error.message)
          if (!part.failed) note(`pages go without ${key} of the lake: ${told}`)
          part.failed = true
        },
      )
      .finally(() => {
        asking--
        delete part.asking
      })
  }

  /** The one that was made first goes; what is being asked for stays, since it will be found by those who wait for it. */
  const forgetOne = () => {
    const [settled] = [...parts].find(([, part]) => !part.asking) ?? []
    if (settled !== undefined) parts.delete(settled)
  }

  return async function part<T>(key: string, make: () => Promise<T>): Promise<T | undefined> {
    const mine: Part = parts.get(key) ?? { failed: false }
    if (!parts.has(key)) {
      if (parts.size >= ANSWERS_SHARED_MAX) forgetOne()
      parts.set(key, mine)
    }
    const isFresh = mine.found && clock.monotonic() - mine.found.at_ms < keep_ms
    if (!isFresh) {
      if (!mine.asking && asking < LAKE_PARTS_ASKED_MAX) ask(key, mine, make)
      let cancel = () => {}
      const late = new Promise<void>((resolve) => {
        cancel = clock.timer(LAKE_PART_WAIT_MAX_MS, resolve)
      })
      await Promise.race([mine.asking, late])
      cancel()
    }
    const { found } = mine
    // A key always belongs to one maker, so that what is found under it is of the maker's type.
    return found && clock.monotonic() - found.at_ms < LAKE_PART_OLD_MAX_MS ? (found.value as T) : undefined
  }
}
