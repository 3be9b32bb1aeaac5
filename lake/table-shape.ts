import type { AddFile } from './action.ts'
import { UNIT_TAG } from './conflict.ts'
import type { Snapshot } from './snapshot.ts'
import { decodeStatistics } from './statistics.ts'

/** A data file below this costs a reader about as much as one of this size: many of them are to be joined. */
export const SMALL_FILE_BYTES = 16 * 1024 * 1024
/** Small files of one partition that compaction is to keep it below. */
export const PARTITION_SMALL_FILES_MAX = 128

/** What the live files of a table look like, from its log alone. */
export type TableShape = {
  readonly files: number
  readonly bytes: number
  /** Files below SMALL_FILE_BYTES; those that stand for a unit of work are small by design and not counted. */
  readonly small_files: number
  /** Small files of the partition that has most of them. */
  readonly fullest_partition: number
}

export function shapeOf({ files }: Pick<Snapshot, 'files'>): TableShape {
  const partitions = new Map<string, number>()
  let bytes = 0
  let small_files = 0
  for (const { size, tags, partitionValues } of files.values()) {
    bytes += size
    if (size >= SMALL_FILE_BYTES || tags?.[UNIT_TAG] !== undefined) continue
    small_files++
    const partition = JSON.stringify(partitionValues)
    partitions.set(partition, (partitions.get(partition) ?? 0) + 1)
  }
  return { files: files.size, bytes, small_files, fullest_partition: Math.max(0, ...partitions.values()) }
}

/** Rows of these files by their statistics; a file of another engine without any counts as none. */
export function rowsIn(files: Iterable<AddFile>): number {
  let rows = 0
  for (const { stats } of files) rows += decodeStatistics(stats)?.numRecords ?? 0
  return rows
}
