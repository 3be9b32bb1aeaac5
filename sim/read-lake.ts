import type { Layout } from '../contract/bucket.ts'
import type { Random } from '../contract/clock.ts'
import { positionTxn } from '../ingest/position.ts'
import type { Ranges } from '../ingest/ranges.ts'
import { sourceKey } from '../ingest/ranges-form.ts'
import { loadRanges, rangesKey } from '../ingest/ranges-store.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import type { Table } from '../lake/table.ts'
import type { Evidence } from './evidence.ts'
import type { IngestNode } from './ingest-node.ts'
import { decodeRows, type Row } from './row-encoder.ts'

export type OpenLake = {
  readonly store: ObjectStore
  readonly table: Table
  readonly layout: Layout
  /** Files that were read before, by path. */
  readonly files: Map<string, readonly Row[]>
}

/** The rows of the newest version, or of an older one. */
export async function rowsAt({ store, table, files }: OpenLake, version?: number): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (const path of (await table.snapshot({ version })).files.keys()) {
    const found = files.get(path) ?? decodeRows(await store.get(`events/${path}`))
    files.set(path, found)
    rows.push(...found)
  }
  return rows
}

/** What the table, the ranges and the log say when all has come to rest. */
export async function readLake(
  lake: OpenLake,
  random: Random,
  ingest: IngestNode,
): Promise<Pick<Evidence, 'rows' | 'ranges' | 'snapshots' | 'positions' | 'log' | 'sourceKey'>> {
  const { store, table, layout } = lake
  const snapshot = await table.snapshot()
  const buckets = Array.from({ length: layout.buckets }, (_, bucket) => bucket)
  const rangesAt = async (bucket: number, version: number): Promise<Ranges> =>
    (await loadRanges({ store, table, layout }, [bucket], version)).get(bucket)?.ranges ?? new Map()
  const ranges = new Map<number, Ranges>()
  const snapshots: Evidence['snapshots'][number][] = []
  for (const bucket of buckets) {
    ranges.set(bucket, await rangesAt(bucket, snapshot.version))
    for await (const { path } of store.list(`_hearth/ranges/${layout.epoch}/${bucket}/`)) {
      const version = Number(path.slice(path.lastIndexOf('/') + 1))
      const rows = version > snapshot.version ? [] : await rowsAt(lake, version)
      const mine = rows.filter((row) => row.bucket === bucket)
      snapshots.push({ version, ranges: await rangesAt(bucket, version), rows: mine })
    }
  }
  const key = await rangesKey(store, random)
  const names = new Map<string, string>()
  return {
    rows: await rowsAt(lake),
    ranges,
    snapshots,
    log: ingest.log.everything,
    positions: buckets.map((bucket) => snapshot.txns.get(positionTxn(ingest.log.id, layout, bucket)) ?? 0),
    sourceKey: (source) => {
      const name = names.get(source) ?? sourceKey(key, source)
      names.set(source, name)
      return name
    },
  }
}
