import { randomFillSync } from 'node:crypto'
import type { Clock, Random } from '../contract/clock.ts'

/** The machine's own clocks and timers: the only place that names them. */
export const machineClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer: (delay_ms, callback) => {
    const timer = setTimeout(callback, delay_ms)
    return () => clearTimeout(timer)
  },
}

/** Asking the system costs some 20 µs, whether for 16 bytes or for these. Each byte is given out once. */
const pool = new Uint8Array(4096)
let left = 0

export const machineRandom: Random = {
  float: () => Math.random(),
  bytes: (count) => {
    if (count > pool.length) return randomFillSync(new Uint8Array(count))
    if (count > left) left = randomFillSync(pool).length
    left -= count
    return pool.slice(left, left + count)
  },
}

/** Ends this process after `delay_ms`, unless nothing keeps it until then. */
export function exitAfter(delay_ms: number, code: number): void {
  setTimeout(() => process.exit(code), delay_ms).unref()
}
