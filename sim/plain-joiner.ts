import { type Clock, type Random, randomHex } from '../contract/clock.ts'
import { assert } from '../contract/problem.ts'
import type { FileJoiner } from '../lake/compact.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { addOf, decodeRows, type Row } from './row-encoder.ts'

/** Joins files of rows as lines of JSON, in place of DuckDB. */
export function plainJoiner(options: {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly random: Random
}): FileJoiner {
  const { store, clock, random } = options
  return {
    async join(_, { files, tags }) {
      const [first] = files
      assert(first, 'a group has files')
      const rows: Row[] = []
      for (const { path } of files) rows.push(...decodeRows(await store.get(`events/${path}`)))
      const folder = first.path.slice(0, first.path.lastIndexOf('/'))
      const add = await addOf(store, `${folder}/${randomHex(random, 8)}.parquet`, rows)
      return { ...add, tags, modificationTime: clock.now() }
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
}
