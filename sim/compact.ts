import { type Random, randomHex, uuid } from '../contract/clock.ts'
import { removeOf } from '../lake/action.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import type { Table } from '../lake/table.ts'
import { addOf, decodeRows } from './row-encoder.ts'

const FILES_MIN = 3
const FILES_MAX = 6

/** Joins some files of one (date, bucket) into one: rows move, and none is changed. */
export async function compact({
  store,
  table,
  random,
}: {
  readonly store: ObjectStore
  readonly table: Table
  readonly random: Random
}): Promise<void> {
  const base = await table.snapshot()
  const groups = Map.groupBy(base.files.values(), ({ path }) => path.slice(0, path.lastIndexOf('/')))
  const full = [...groups].filter(([, files]) => files.length >= FILES_MIN)
  const [folder, files = []] = full[Math.floor(random.float() * full.length)] ?? []
  if (folder === undefined) return
  const inputs = files.slice(0, FILES_MAX)
  const rows = []
  for (const { path } of inputs) rows.push(...decodeRows(await store.get(`events/${path}`)))
  const add = await addOf(store, `${folder}/${randomHex(random, 8)}.parquet`, rows)
  await table.commit({
    id: uuid(random),
    kind: 'compact',
    base,
    adds: [{ ...add, dataChange: false }],
    removes: inputs.map((input) => removeOf(input, { dataChange: false })),
    txns: [],
    info: {},
  })
}
