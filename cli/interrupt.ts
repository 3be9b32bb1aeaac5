import type { Clock } from '../contract/clock.ts'

/** npm passes the signal on that the terminal or the service manager sent to its whole group: two so close are one. */
const SAME_MS = 500

export type Interrupt = {
  /** Aborts at the first request. */
  readonly signal: AbortSignal
  /** A signal came: the first drains; a second one does not wait. */
  signalled(name: string): void
  /** The supervisor died: the first request drains, like a signal; it comes once, and after any other does not wait. */
  orphaned(): void
}

/** `atOnce` ends the process without waiting for its drain. */
export function openInterrupt(clock: Pick<Clock, 'monotonic'>, atOnce: () => void): Interrupt {
  const controller = new AbortController()
  let first_ms = 0
  const stop = (name: string, same_ms: number) => {
    const now_ms = clock.monotonic()
    if (!controller.signal.aborted) {
      first_ms = now_ms
      controller.abort(new Error(name))
    } else if (now_ms - first_ms >= same_ms) atOnce()
  }
  return {
    signal: controller.signal,
    signalled: (name) => stop(name, SAME_MS),
    orphaned: () => stop('the supervisor is gone', 0),
  }
}
