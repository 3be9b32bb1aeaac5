import { randomBytes } from 'node:crypto'
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

export const machineRandom: Random = {
  float: () => Math.random(),
  bytes: (count) => new Uint8Array(randomBytes(count)),
}
