import { readFile } from 'node:fs/promises'
import type { Clock } from '../contract/clock.ts'
import { Problem } from '../contract/problem.ts'
import type { ObjectStore } from './object-store.ts'
import { checkPath, checkPrefix } from './path.ts'

/** Objects in memory: for tests, the simulator, and what must leave no trace. Everything is durable at once. */
export function openMemoryStore({ clock }: { readonly clock: Clock }): ObjectStore {
  const objects = new Map<string, { readonly bytes: Uint8Array; readonly modified_ms: number }>()
  return {
    url: 'memory:',

    async get(path, range) {
      const object = objects.get(checkPath(path))
      if (!object) throw new Problem('missing', `there is no object ${path}`)
      return range ? object.bytes.slice(Math.max(0, range.start), Math.max(0, range.end)) : object.bytes.slice()
    },

    async head(path) {
      const object = objects.get(checkPath(path))
      return object && { path, size_bytes: object.bytes.length, modified_ms: object.modified_ms }
    },

    async put(path, body, options) {
      checkPath(path)
      const bytes = body instanceof Uint8Array ? body.slice() : new Uint8Array(await readFile(body.file))
      if (options?.ifAbsent && objects.has(path)) throw new Problem('conflict', `${path} exists already`)
      objects.set(path, { bytes, modified_ms: clock.now() })
    },

    async *list(prefix, options) {
      const trimmed = checkPrefix(prefix)
      const startAfter = options?.startAfter ?? ''
      const paths = [...objects.keys()]
        .filter((path) => (trimmed === '' || path.startsWith(`${trimmed}/`)) && path > startAfter)
        .sort()
      for (const path of paths) {
        const object = objects.get(path)
        if (object) yield { path, size_bytes: object.bytes.length, modified_ms: object.modified_ms }
      }
    },

    async delete(path) {
      objects.delete(checkPath(path))
    },
  }
}
