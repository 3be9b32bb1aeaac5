import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { z } from 'zod'
import { type Clock, type Random, uuid } from '../contract/clock.ts'
import { EVENTS_SORT, EVENTS_TABLE } from '../contract/events-table.ts'
import { Problem } from '../contract/problem.ts'
import { type AddFile, removeOf } from './action.ts'
import { commitRewritten } from './commit-rewritten.ts'
import { REMOVALS_TXN, UNIT_TAG } from './conflict.ts'
import { openDuckDb, problemOf, rowsOf } from './duckdb.ts'
import {
  COMPACT_FETCHED_MAX_BYTES,
  COMPACT_MEMORY_LIMIT,
  REMOVAL_ATTEMPTS_MAX,
  REMOVAL_FILES_MAX,
  REMOVAL_MAX_BYTES,
} from './limits.ts'
import { type LocalFiles, openLocalFiles } from './local-files.ts'
import type { ObjectStore } from './object-store.ts'
import { promotedOf, promoteSql } from './promoted.ts'
import { scanSql } from './scan.ts'
import type { Snapshot } from './snapshot.ts'
import type { Table } from './table.ts'
import { rowsIn } from './table-shape.ts'
import { writeFile } from './write.ts'

export type RemovalOptions = {
  readonly store: ObjectStore
  readonly table: Table
  readonly clock: Clock
  readonly random: Random
  /** Its own: for files on their way, and for what DuckDB spills. */
  readonly scratch_folder: string
  readonly kind: 'erase' | 'retain'
  /** Files that may hold such rows, by their entry in the log. */
  may(add: AddFile): boolean
  /** SQL condition of the rows that go; undefined: all rows of the files, which are not read for it. */
  readonly where: string | undefined
  /** What the commit says of the rows that it takes away, which `taken` selects. */
  told(connection: DuckDBConnection, taken: string): Promise<Readonly<Record<string, unknown>>>
  readonly dry_run?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  progress?(done: number, total: number): void
}

/** What was removed, or in a dry run would be. */
export type Removal = {
  readonly files: number
  readonly rows: number
  readonly bytes: number
  readonly commits: number
}

type Hit = { readonly add: AddFile; readonly rows: number; readonly left: number }

/**
 * Takes rows out of a table, a few files a commit, until a look at all of its files finds none. Files that keep rows are
 * written anew with their tags; of a unit of work a file stays even without rows, since its tags are the ledger of what
 * was made. Removals are pinned: what others took first is looked for anew where they put it. Killed anywhere it is
 * begun again, and finds what is left. Raises `conflict` after losing to others too often.
 */
export async function removeRows(options: RemovalOptions): Promise<Removal> {
  const { table, clock, scratch_folder, signal } = options
  const totals = { files: 0, rows: 0, bytes: 0, commits: 0 }
  const clean = new Set<string>()
  await rm(scratch_folder, { recursive: true, force: true })
  await mkdir(scratch_folder, { recursive: true })
  await using duckdb = await openDuckDb({
    ...{ threads: 1, memory_limit: COMPACT_MEMORY_LIMIT, temp_folder: scratch_folder },
  })
  const cache = { folder: join(scratch_folder, 'fetched'), max_bytes: COMPACT_FETCHED_MAX_BYTES }
  await using local = await openLocalFiles(options.store, { cache, clock })
  for (let lost = 0; lost < REMOVAL_ATTEMPTS_MAX; ) {
    signal?.throwIfAborted()
    const base = await table.snapshot()
    const suspects = [...base.files.values()].filter((add) => !clean.has(add.path) && options.may(add))
    options.progress?.(clean.size, clean.size + suspects.length)
    if (suspects.length === 0) return totals
    const some = atOnce(suspects)
    const hits = await hitsIn(options, duckdb.connection, local, base, some)
    const hit = new Set(hits.map(({ add }) => add.path))
    for (const { path } of some) if (!hit.has(path) || options.dry_run) clean.add(path)
    if (hits.length > 0 && !options.dry_run && !(await rewrite(options, duckdb.connection, local, base, hits))) {
      lost++
      continue
    }
    if (hits.length > 0) totals.commits++
    totals.files += hits.length
    totals.rows += hits.reduce((sum, { rows, left }) => sum + rows - left, 0)
    totals.bytes += hits.reduce((sum, { add }) => sum + add.size, 0)
  }
  throw new Problem('conflict', `${table.name} moved under each of ${REMOVAL_ATTEMPTS_MAX} attempts; try again later`)
}

