import { isProblem } from '../../contract/problem.ts'
import type { Plant } from '../plant.ts'

/** A version that is taken when its put is tried again counts as another's: nobody looks whose id it has. */
export const ownCommitTakenForAnothers: Plant = {
  name: "own commit taken for another's",
  breaks: 'what a commit tells is true',
  store: (store) => {
    const lost = new Set<string>()
    return {
      ...store,
      async put(path, body, options) {
        try {
          await store.put(path, body, options)
        } catch (error) {
          if (isProblem(error) && error.outcome === 'unknown') lost.add(path)
          throw error
        }
      },
      async get(path, range) {
        const body = await store.get(path, range)
        if (!lost.has(path)) return body
        return Buffer.from(
          Buffer.from(body)
            .toString()
            .replace(/"id":"[^"]*"/, '"id":"somebody"'),
        )
      },
    }
  },
}
