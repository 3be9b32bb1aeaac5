import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { z } from 'zod'
import type { Clock, Random } from '../contract/clock.ts'
import { EVENTS_SORT, EVENTS_TABLE } from '../contract/events-table.ts'
import { assert, Problem } from '../contract/problem.ts'
import type { AddFile } from './action.ts'
import type { FileJoiner } from './compact.ts'
import { damageIn } from './damage.ts'
import { openDuckDb, problemOf, rowsOf } from './duckdb.ts'
import { COMPACT_FETCHED_MAX_BYTES, COMPACT_MEMORY_LIMIT } from './limits.ts'
import { openLocalFiles } from './local-files.ts'
import type { ObjectStore } from './object-store.ts'
import { promotedOf, promoteSql } from './promoted.ts'
import { type LocalFile, scanSql, storedSql } from './scan.ts'
import { identifier } from './schema.ts'
import type { Snapshot } from './snapshot.ts'
import type { Table } from './table.ts'
import { writeFile } from './write.ts'

export type FileJoinerOptions = {
  readonly store: ObjectStore
  readonly table: Table
  readonly clock: Clock
  readonly random: Random
  /** Its own: for files on their way, and for what DuckDB spills. */
  readonly scratch_folder: string
}

/**
 * Joins files by DuckDB. The rows are counted and summed up before and after, and nothing is uploaded that differs.
 * Raises `corrupt` when they differ or a file is damaged, and what `writeFile` raises.
 */
export async function openFileJoiner(options: FileJoinerOptions): Promise<FileJoiner> {
  const { store, table, clock, random, scratch_folder } = options
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
    async join(base, { files, tags }, signal) {
      const [first] = files
      assert(first, 'a group has files')
      const { partitionValues } = first
      await using held = await local.hold(table.prefix, files, signal)
      const before = await sumOf(connection, base, held.files).catch(async (error: unknown) => {
        throw (await damageIn(connection, [held])) ?? error
      })
      const { rows: _, ...written } = await writeFile({
        ...{ connection, store, prefix: table.prefix, partitionValues, tags, random, clock, scratch_folder },
        select: promoteSql(storedSql(base, held.files), promotedOf(base)),
        columns: base.columns.filter(({ name }) => !base.partition.includes(name)),
        configuration: base.configuration,
        sort: table.name === EVENTS_TABLE ? EVENTS_SORT : [],
        check: async (path) => {
          const after = await sumOf(connection, base, [{ add: first, path }])
          if (after.rows !== before.rows || after.sum !== before.sum) throw differs(table, files, before, after)
        },
      })
      return written
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

const rowSum = z.object({ rows: z.string(), sum: z.string() })
type RowSum = z.infer<typeof rowSum>

/** How many rows there are, and the sum of their hashes: whatever their order. */
async function sumOf(connection: DuckDBConnection, snapshot: Snapshot, files: readonly LocalFile[]): Promise<RowSum> {
  // A promoted field is the last of the map that it is filled into, and not of the one that it was sent in.
  const all = snapshot.columns
    .map(({ name, type }) => (type === 'map' ? `list_sort(map_entries(${identifier(name)}))` : identifier(name)))
    .join(', ')
  try {
    const [row] = await rowsOf(
      connection,
      `SELECT CAST(count(*) AS VARCHAR) AS rows, CAST(COALESCE(sum(hash(${all})), 0) AS VARCHAR) AS sum FROM (${scanSql(snapshot, files)})`,
    )
    return rowSum.parse(row)
  } catch (error) {
    throw problemOf('files to be joined could not be read', error)
  }
}

function differs(table: Table, files: readonly AddFile[], before: RowSum, after: RowSum): Problem {
  const what = `${files.length} files of ${table.name}, ${files[0]?.path} among them`
  return new Problem(
    'corrupt',
    `joining ${what}, made ${after.rows} rows (sum ${after.sum}) of ${before.rows} (sum ${before.sum}); nothing was changed. Look at the disk and the memory of this machine`,
  )
}
