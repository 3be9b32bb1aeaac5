import { EVENTS_TABLE } from '../contract/events-table.ts'
import { ingestInfoOf } from '../contract/ingest-info.ts'
import type { AddFile } from '../lake/action.ts'
import type { Lake } from '../lake/lake.ts'
import { openLog } from '../lake/log.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import { decodeStatistics } from '../lake/statistics.ts'
import type { Table, Version } from '../lake/table.ts'
import { rowsIn, shapeOf } from '../lake/table-shape.ts'
import type { TableLook, VersionLook } from './lake-api.ts'
import { UPKEEP_VERSIONS } from './limits.ts'
import { SIZE_BINS } from './size-bins.ts'

/** What the tables of a lake look like, from their logs alone: no data file is read. */
export type LakeLook = {
  tables(): Promise<readonly TableLook[]>
  /** Newest first. Raises `missing` for a table that is not there. */
  versions(table: string, limit: number): Promise<readonly VersionLook[]>
}

export function openLakeLook(lake: Lake): LakeLook {
  // What nobody has committed to is not looked at again.
  const looks = new WeakMap<Snapshot, TableLook>()

  async function look(name: string): Promise<TableLook> {
    const table = await lake.table(name)
    const snapshot = await table.snapshot()
    const known = looks.get(snapshot)
    if (known) return known
    const { version, timestamp_ms, files } = snapshot
    const made: TableLook = {
      ...{ name, version, committed_ms: timestamp_ms, rows: rowsIn(files.values()), ...shapeOf(snapshot) },
      sizes: sizesOf(files.values()),
      upkeep: await upkeepOf(table, snapshot),
      buckets: name === EVENTS_TABLE ? bucketsOf(snapshot, lake) : [],
    }
    looks.set(snapshot, made)
    return made
  }

  /** The newest versions that the log still has, ascending. */
  async function newest(table: Table, { version }: Snapshot, limit: number): Promise<readonly Version[]> {
    const { entries } = await openLog(lake.store, table.prefix).list(Math.max(0, version + 1 - limit))
    return await Array.fromAsync(table.history(entries[0] ?? version))
  }

  async function upkeepOf(table: Table, snapshot: Snapshot): Promise<TableLook['upkeep']> {
    const versions = await newest(table, snapshot, UPKEEP_VERSIONS)
    const last = (kind: string) => versions.findLast(({ info }) => info?.kind === kind)?.timestamp_ms ?? null
    return {
      ...{ looked_versions: versions.length, compacted_ms: last('compact'), vacuumed_ms: last('floor') },
      floor: snapshot.txns.get('vacuum') ?? null,
    }
  }

  return {
    tables: async () => {
      const made: TableLook[] = []
      for (const name of await lake.tables()) made.push(await look(name))
      return made
    },
    async versions(name, limit) {
      const table = await lake.table(name)
      return (await newest(table, await table.snapshot(), limit)).map(versionLook).toReversed()
    },
  }
}

function versionLook({ version, timestamp_ms, info, operation, adds, removes }: Version): VersionLook {
  const taken = Object.values(ingestInfoOf(info)?.buckets ?? {})
  const total = (field: 'batches' | 'duplicates') =>
    taken.length === 0 ? null : taken.reduce((sum, bucket) => sum + bucket[field], 0)
  return {
    ...{ version, time_ms: timestamp_ms, kind: info?.kind ?? operation ?? 'unknown' },
    ...{ added: adds.length, removed: removes.length, rows: rowsIn(adds) },
    bytes: adds.reduce((sum, { size }) => sum + size, 0),
    ...{ batches: total('batches'), duplicates: total('duplicates') },
  }
}

function sizesOf(files: Iterable<AddFile>): number[] {
  const counts = [...SIZE_BINS, 0].map(() => 0)
  for (const { size } of files) {
    const bin = SIZE_BINS.findIndex((end) => size < end)
    const index = bin < 0 ? SIZE_BINS.length : bin
    counts[index] = (counts[index] ?? 0) + 1
  }
  return counts
}

function bucketsOf({ files }: Snapshot, { layouts }: Lake): TableLook['buckets'] {
  type Bucket = { bucket: number; rows: number; bytes: number; files: number; newest_ms: number | null }
  const looks = Array.from({ length: layouts.at(-1)?.buckets ?? 0 }, (_, bucket): Bucket => {
    return { bucket, rows: 0, bytes: 0, files: 0, newest_ms: null }
  })
  for (const { partitionValues, size, stats } of files.values()) {
    const look = looks[Number(partitionValues['bucket'])]
    if (!look) continue
    const { numRecords = 0, maxValues = {} } = decodeStatistics(stats) ?? {}
    const newest_ms = Date.parse(String(maxValues['received_time']))
    look.rows += numRecords
    look.bytes += size
    look.files++
    if (newest_ms > (look.newest_ms ?? 0)) look.newest_ms = newest_ms
  }
  return looks
}
