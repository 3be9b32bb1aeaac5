import type { Clock } from '../contract/clock.ts'
import { isProblem } from '../contract/problem.ts'
import type { ObjectStore } from './object-store.ts'

/** What became of one call of a store. `conflict`: the path was taken; `unknown`: it may have taken effect. */
export type StoreCall = {
  readonly operation: 'get' | 'head' | 'put' | 'list' | 'delete'
  readonly outcome: 'done' | 'missing' | 'conflict' | 'failed' | 'unknown'
  readonly ms: number
}

/** `store` as it is, and `note` told of each call once it is over; a listing is one call, with what its reader took. */
export function meteredStore(store: ObjectStore, clock: Clock, note: (call: StoreCall) => void): ObjectStore {
  async function metered<T>(operation: StoreCall['operation'], call: () => Promise<T>): Promise<T> {
    const begun_ms = clock.monotonic()
    let outcome: StoreCall['outcome'] = 'done'
    try {
      return await call()
    } catch (error) {
      outcome = outcomeOf(error)
      throw error
    } finally {
      note({ operation, outcome, ms: clock.monotonic() - begun_ms })
    }
  }
  return {
    ...store,
    get: (path, range) => metered('get', () => store.get(path, range)),
    head: (path) => metered('head', () => store.head(path)),
    put: (path, body, options) => metered('put', () => store.put(path, body, options)),
    delete: (path) => metered('delete', () => store.delete(path)),
    async *list(prefix, options) {
      const begun_ms = clock.monotonic()
      let outcome: StoreCall['outcome'] = 'done'
      try {
        yield* store.list(prefix, options)
      } catch (error) {
        outcome = outcomeOf(error)
        throw error
      } finally {
        note({ operation: 'list', outcome, ms: clock.monotonic() - begun_ms })
      }
    },
  }
}

function outcomeOf(error: unknown): StoreCall['outcome'] {
  if (isProblem(error, 'missing')) return 'missing'
  if (isProblem(error, 'conflict')) return 'conflict'
  return isProblem(error) && error.outcome === 'unknown' ? 'unknown' : 'failed'
}
