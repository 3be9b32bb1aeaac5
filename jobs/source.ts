import type { DuckDBConnection } from '@duckdb/node-api'
import type { Problem } from '../contract/problem.ts'
import type { AddFile } from '../lake/action.ts'
import { UNIT_TAG } from '../lake/conflict.ts'
import { damageIn } from '../lake/damage.ts'
import type { HeldTable, LocalFiles } from '../lake/local-files.ts'
import { promotedOf } from '../lake/promoted.ts'
import { scanSql } from '../lake/scan.ts'
import { identifier, literal } from '../lake/schema.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import { decodeStatistics } from '../lake/statistics.ts'
import type { MetricInput } from './metric.ts'
import { ALL } from './touched.ts'

/** A span of hours, [from_ms, to_ms). */
export type Span = { readonly from_ms: number; readonly to_ms: number }

/** The column by which an input's rows belong to an hour. */
export function timeColumn({ table, reach }: MetricInput): string | undefined {
  if (reach === 'validity') return undefined
  if (table !== 'events') return 'hour'
  return reach === 'issued' ? 'issued_time' : 'event_time'
}

/** Rows of tables as SELECTs, for as long as it is not disposed of: until then their files are on this machine. */
export type Source = {
  /**
   * A SELECT of the rows of a pinned table in a span of hours, from only the files that can hold any of these buckets.
   * A cell's file of a metric names its bucket in its rows, an events file in its partition.
   * Raises what fetching a file raises (lake/file-cache.ts), and the signal's reason.
   */
  select(
    table: { readonly prefix: string; readonly snapshot: Snapshot },
    input: MetricInput,
    span: Span,
    buckets: readonly number[],
    only: string,
  ): Promise<string>
  /** What is wrong with the first file of all these that cannot be read. */
  damage(connection: DuckDBConnection): Promise<Problem | undefined>
  [Symbol.asyncDispose](): Promise<void>
}

export function openSource(local: LocalFiles, signal?: AbortSignal): Source {
  const held: HeldTable[] = []
  return {
    async select({ prefix, snapshot }, input, span, buckets, only) {
      const column = timeColumn(input)
      const one = await local.hold(prefix, filesOf(snapshot, input, span, buckets), signal)
      held.push(one)
      const [from, to] = [timestampSql(span.from_ms), timestampSql(span.to_ms)]
      const within = column === undefined ? 'TRUE' : `${column} >= ${from} AND ${column} < ${to}`
      return `SELECT ${columnsOf(snapshot).map(identifier).join(', ')} FROM (${scanSql(snapshot, one.files)}) input WHERE ${within} AND (${only})`
    },
    damage: (connection) => damageIn(connection, held),
    async [Symbol.asyncDispose]() {
      for (const one of held.splice(0)) await one[Symbol.asyncDispose]()
    },
  }
}

/** Of all its rows, by its partition or its tag; ALL where neither says. */
export function bucketOfFile({ partitionValues, tags }: AddFile): number {
  return Number(partitionValues['bucket'] ?? tags?.[UNIT_TAG]?.split('/')[1] ?? ALL)
}

/** Files of a table that can hold rows of an input in a span, of any of these buckets. */
export function filesOf(
  { files }: Pick<Snapshot, 'files'>,
  input: MetricInput,
  span: Span,
  buckets: readonly number[],
): readonly AddFile[] {
  const column = timeColumn(input)
  const isOf = (add: AddFile) => {
    const bucket = bucketOfFile(add)
    return bucket === ALL || buckets.includes(ALL) || buckets.includes(bucket)
  }
  return [...files.values()].filter((add) => isOf(add) && (column === undefined || mayHold(add, column, span)))
}

/**
 * Promoted fields are in `extra` here, as all others are: a definition says what it reads, and a column that comes later
 * must not take the place of a name in it.
 */
export function columnsOf(snapshot: Snapshot): readonly string[] {
  const promoted = new Set(promotedOf(snapshot).map(({ name }) => name))
  return snapshot.columns.map(({ name }) => name).filter((name) => !promoted.has(name))
}

export function timestampSql(ms: number): string {
  return `CAST(${literal(new Date(ms).toISOString())} AS TIMESTAMPTZ)`
}

function mayHold(add: AddFile, column: string, span: Span): boolean {
  const statistics = decodeStatistics(add.stats)
  const [min, max] = [statistics?.minValues[column], statistics?.maxValues[column]]
  if (statistics && statistics.numRecords === statistics.nullCount[column]) return false
  if (typeof min !== 'string' || typeof max !== 'string') return true
  return Date.parse(min) < span.to_ms && Date.parse(max) >= span.from_ms
}
