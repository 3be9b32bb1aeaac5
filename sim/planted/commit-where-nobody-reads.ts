import { isProblem } from '../../contract/problem.ts'
import type { Plant } from '../plant.ts'

/** An entry that was seen once is taken for there for ever: nobody looks whether the version before a commit still stands. */
export const commitWhereNobodyReads: Plant = {
  name: 'commit where nobody reads',
  breaks: 'what a commit tells is true',
  store: (store) => {
    const seen = new Map<string, Uint8Array>()
    const isEntry = (path: string) => path.startsWith('events/_delta_log/') && path.endsWith('.json')
    return {
      ...store,
      async get(path, range) {
        try {
          const bytes = await store.get(path, range)
          if (isEntry(path)) seen.set(path, bytes)
          return bytes
        } catch (error) {
          const known = seen.get(path)
          if (known && isProblem(error, 'missing')) return known
          throw error
        }
      },
      async head(path) {
        const known = seen.get(path)
        return (await store.head(path)) ?? (known && { path, size_bytes: known.length, modified_ms: 0 })
      },
    }
  },
}
