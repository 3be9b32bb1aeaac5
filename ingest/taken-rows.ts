import type { DuckDBConnection } from '@duckdb/node-api'
import type { Layout } from '../contract/bucket.ts'
import { add, type IntervalSet } from '../contract/interval.ts'
import { type Touched, touchedOf, touchedSql } from '../contract/touched.ts'
import { rowsOf } from '../lake/duckdb.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { type Addition, streamKey } from './ranges.ts'
import { sourceKey } from './ranges-form.ts'
import { commitRanges } from './ranges-store.ts'
import { textIn } from './row.ts'

/**
 * What a commit that takes rows of the events table away says in its ranges: which numbers are gone, so that they are
 * known as taken and not missing. `taken` is a SELECT of these rows.
 */
export async function rangesWithout(
  options: { readonly store: ObjectStore; readonly layout: Layout; readonly key: Uint8Array },
  connection: DuckDBConnection,
  taken: string,
): Promise<unknown> {
  const gone = new Map<number, Map<string, Addition>>()
  for (const row of await rowsOf(connection, goneSql(taken))) {
    const bucket = Number(row['bucket'])
    const [boot, stream] = [textIn(row, 'boot_id') ?? '', textIn(row, 'stream') ?? '']
    const source = sourceKey(options.key, textIn(row, 'source_id') ?? '')
    const ofBucket = gone.get(bucket) ?? new Map<string, Addition>()
    gone.set(bucket, ofBucket)
    const name = `${streamKey(source, stream)} ${boot}`
    const before: IntervalSet = ofBucket.get(name)?.gone ?? []
    ofBucket.set(name, {
      ...{ source, stream, boot, stored: [], dead: [], dropped: [], next: 0, acked: 0, closed: false, heard_ms: 0 },
      gone: add(before, Number(row['low']), Number(row['high']) + 1),
    })
  }
  const additions = new Map([...gone].map(([bucket, list]) => [bucket, [...list.values()]]))
  return await commitRanges(options.store, options.layout.epoch, additions)
}

/** Numbers as ranges, found by their distance from their rank; a batch that was refused whole is one row for all of its. */
function goneSql(taken: string): string {
  return `WITH taken AS (${taken}), numbers AS (
    SELECT DISTINCT bucket, source_id, boot_id, stream, seq FROM taken WHERE kind <> 'batch' AND seq IS NOT NULL
  ), islands AS (
    SELECT *, seq - row_number() OVER (PARTITION BY bucket, source_id, boot_id, stream ORDER BY seq) AS island FROM numbers
  )
  SELECT bucket, source_id, boot_id, stream, min(seq) AS low, max(seq) AS high FROM islands
  GROUP BY bucket, source_id, boot_id, stream, island
  UNION ALL
  SELECT bucket, source_id, boot_id, stream, batch_first, batch_first + batch_count - 1 FROM taken
  WHERE kind = 'dead' AND ordinal = -1 AND boot_id IS NOT NULL AND batch_count > 0
  ORDER BY ALL`
}

/** Nothing: what is taken away for its age is never calculated anew. */
export const TOUCHED_NOTHING: Touched = { hours: [], issued: [], registry: [] }

/** The hours that rows of the events table were in. */
export async function touchedBy(connection: DuckDBConnection, taken: string): Promise<Touched> {
  return touchedOf(await rowsOf(connection, touchedSql(taken)))
}
