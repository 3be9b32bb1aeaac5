import { assert } from '../contract/problem.ts'
import type { AddFile } from '../lake/action.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { scanSql } from '../lake/scan.ts'
import { literal } from '../lake/schema.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import { decodeStatistics } from '../lake/statistics.ts'
import type { MetricInput } from './metric.ts'

/** A span of hours, [from_ms, to_ms). */
export type Span = { readonly from_ms: number; readonly to_ms: number }

/** The column by which an input's rows belong to an hour. */
export function timeColumn({ table, reach }: MetricInput): string | undefined {
  if (reach === 'validity') return undefined
  if (table !== 'events') return 'hour'
  return reach === 'issued' ? 'issued_time' : 'event_time'
}

/**
 * A SELECT of the rows of a pinned table in a span of hours, from only the files that can hold any.
 * A cell's file of a metric names its bucket in its rows, an events file in its partition.
 */
export function inputSql(
  store: ObjectStore,
  prefix: string,
  snapshot: Snapshot,
  input: MetricInput,
  span: Span,
  only: string,
): string {
  const column = timeColumn(input)
  const files = [...snapshot.files.values()].filter((add) => column === undefined || mayHold(add, column, span))
  const scan = scanSql(
    snapshot,
    files.map((add) => ({ add, path: localPath(store, `${prefix}/${add.path}`) })),
  )
  const [from, to] = [timestampSql(span.from_ms), timestampSql(span.to_ms)]
  const within = column === undefined ? 'TRUE' : `${column} >= ${from} AND ${column} < ${to}`
  return `SELECT * FROM (${scan}) input WHERE ${within} AND (${only})`
}

export function timestampSql(ms: number): string {
  return `CAST(${literal(new Date(ms).toISOString())} AS TIMESTAMPTZ)`
}

export function localPath(store: ObjectStore, path: string): string {
  assert(store.localPath, `the in-process runner reads local files; ${store.url} has none`)
  return store.localPath(path)
}

function mayHold(add: AddFile, column: string, span: Span): boolean {
  const statistics = decodeStatistics(add.stats)
  const [min, max] = [statistics?.minValues[column], statistics?.maxValues[column]]
  if (statistics && statistics.numRecords === statistics.nullCount[column]) return false
  if (typeof min !== 'string' || typeof max !== 'string') return true
  return Date.parse(min) < span.to_ms && Date.parse(max) >= span.from_ms
}
