import { type Random, randomHex } from '../contract/clock.ts'
import type { Column } from '../contract/column.ts'
import { Problem } from '../contract/problem.ts'
import type { AddFile, PartitionValues, Tags } from './action.ts'
import { statisticsOf, type WrittenColumn, withStatistics } from './statistics.ts'

/** A new random name below the folder of its partition. Raises `invalid` for a value that would need escaping. */
export function dataFileName(partitionValues: PartitionValues, random: Random): string {
  return `${partitionFolder(partitionValues)}part-${randomHex(random, 16)}.parquet`
}

/** The action that adds a data file which has been put. */
export function addOf(file: {
  readonly name: string
  readonly size_bytes: number
  readonly rows: number
  /** Columns of the file: those of the table without those of the partition. */
  readonly columns: readonly Column[]
  readonly written: ReadonlyMap<string, WrittenColumn>
  /** Of the table: which columns statistics are kept for. */
  readonly configuration: Readonly<Record<string, string>>
  readonly partitionValues: PartitionValues
  readonly tags?: Tags
  readonly now_ms: number
}): AddFile {
  const kept = withStatistics(file.columns, file.configuration)
  return {
    path: file.name,
    partitionValues: file.partitionValues,
    size: file.size_bytes,
    modificationTime: file.now_ms,
    dataChange: true,
    stats: JSON.stringify(statisticsOf(file.rows, kept, file.written)),
    ...(file.tags && { tags: file.tags }),
  }
}

const PLAIN_VALUE = /^[A-Za-z0-9._-]+$/

/** `event_date=2026-11-24/bucket=3/`. Raises `invalid` for a value that would need escaping. */
function partitionFolder(values: PartitionValues): string {
  return Object.entries(values)
    .map(([name, value]) => {
      if (value !== null && !PLAIN_VALUE.test(value)) {
        throw new Problem(
          'invalid',
          `a partition value is a date or a number; found ${name} = ${JSON.stringify(value)}`,
        )
      }
      return `${name}=${value ?? '__HIVE_DEFAULT_PARTITION__'}/`
    })
    .join('')
}
