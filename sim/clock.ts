import type { Clock } from '../contract/clock.ts'

export { seededRandom } from '../contract/clock.ts'

type Timer = { readonly at_ms: number; readonly order: number; readonly callback: () => void }

/** A clock that stands still until it is told to move; timers fire in order of their time. */
export class ManualClock implements Clock {
  #now_ms: number
  #monotonic_ms = 0
  #timers: Timer[] = []
  #order = 0

  constructor(start_ms = Date.UTC(2026, 10, 24, 12)) {
    this.#now_ms = start_ms
  }

  now(): number {
    return Math.round(this.#now_ms)
  }

  monotonic(): number {
    return this.#monotonic_ms
  }

  timer(delay_ms: number, callback: () => void): () => void {
    const entry = { at_ms: this.#monotonic_ms + Math.max(0, delay_ms), order: this.#order++, callback }
    this.#timers.push(entry)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== entry)
    }
  }

  /** The wall clock alone jumps, as a clock that is being set does. */
  jump(ms: number): void {
    this.#now_ms += ms
  }

  /** When the next timer is due, ms of the monotonic clock. */
  nextTimer_ms(): number | undefined {
    return this.#next()?.at_ms
  }

  /** Moves both clocks, firing each timer that falls due on the way; waits for what the timers set off. */
  async advance(ms: number): Promise<void> {
    const end_ms = this.#monotonic_ms + ms
    await settle()
    for (let next = this.#next(); next && next.at_ms <= end_ms; next = this.#next()) {
      this.#moveTo(next.at_ms)
      this.#timers = this.#timers.filter((other) => other !== next)
      next.callback()
      await settle()
    }
    this.#moveTo(end_ms)
  }

  #next() {
    return this.#timers.reduce<Timer | undefined>(
      (best, timer) =>
        !best || timer.at_ms < best.at_ms || (timer.at_ms === best.at_ms && timer.order < best.order) ? timer : best,
      undefined,
    )
  }

  #moveTo(at_ms: number) {
    this.#now_ms += at_ms - this.#monotonic_ms
    this.#monotonic_ms = at_ms
  }
}

/** Lets everything that is ready to run, run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
