/**
 * `work(0)` … `work(count - 1)`, at most `width` at once, and what they gave in order. After the first that fails none
 * is begun; its error is raised when all that were begun have ended, so that nothing goes on behind the caller's back.
 */
export async function inParallel<T>(
  count: number,
  width: number,
  work: (index: number) => Promise<T>,
): Promise<readonly T[]> {
  const results: T[] = []
  const errors: unknown[] = []
  let next = 0
  const lane = async () => {
    while (next < count && errors.length === 0) {
      const index = next++
      try {
        results[index] = await work(index)
      } catch (error) {
        errors.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, count) }, lane))
  if (errors.length > 0) throw errors[0]
  return results
}

/** Runs what it is given, at most `width` at once, in the order in which it came. */
export function turnstile(width: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = []
  let free = width
  return async (work) => {
    if (free > 0) free--
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else free++
    }
  }
}
