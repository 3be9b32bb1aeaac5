import type { Layout } from '../contract/bucket.ts'
import { loadRanges, putRanges } from '../ingest/ranges-store.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import type { Table } from '../lake/table.ts'

/** A log entry stays for at least so long, by the store's clock. */
const LOG_RETENTION_MS = 6_000
const FOLDER = 'events/_delta_log'

/** Deletes old entries below a checkpoint, oldest first, once the ranges can be known without them. */
export async function cleanLog({
  store,
  table,
  layout,
}: {
  readonly store: ObjectStore
  readonly table: Table
  readonly layout: Layout
}): Promise<void> {
  const found = []
  for await (const { path, modified_ms } of store.list(FOLDER)) {
    const match = /(\d{20})\.(json|checkpoint\.parquet)$/.exec(path)
    if (match) found.push({ path, modified_ms, version: Number(match[1]), isEntry: match[2] === 'json' })
  }
  const entries = found.filter(({ isEntry }) => isEntry)
  const newest_ms = Math.max(...entries.map(({ modified_ms }) => modified_ms))
  const old = new Set(
    entries.filter(({ modified_ms }) => modified_ms <= newest_ms - LOG_RETENTION_MS).map(({ version }) => version),
  )
  const through = found.findLast(({ isEntry, version }) => !isEntry && old.has(version))?.version
  const doomed = found.filter(({ version }) => through !== undefined && version < through)
  if (through === undefined || doomed.length === 0) return
  const buckets = Array.from({ length: layout.buckets }, (_, bucket) => bucket)
  for (const [bucket, { ranges, snapshot_version }] of await loadRanges({ store, table, layout }, buckets, through)) {
    if (snapshot_version < through) await putRanges(store, layout, bucket, through, ranges)
  }
  for (const { path } of doomed) await store.delete(path)
}
