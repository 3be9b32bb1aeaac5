import { isProblem } from '../contract/problem.ts'
import type { ObjectStore } from './object-store.ts'

/** Puts what follows from its path: one that is there already is as good. */
export async function putOnce(store: ObjectStore, path: string, body: Uint8Array): Promise<void> {
  try {
    await store.put(path, body, { ifAbsent: true })
  } catch (error) {
    if (!isProblem(error, 'conflict')) throw error
  }
}
