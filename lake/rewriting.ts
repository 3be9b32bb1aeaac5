import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Clock, Random } from '../contract/clock.ts'
import { EVENTS_SORT, EVENTS_TABLE } from '../contract/events-table.ts'
import { openDuckDb } from './duckdb.ts'
import { COMPACT_FETCHED_MAX_BYTES, COMPACT_MEMORY_LIMIT } from './limits.ts'
import { type LocalFiles, openLocalFiles } from './local-files.ts'
import type { ObjectStore } from './object-store.ts'
import type { Snapshot } from './snapshot.ts'
import type { Table } from './table.ts'

export type RewritingOptions = {
  readonly store: ObjectStore
  readonly table: Table
  readonly clock: Clock
  readonly random: Random
  /** Its own: for files on their way, and for what DuckDB spills. */
  readonly scratch_folder: string
}

/** What it takes to write files in place of others: DuckDB with bounded memory, and the files where it can read them. */
export type Rewriting = {
  readonly connection: DuckDBConnection
  readonly local: LocalFiles
  /** What `writeFile` is told of each file: that it is as the table has its files. */
  of(base: Snapshot): ReturnType<typeof shapeOf>
  [Symbol.asyncDispose](): Promise<void>
}

export async function openRewriting(options: RewritingOptions): Promise<Rewriting> {
  const { store, clock, scratch_folder } = options
  // What a killed one left behind.
  await rm(scratch_folder, { recursive: true, force: true })
  await mkdir(scratch_folder, { recursive: true })
  await using opened = new AsyncDisposableStack()
  const { connection } = opened.use(
    await openDuckDb({ threads: 1, memory_limit: COMPACT_MEMORY_LIMIT, temp_folder: scratch_folder }),
  )
  const cache = { folder: join(scratch_folder, 'fetched'), max_bytes: COMPACT_FETCHED_MAX_BYTES }
  const local = opened.use(await openLocalFiles(store, { cache, clock }))
  const kept = opened.move()
  return {
    ...{ connection, local },
    of: (base) => shapeOf(options, connection, base),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

function shapeOf(options: RewritingOptions, connection: DuckDBConnection, base: Snapshot) {
  const { store, table, clock, random, scratch_folder } = options
  return {
    ...{ connection, store, prefix: table.prefix, random, clock, scratch_folder },
    columns: base.columns.filter(({ name }) => !base.partition.includes(name)),
    configuration: base.configuration,
    sort: table.name === EVENTS_TABLE ? EVENTS_SORT : [],
  }
}
