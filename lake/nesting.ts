import { isProblem, Problem } from '../contract/problem.ts'
import { LAKE_PATH } from './lake.ts'
import { NESTING_OBJECTS_MAX } from './limits.ts'
import type { ObjectStore } from './object-store.ts'

/**
 * Refuses the place of a new lake inside of another lake, or around one: vacuum of the outer one would delete what is of the
 * inner one. `around` are the places above; one that may not be looked into is passed over, and so is what lies below past
 * NESTING_OBJECTS_MAX objects. Raises `conflict`.
 */
export async function refuseNesting(store: ObjectStore, around: readonly ObjectStore[]): Promise<void> {
  const advice = 'give this lake a place of its own'
  for (const outer of around) {
    const found = await outer.head(LAKE_PATH).catch((error: unknown) => {
      if (isProblem(error, 'unauthorized')) return undefined
      throw error
    })
    if (found) throw new Problem('conflict', `${store.url} lies inside of the lake at ${outer.url}: ${advice}`)
  }
  let looked = 0
  for await (const { path } of store.list('')) {
    if (path.endsWith(`/${LAKE_PATH}`)) {
      const inner = path.slice(0, -LAKE_PATH.length - 1)
      throw new Problem('conflict', `${store.url} has another lake inside of it, ${inner}: ${advice}`)
    }
    if (++looked === NESTING_OBJECTS_MAX) return
  }
}
