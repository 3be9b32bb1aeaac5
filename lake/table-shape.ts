import type { AddFile } from './action.ts'
import { UNIT_TAG } from './conflict.ts'
import { COMPACT_FILE_MIN_BYTES } from './limits.ts'
import type { Snapshot } from './snapshot.ts'
import { decodeStatistics } from './statistics.ts'

/** What the live files of a table look like, from its log alone. */
export type TableShape = {
  readonly files: number
  readonly bytes: number
  /** Files below COMPACT_FILE_MIN_BYTES; those that stand for a unit of work are small by design and not counted. */
  readonly small_files: number
  /** Small files of the partition that has most of them: what PARTITION_FILES_MAX is about. */
  readonly fullest_partition: number
}

export function shapeOf({ files }: Pick<Snapshot, 'files'>): TableShape {
  const partitions = new Map<string, number>()
  let bytes = 0
  let small_files = 0
  for (const { size, tags, partitionValues } of files.values()) {
    bytes += size
    if (size >= COMPACT_FILE_MIN_BYTES || tags?.[UNIT_TAG] !== undefined) continue
    small_files++
    const partition = JSON.stringify(partitionValues)
    partitions.set(partition, (partitions.get(partition) ?? 0) + 1)
  }
  return {
    files: files.size,
    bytes,
    small_files,
    fullest_partition: [...partitions.values()].reduce((most, count) => Math.max(most, count), 0),
  }
}

/** Rows of these files by their statistics; a file of another engine without any counts as none. */
export function rowsIn(files: Iterable<AddFile>): number {
  let rows = 0
  for (const { stats } of files) rows += decodeStatistics(stats)?.numRecords ?? 0
  return rows
}
