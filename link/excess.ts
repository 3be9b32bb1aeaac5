import { STAMP_WINDOW_MS, STAMPS_MAX } from './limits.ts'

const SLOT_MS = STAMP_WINDOW_MS / (STAMPS_MAX - 1)

/**
 * How long a message lay on its way beyond the usual, without a common clock: the sender stamps with its own monotonic
 * clock, and what counts is (own clock − stamp) above the smallest of the last 10 minutes of this session (relay.md).
 * A window, since clocks drift: 50 ppm is 5 s in 28 h.
 */
export type Excess = {
  /** A new session: another relay, another origin of its clock. */
  reset(): void
  /** What is stamped from here on, by own clock: the sender was asked for its first stamp at that moment, and not before. */
  since(own_ms: number): void
  /** Takes one stamp in, and says by how much, in ms, it is later than the best. */
  take(own_ms: number, stamp_ms: number): number
}

export function openExcess(): Excess {
  /** The smallest difference of each slot of the window, oldest first. */
  let slots: { readonly slot: number; smallest_ms: number }[] = []
  let since_ms: number | undefined
  return {
    reset() {
      slots = []
      since_ms = undefined
    },
    since(own_ms) {
      since_ms = own_ms
    },
    take(own_ms, stamp_ms) {
      const difference_ms = own_ms - stamp_ms
      const slot = Math.floor(own_ms / SLOT_MS)
      slots = slots.filter((each) => each.slot > slot - STAMPS_MAX)
      const last = slots.at(-1)
      // The first of a session may have lain as long as what comes with it: it was made no earlier than it was asked for.
      const smallest_ms = Math.min(difference_ms, (since_ms ?? own_ms) - stamp_ms)
      since_ms = undefined
      if (last?.slot === slot) last.smallest_ms = Math.min(last.smallest_ms, smallest_ms)
      else slots.push({ slot, smallest_ms })
      return difference_ms - slots.reduce((smallest, each) => Math.min(smallest, each.smallest_ms), difference_ms)
    },
  }
}
