import type { ObjectStore } from '../lake/object-store.ts'
import type { Life, World } from './world.ts'

/** An object store at the other end of a network: each call is a step, and may take effect after its caller died. */
export function simStore(world: World, life: Life, store: ObjectStore): ObjectStore {
  return {
    url: store.url,
    get: (path, range) => world.call(life, 'store.get', () => store.get(path, range), path),
    head: (path) => world.call(life, 'store.get', () => store.head(path), path),
    put: (path, body, options) => world.call(life, 'store.put', () => store.put(path, body, options), path),
    async *list(prefix, options) {
      const found = await world.call(
        life,
        'store.list',
        async () => {
          const all = []
          for await (const meta of store.list(prefix, options)) all.push(meta)
          return all
        },
        prefix,
      )
      yield* found
    },
    delete: (path) => world.call(life, 'store.put', () => store.delete(path), path),
  }
}
