import { isProblem } from '../contract/problem.ts'
import type { ObjectStore } from './object-store.ts'

/** Puts what follows from its path: one that is there already is as good. Durable when it resolves, whoever put it. */
export async function putOnce(store: ObjectStore, path: string, body: Uint8Array): Promise<void> {
  try {
    await store.put(path, body, { ifAbsent: true })
  } catch (error) {
    if (!isProblem(error, 'conflict')) throw error
    // It may be of a put whose answer was a failure: a look at it makes it durable, or raises (folder-store.ts).
    await store.head(path)
  }
}
