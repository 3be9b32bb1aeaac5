import { isProblem } from '../contract/problem.ts'
import type { CommitRequest } from './commit.ts'
import type { ObjectStore } from './object-store.ts'
import type { Table } from './table.ts'

/**
 * Commits files that were written in place of others; false when others were first. What is certainly not committed does not
 * wait for vacuum: the next look would upload it again.
 */
export async function commitRewritten(store: ObjectStore, table: Table, request: CommitRequest): Promise<boolean> {
  const takeBack = async () => {
    for (const { path } of request.adds) await store.delete(`${table.prefix}/${path}`)
  }
  try {
    const outcome = await table.commit(request)
    if (outcome.kind !== 'committed') await takeBack()
    return outcome.kind === 'committed'
  } catch (error) {
    if (isProblem(error) && error.outcome === 'did-not-happen') await takeBack()
    throw error
  }
}
