import { type Clock, sleep } from '../contract/clock.ts'
import { Problem } from '../contract/problem.ts'

/** What is answered within so long; else raises `unavailable`, of which nobody knows whether it happened. Raises the signal's reason when that aborts first. */
export async function inTime<T>(
  clock: Clock,
  limit: { readonly ms: number; readonly signal?: AbortSignal; readonly what: string },
  answer: Promise<T>,
): Promise<T> {
  const over = new AbortController()
  const signal = limit.signal ? AbortSignal.any([limit.signal, over.signal]) : over.signal
  const late = sleep(clock, limit.ms, signal).then(() => {
    throw new Problem('unavailable', `${limit.what} has not answered within ${Math.round(limit.ms)} ms`, {
      outcome: 'unknown',
    })
  })
  late.catch(() => undefined)
  // What comes after its time is nobody's.
  answer.catch(() => undefined)
  try {
    return await Promise.race([answer, late])
  } finally {
    over.abort()
  }
}
