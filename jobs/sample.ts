import type { DuckDBConnection } from '@duckdb/node-api'
import { z } from 'zod'
import { bucketOf } from '../contract/bucket.ts'
import { type Clock, type Random, uuid } from '../contract/clock.ts'
import { EVENTS_COLUMNS, EVENTS_SORT, EVENTS_TABLE } from '../contract/events-table.ts'
import { touchedOf, touchedSql } from '../contract/touched.ts'
import type { AddFile } from '../lake/action.ts'
import { rowsOf } from '../lake/duckdb.ts'
import { createLake, type Lake } from '../lake/lake.ts'
import type { LocalFiles } from '../lake/local-files.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { scanSql } from '../lake/scan.ts'
import { identifier, literal } from '../lake/schema.ts'
import { writeFile } from '../lake/write.ts'
import { DAY_MS } from './day.ts'
import { SAMPLE_HUBS } from './limits.ts'

const BUCKETS = 2

export type SampleOptions = {
  readonly clock: Clock
  readonly random: Random
  readonly scratch_folder: string
  readonly connection: DuckDBConnection
  readonly signal?: AbortSignal | undefined
}

/** Events of some hubs in the two newest days of a lake, in a table `sample` of the connection. */
export type Sample = { readonly hubs: readonly string[]; readonly rows: number }

const hubRows = z.array(z.object({ hub_id: z.string() }))

/** Takes a sample of a lake's events into `sample`; without rows where there are none. */
export async function takeSample(lake: Lake, local: LocalFiles, options: SampleOptions): Promise<Sample> {
  const { connection, signal } = options
  const events = await lake.table(EVENTS_TABLE)
  const snapshot = await events.snapshot()
  const dateOf = (add: AddFile) => add.partitionValues['event_date'] ?? ''
  const newest = Math.max(...[...snapshot.files.values()].map((add) => Date.parse(dateOf(add))))
  const recent = [...snapshot.files.values()].filter((add) => Date.parse(dateOf(add)) >= newest - DAY_MS)
  await using held = await local.hold(events.prefix, recent, signal)
  const all = scanSql(snapshot, held.files)
  const hubs = hubRows.parse(
    await rowsOf(
      connection,
      `SELECT hub_id FROM (${all}) e WHERE hub_id IS NOT NULL GROUP BY hub_id ORDER BY COUNT(*) DESC LIMIT ${SAMPLE_HUBS}`,
    ),
  )
  const names = hubs.map(({ hub_id }) => hub_id)
  const buckets = names.map((hub) => `(${literal(hub)}, ${bucketOf(hub, BUCKETS)})`)
  const columns = EVENTS_COLUMNS.map(({ name }) => `e.${identifier(name)}`).join(', ')
  const which =
    buckets.length === 0
      ? "(SELECT '' AS hub_id, 0 AS of WHERE FALSE) b"
      : `(VALUES ${buckets.join(', ')}) b(hub_id, of)`
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE sample AS SELECT ${columns}, CAST(e.event_time AS DATE) AS event_date, b.of AS bucket
     FROM (${all}) e JOIN ${which} ON b.hub_id = e.hub_id`,
  )
  const [{ rows } = { rows: 0 }] = z
    .array(z.object({ rows: z.coerce.number() }))
    .parse(await rowsOf(connection, 'SELECT COUNT(*) AS rows FROM sample'))
  return { hubs: names, rows }
}

/** A lake of its own, without events. */
export function sampleLake(store: ObjectStore, { clock, random }: SampleOptions): Promise<Lake> {
  return createLake({ store, clock, random, fleet: 'sample', region: 'local', buckets: BUCKETS })
}

/** Commits the rows of `sample` that meet a condition, as ingest would. */
export async function commitSample(lake: Lake, where: string, options: SampleOptions): Promise<void> {
  const { connection, ...parts } = options
  const events = await lake.table(EVENTS_TABLE)
  const base = await events.snapshot()
  const adds: AddFile[] = []
  const cells = z
    .array(z.object({ event_date: z.string(), bucket: z.coerce.number() }))
    .parse(
      await rowsOf(
        connection,
        `SELECT DISTINCT CAST(event_date AS VARCHAR) AS event_date, bucket FROM sample WHERE ${where} ORDER BY ALL`,
      ),
    )
  for (const { event_date, bucket } of cells) {
    const select = `SELECT * FROM sample WHERE ${where} AND event_date = DATE ${literal(event_date)} AND bucket = ${bucket}`
    const file = {
      select,
      prefix: events.prefix,
      columns: EVENTS_COLUMNS,
      sort: EVENTS_SORT,
      configuration: base.configuration,
    }
    const partitionValues = { event_date, bucket: String(bucket) }
    adds.push(await writeFile({ ...parts, ...file, connection, partitionValues, store: lake.store }))
  }
  const touched = touchedOf(await rowsOf(connection, touchedSql(`SELECT * FROM sample WHERE ${where}`)))
  await events.commit({ id: uuid(parts.random), kind: 'ingest', base, adds, removes: [], txns: [], info: { touched } })
}
