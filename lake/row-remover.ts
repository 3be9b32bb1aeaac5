import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { z } from 'zod'
import type { Clock, Random } from '../contract/clock.ts'
import { EVENTS_SORT, EVENTS_TABLE } from '../contract/events-table.ts'
import type { AddFile } from './action.ts'
import { openDuckDb, problemOf, rowsOf } from './duckdb.ts'
import { COMPACT_FETCHED_MAX_BYTES, COMPACT_MEMORY_LIMIT } from './limits.ts'
import { openLocalFiles } from './local-files.ts'
import type { ObjectStore } from './object-store.ts'
import { promotedOf, promoteSql } from './promoted.ts'
import type { Hit, RowRemover } from './removal.ts'
import { scanSql } from './scan.ts'
import type { Table } from './table.ts'
import { rowsIn } from './table-shape.ts'
import { writeFile } from './write.ts'

export type RowRemoverOptions = {
  readonly store: ObjectStore
  readonly table: Table
  readonly clock: Clock
  readonly random: Random
  /** Its own: for files on their way, and for what DuckDB spills. */
  readonly scratch_folder: string
  /** SQL condition of the rows that go; undefined: all rows of the files, which are not read for it. */
  readonly where: string | undefined
  /** What the commit says of the rows that it takes away, which `taken` selects. */
  told(connection: DuckDBConnection, taken: string): Promise<Readonly<Record<string, unknown>>>
}

const counted = z.object({ rows: z.coerce.number(), left: z.coerce.number() })

/** Takes rows out of files by DuckDB. Raises what `writeFile` raises. */
export async function openRowRemover(options: RowRemoverOptions): Promise<RowRemover> {
  const { store, table, clock, random, scratch_folder, where, told } = options
  const goes = `coalesce((${where}), false)`
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
    async hits(base, files, signal) {
      if (where === undefined) return files.map((add) => ({ add, rows: rowsIn([add]), left: 0 }))
      await using held = await local.hold(table.prefix, files, signal)
      const hits: Hit[] = []
      for (const file of held.files) {
        const count = `SELECT count(*) AS rows, count(*) FILTER (WHERE NOT ${goes}) AS left FROM (${scanSql(base, [file])})`
        const [row] = await guarded(() => rowsOf(connection, count))
        const { rows, left } = counted.parse(row)
        if (left < rows) hits.push({ add: file.add, rows, left })
      }
      return hits
    },

    async rewrite(base, files, stay, signal) {
      if (where === undefined) return { adds: [], info: await told(connection, 'SELECT NULL WHERE false') }
      const adds: AddFile[] = []
      await using held = await local.hold(table.prefix, files, signal)
      for (const file of held.files) {
        const { add } = file
        if (!stay.has(add.path)) continue
        const { rows: _, ...written } = await writeFile({
          ...{ connection, store, prefix: table.prefix, random, clock, scratch_folder },
          partitionValues: add.partitionValues,
          ...(add.tags && { tags: add.tags }),
          select: promoteSql(`SELECT * FROM (${scanSql(base, [file])}) WHERE NOT ${goes}`, promotedOf(base)),
          columns: base.columns.filter(({ name }) => !base.partition.includes(name)),
          configuration: base.configuration,
          sort: table.name === EVENTS_TABLE ? EVENTS_SORT : [],
        })
        adds.push(written)
      }
      const taken = `SELECT * FROM (${scanSql(base, held.files)}) WHERE ${goes}`
      return { adds, info: await guarded(() => told(connection, taken)) }
    },

    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw problemOf('files that rows are to be taken from could not be read', error)
  }
}