function atOnce(files: readonly AddFile[]): readonly AddFile[] {
  let bytes = 0
  const end = files.findIndex(
    ({ size }, i) => i === REMOVAL_FILES_MAX || (i > 0 && (bytes += size) > REMOVAL_MAX_BYTES),
  )
  return end === -1 ? files : files.slice(0, end)
}

const counted = z.object({ rows: z.coerce.number(), left: z.coerce.number() })
const goes = (where: string) => `coalesce((${where}), false)`

async function hitsIn(
  { table, where, signal }: RemovalOptions,
  connection: DuckDBConnection,
  local: LocalFiles,
  base: Snapshot,
  files: readonly AddFile[],
): Promise<readonly Hit[]> {
  if (where === undefined) return files.map((add) => ({ add, rows: rowsIn([add]), left: 0 }))
  await using held = await local.hold(table.prefix, files, signal)
  const hits: Hit[] = []
  for (const file of held.files) {
    const count = `SELECT count(*) AS rows, count(*) FILTER (WHERE NOT ${goes(where)}) AS left FROM (${scanSql(base, [file])})`
    const [row] = await guarded(() => rowsOf(connection, count))
    const { rows, left } = counted.parse(row)
    if (left < rows) hits.push({ add: file.add, rows, left })
  }
  return hits
}

/** False when others took one of the files first, or the table changed. */
async function rewrite(
  options: RemovalOptions,
  connection: DuckDBConnection,
  local: LocalFiles,
  base: Snapshot,
  hits: readonly Hit[],
): Promise<boolean> {
  const { store, table, clock, random, scratch_folder, kind, where, signal } = options
  const adds: AddFile[] = []
  let info: Readonly<Record<string, unknown>> = {}
  if (where !== undefined) {
    await using held = await local.hold(
      table.prefix,
      hits.map(({ add }) => add),
      signal,
    )
    for (const [i, { add, left }] of hits.entries()) {
      const file = held.files[i]
      const isLedger = kind === 'erase' && add.tags?.[UNIT_TAG] !== undefined
      if (!file || (left === 0 && !isLedger)) continue
      const { rows: _, ...written } = await writeFile({
        ...{ connection, store, prefix: table.prefix, random, clock, scratch_folder },
        partitionValues: add.partitionValues,
        ...(add.tags && { tags: add.tags }),
        select: promoteSql(`SELECT * FROM (${scanSql(base, [file])}) WHERE NOT ${goes(where)}`, promotedOf(base)),
        columns: base.columns.filter(({ name }) => !base.partition.includes(name)),
        configuration: base.configuration,
        sort: table.name === EVENTS_TABLE ? EVENTS_SORT : [],
      })
      adds.push(written)
    }
    const taken = `SELECT * FROM (${scanSql(base, held.files)}) WHERE ${goes(where)}`
    info = await guarded(() => options.told(connection, taken))
  } else info = await options.told(connection, 'SELECT NULL WHERE false')
  const removals = base.txns.get(REMOVALS_TXN)
  return await commitRewritten(store, table, {
    ...{ id: uuid(random), kind, base, adds, info, signal },
    txns: [{ appId: REMOVALS_TXN, expected: removals, next: (removals ?? 0) + 1 }],
    removes: hits.map(({ add }) => removeOf(add)),
  })
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw problemOf('files that rows are to be taken from could not be read', error)
  }
}
