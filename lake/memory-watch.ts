import type { Clock } from '../contract/clock.ts'
import { MEMORY_LOOK_MS } from './limits.ts'

/**
 * Looks at this process's memory and calls `past` once when it is more than `max_bytes`. DuckDB's own limit counts what
 * its tables and sorts hold, and not the texts and lists that a function makes (`repeat('x', 4000000000)`); nor can
 * such a call be interrupted. So whoever owns the process ends it. Returns the way to stop looking.
 */
export function watchMemory(options: {
  readonly clock: Clock
  readonly used_bytes: () => number
  readonly max_bytes: number
  readonly past: () => void
}): () => void {
  const { clock, used_bytes, max_bytes, past } = options
  let stop = () => {}
  const look = () => {
    if (used_bytes() > max_bytes) past()
    else stop = clock.timer(MEMORY_LOOK_MS, look)
  }
  look()
  return () => stop()
}
