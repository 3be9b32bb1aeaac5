import type { ObjectStore } from '../object-store.ts'

export type Operation = 'get' | 'head' | 'put' | 'list' | 'delete'

export type Hooks = {
  /** Runs before each call; what it throws is the answer, and nothing happened. */
  before?: (operation: Operation, path: string) => void | Promise<void>
  /** Runs when a call has taken effect; what it throws is the answer all the same. */
  after?: (operation: Operation, path: string) => void | Promise<void>
}

/** A store whose calls can be counted, overtaken and made to fail, before they take effect or after. */
export function openHookedStore(store: ObjectStore, hooks: Hooks): ObjectStore {
  async function hooked<T>(operation: Operation, path: string, call: () => Promise<T>): Promise<T> {
    await hooks.before?.(operation, path)
    const answer = await call()
    await hooks.after?.(operation, path)
    return answer
  }
  return {
    url: store.url,
    get: (path, range) => hooked('get', path, () => store.get(path, range)),
    head: (path) => hooked('head', path, () => store.head(path)),
    put: (path, body, options) => hooked('put', path, () => store.put(path, body, options)),
    delete: (path) => hooked('delete', path, () => store.delete(path)),
    async *list(prefix, options) {
      await hooks.before?.('list', prefix)
      yield* store.list(prefix, options)
      await hooks.after?.('list', prefix)
    },
  }
}
