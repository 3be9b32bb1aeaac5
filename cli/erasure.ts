import type { DuckDBConnection } from '@duckdb/node-api'
import type { Clock, Random } from '../contract/clock.ts'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import { assert } from '../contract/problem.ts'
import type { Touched } from '../contract/touched.ts'
import { markErased } from '../ingest/erase.ts'
import { type ErasedHub, erasedHubs } from '../ingest/erased-hubs.ts'
import { erasedEvents } from '../ingest/erased-rows.ts'
import { sourceKey } from '../ingest/ranges-form.ts'
import { rangesKey } from '../ingest/ranges-store.ts'
import { rangesWithout, touchedBy } from '../ingest/taken-rows.ts'
import { catalogue } from '../jobs/catalogue.ts'
import { rowsOf } from '../lake/duckdb.ts'
import type { Lake } from '../lake/lake.ts'
import { type Removal, type RemovalOptions, removeRows } from '../lake/removal.ts'
import { openRowRemover, type RowRemoverOptions } from '../lake/row-remover.ts'
import { literal } from '../lake/schema.ts'
import type { Table } from '../lake/table.ts'
import { ownTables } from './upkeep.ts'

export type ErasureOptions = Pick<RemovalOptions, 'dry_run' | 'signal'> & {
  readonly lake: Lake
  readonly clock: Clock
  readonly random: Random
  readonly scratch_folder: string
  readonly hub: string
  /** Up to which generation of its enrolment. */
  readonly generation: number
  progress?(table: string, done: number, total: number): void
}

export type ErasedTable = Removal & { readonly table: string }

/**
 * Erases a hub from the tables (docs/decisions/036). Its mark on `events` first: no ingest commit after it holds the hub.
 * Then its rows, of `events` and of each metric in order of calculation: a metric gets the mark too, so that a run which
 * read its inputs before they were clean is planned anew. Killed anywhere it is begun again and finishes.
 */
export async function erase(options: ErasureOptions): Promise<readonly ErasedTable[]> {
  const { lake, random, hub, generation, dry_run } = options
  const key = await rangesKey(lake.store, random)
  const source = sourceKey(key, hub)
  const layout = lake.layouts.at(-1)
  assert(layout, 'a lake has a layout')
  const done: ErasedTable[] = []
  for (const table of await tablesOfHubs(lake)) {
    if (!dry_run) await markErased(table, source, generation, random)
    const where = erasedRows(await columnsOf(table), hub, await markOf(lake, source, generation))
    assert(where !== undefined, `${table.name} can hold a hub`)
    const told: RowRemoverOptions['told'] = async (connection, taken) => {
      if (table.name !== EVENTS_TABLE) return { touched: await touchedHours(connection, taken, table) }
      const ranges = await rangesWithout({ store: lake.store, layout, key }, connection, taken)
      return { touched: await touchedBy(connection, taken), ranges }
    }
    const common = { ...options, store: lake.store, table }
    const removal = await removeRows({
      ...{ ...common, kind: 'erase', may: () => true },
      openRemover: () => openRowRemover({ ...common, where, told }),
      progress: (some, total) => options.progress?.(table.name, some, total),
    })
    // Names are in the statistics of older entries: clean-up passes those that a checkpoint covers.
    if (!dry_run) await table.checkpoint()
    done.push({ table: table.name, ...removal })
  }
  return done
}

/** The mark of a hub as `events` has it, or as it will be. */
export async function markOf(lake: Lake, source: string, generation: number): Promise<ErasedHub> {
  const snapshot = await (await lake.table(EVENTS_TABLE)).snapshot()
  return erasedHubs(snapshot).get(source) ?? { generation, since_ms: undefined }
}

/**
 * The tables that Hearth made and that can hold a hub: events, then the metrics in the order in which they are calculated,
 * then those whose reasons may quote one.
 */
export async function tablesOfHubs(lake: Lake): Promise<readonly Table[]> {
  const order = [EVENTS_TABLE, ...catalogue().map(({ name }) => name)]
  const tables: Table[] = []
  for (const name of await ownTables(lake)) {
    const table = await lake.table(name)
    if (erasedRows(await columnsOf(table), '', { generation: 0, since_ms: undefined })) tables.push(table)
  }
  const place = ({ name }: Table) => (order.includes(name) ? order.indexOf(name) : order.length)
  return tables.sort((a, b) => place(a) - place(b))
}

async function columnsOf(table: Table): Promise<ReadonlySet<string>> {
  return new Set((await table.snapshot()).columns.map(({ name }) => name))
}

/**
 * SQL condition of the rows of a table that are a hub's, by the columns that it has, up to a generation; of hours, those
 * before it was enrolled anew. undefined for a table that holds none.
 */
export function erasedRows(columns: ReadonlySet<string>, hub: string, mark: ErasedHub): string | undefined {
  if (columns.has('hub_id') && columns.has('source_id')) return erasedEvents(hub, mark)
  // A check that fails quotes the rows that it failed for, wherever it was calculated.
  if (!columns.has('hub_id')) {
    const quoting = ['reason', 'failures'].filter((name) => columns.has(name))
    const quotes = quoting.map((name) => `COALESCE(contains(${name}, ${literal(`"${hub}"`)}), FALSE)`)
    return quotes.length > 0 ? quotes.join(' OR ') : undefined
  }
  const mine = `hub_id = ${literal(hub)}`
  if (columns.has('generation')) return `${mine} AND generation <= ${mark.generation}`
  if (mark.since_ms === undefined || !columns.has('hour')) return mine
  return `${mine} AND epoch_ms(hour) < ${Math.floor(mark.since_ms / 3_600_000) * 3_600_000}`
}

/** What metrics that read this one are to make anew. */
async function touchedHours(connection: DuckDBConnection, taken: string, table: Table): Promise<Touched> {
  const columns = await columnsOf(table)
  const pairs = async (select: string) =>
    (await rowsOf(connection, `SELECT ${select} FROM (${taken}) GROUP BY ALL ORDER BY ALL`)).map(
      ({ a, b }): [number, number] => [Number(a), Number(b)],
    )
  if (columns.has('hour')) return { hours: await pairs('epoch_ms(hour) AS a, bucket AS b'), issued: [], registry: [] }
  if (!columns.has('valid_from')) return { hours: [], issued: [], registry: [] }
  return { hours: [], issued: [], registry: await pairs('bucket AS a, min(epoch_ms(valid_from)) AS b') }
}
