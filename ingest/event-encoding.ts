import type { Column } from '../contract/column.ts'
import { EVENTS_COLUMNS } from '../contract/events-table.ts'
import { ROW_GROUP_ROWS } from '../lake/limits.ts'
import { type ChunkEncoder, openChunkEncoder } from '../lake/parquet-chunk.ts'
import { openParquetFile } from '../lake/parquet-file.ts'
import type { PromotedColumn } from '../lake/promoted.ts'
import type { WrittenColumn } from '../lake/statistics.ts'
import type { Encoded } from './encoder.ts'
import type { EventAttempt } from './event-attempt.ts'
import { openEventOrder } from './event-order.ts'
import type { Partition } from './event-partitions.ts'
import { type PlanOptions, planEvents } from './event-plan.ts'
import { openEventValues } from './event-values.ts'

/** The rows of a (bucket, date) as a Parquet file. */
export type EventFile = {
  readonly bucket: number
  readonly date: string
  readonly rows: number
  readonly bytes: Buffer
  readonly written: ReadonlyMap<string, WrittenColumn>
}

export type EncodedEvents = Omit<Encoded, 'files'> & { readonly files: readonly EventFile[] }

export type EncodingOptions = PlanOptions & {
  readonly log_id: string
  readonly promoted: readonly PromotedColumn[]
}

/** Makes files of the rows of one attempt after the other, in memory that is used again. Pure but for zstd, which works in other threads. */
export function openEventEncoding(): (attempt: EventAttempt, options: EncodingOptions) => Promise<EncodedEvents> {
  let chunks = openChunkEncoder()
  return async (attempt, options) => {
    const { partitions, ...plan } = planEvents(attempt, options)
    try {
      return { ...plan, files: await filesOf(attempt, chunks, partitions, options) }
    } catch (error) {
      // What it was in the midst of is in its memory.
      chunks = openChunkEncoder()
      throw error
    }
  }
}

async function filesOf(
  attempt: EventAttempt,
  chunks: ChunkEncoder,
  partitions: readonly Partition[],
  { log_id, promoted }: EncodingOptions,
): Promise<readonly EventFile[]> {
  const columns: readonly Column[] = [...EVENTS_COLUMNS, ...promoted]
  const groupOf = openEventValues(attempt.rows, attempt.values, log_id, promoted)
  const words = attempt.rows.words.list()
  const sort = openEventOrder(attempt, words)
  const files: EventFile[] = []
  for (const { bucket, date, rows } of partitions) {
    sort(rows)
    const file = openParquetFile(columns, words, chunks)
    for (let from = 0; from < rows.length; from += ROW_GROUP_ROWS) {
      const group = rows.subarray(from, from + ROW_GROUP_ROWS)
      await file.add(group.length, groupOf(group))
    }
    files.push({ bucket, date, ...file.finish() })
  }
  return files
}
