import { type Random, uuid } from '../contract/clock.ts'
import { entryPath } from '../lake/log.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import type { Table } from '../lake/table.ts'

/** A file is kept for so long after it left the table, and one that never entered it after its upload, by the store's clock. */
export const VACUUM_RETENTION_MS = 5_000
const APP_ID = 'vacuum'

/**
 * Deletes what no reader needs: first a floor is committed, after which nothing that was uploaded before it can enter
 * the table (lake.md, "Vacuum against a sleeper").
 */
export async function vacuum({
  store,
  table,
  random,
}: {
  readonly store: ObjectStore
  readonly table: Table
  readonly random: Random
}): Promise<void> {
  const objects = []
  for await (const meta of store.list('events')) objects.push(meta)
  const base = await table.snapshot()
  const put_ms = new Map(objects.map(({ path, modified_ms }) => [path, modified_ms]))
  const stored_ms = (version: number) => put_ms.get(entryPath('events', version))
  const unused = objects.filter(
    ({ path }) => !path.startsWith('events/_delta_log/') && !base.files.has(path.slice('events/'.length)),
  )
  const old = (now_ms: number) => unused.filter(({ modified_ms }) => modified_ms < now_ms - VACUUM_RETENTION_MS)
  const newest_ms = Math.max(...put_ms.values())
  if (old(newest_ms).length === 0) return
  let floor = base.version
  while (floor > 0 && (stored_ms(floor) ?? newest_ms) > newest_ms - VACUUM_RETENTION_MS) floor--
  const outcome = await table.commit({
    id: uuid(random),
    kind: 'floor',
    base,
    adds: [],
    removes: [],
    txns: [{ appId: APP_ID, expected: base.txns.get(APP_ID), next: floor }],
    info: {},
  })
  if (outcome.kind !== 'committed') return
  const needed = new Set(outcome.snapshot.files.keys())
  for await (const { removes } of table.history(floor + 1)) for (const { path } of removes) needed.add(path)
  for (const { path } of old(newest_ms)) if (!needed.has(path.slice('events/'.length))) await store.delete(path)
}
