import { UPKEEP_CONCURRENT_MAX } from './limits.ts'
import type { ObjectStore } from './object-store.ts'

/** Deletes objects, some at the same time and in no order. Ends early, between two, with the signal's reason. */
export async function deleteAll(
  store: ObjectStore,
  paths: readonly string[],
  options: { readonly signal?: AbortSignal | undefined; progress?(done: number, total: number): void },
): Promise<void> {
  for (let done = 0; done < paths.length; done += UPKEEP_CONCURRENT_MAX) {
    options.signal?.throwIfAborted()
    options.progress?.(done, paths.length)
    await Promise.all(paths.slice(done, done + UPKEEP_CONCURRENT_MAX).map((path) => store.delete(path)))
  }
  options.progress?.(paths.length, paths.length)
}
