import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { z } from 'zod'
import { type Clock, type Random, uuid } from '../contract/clock.ts'
import { EVENTS_SORT, EVENTS_TABLE } from '../contract/events-table.ts'
import { assert, isProblem, Problem } from '../contract/problem.ts'
import { type AddFile, removeOf } from './action.ts'
import { commitRewritten } from './commit-rewritten.ts'
import { type CompactionGroup, type CompactionPolicy, compactionPlan } from './compaction-plan.ts'
import { damageIn } from './damage.ts'
import { openDuckDb, problemOf, rowsOf } from './duckdb.ts'
import { COMPACT_FETCHED_MAX_BYTES, COMPACT_MEMORY_LIMIT } from './limits.ts'
import { type LocalFiles, openLocalFiles } from './local-files.ts'
import type { ObjectStore } from './object-store.ts'
import { promotedOf, promoteSql } from './promoted.ts'
import { type LocalFile, scanSql, storedSql } from './scan.ts'
import { identifier } from './schema.ts'
import type { Snapshot } from './snapshot.ts'
import type { Table } from './table.ts'
import { writeFile } from './write.ts'

export type CompactOptions = {
  readonly store: ObjectStore
  readonly table: Table
  readonly clock: Clock
  readonly random: Random
  /** Its own: for files on their way, and for what DuckDB spills. */
  readonly scratch_folder: string
  readonly closed_after_ms: number
  readonly join_after_ms?: number | undefined
  readonly dry_run?: boolean
  readonly signal?: AbortSignal | undefined
  progress?(done: number, total: number): void
}

/** What one compaction did, or in a dry run would do. */
export type Compaction = {
  readonly groups: readonly CompactionGroup[]
  /** Files that were joined, and the bytes of them. */
  readonly joined: number
  readonly bytes: number
  /** Groups that others were first at; the next plan looks at them again. */
  readonly lost: number
}

/**
 * Joins what `compactionPlan` says, a group a commit. The rows are counted and summed up before and after, and nothing is
 * committed that differs. Raises `corrupt` when they differ or a file is damaged, once the other groups are joined, and what
 * `writeFile` and the commit raise; what was committed before that stands.
 */
export async function compact(options: CompactOptions): Promise<Compaction> {
  const { table, clock, closed_after_ms, join_after_ms, scratch_folder, signal } = options
  const policy: CompactionPolicy = { now_ms: clock.now(), closed_after_ms, join_after_ms }
  const groups = compactionPlan(await table.snapshot(), policy)
  const totals = { groups, joined: 0, bytes: 0, lost: 0 }
  if (options.dry_run || groups.length === 0) return totals
  // What a killed one left behind.
  await rm(scratch_folder, { recursive: true, force: true })
  await mkdir(scratch_folder, { recursive: true })
  await using duckdb = await openDuckDb({
    ...{ threads: 1, memory_limit: COMPACT_MEMORY_LIMIT, temp_folder: scratch_folder },
  })
  const cache = { folder: join(scratch_folder, 'fetched'), max_bytes: COMPACT_FETCHED_MAX_BYTES }
  await using local = await openLocalFiles(options.store, { cache, clock })
  let damage: Problem | undefined
  for (const [index, group] of groups.entries()) {
    signal?.throwIfAborted()
    options.progress?.(index, groups.length)
    try {
      if (await joinGroup(options, duckdb.connection, local, group)) {
        totals.joined += group.files.length
        totals.bytes += group.files.reduce((sum, { size }) => sum + size, 0)
      } else totals.lost++
    } catch (error) {
      // What is damaged in one group is told when the others are joined.
      if (!isProblem(error, 'corrupt', 'missing')) throw error
      damage ??= error
    }
  }
  options.progress?.(groups.length, groups.length)
  if (damage) throw damage
  return totals
}

/** False when another commit took one of the files first. */
async function joinGroup(
  options: CompactOptions,
  connection: DuckDBConnection,
  local: LocalFiles,
  { files, tags }: CompactionGroup,
): Promise<boolean> {
  const { store, table, clock, random, scratch_folder, signal } = options
  // Read before the upload, as every base is: by it a commit knows whether vacuum has passed its files.
  const base = await table.snapshot()
  const [first] = files
  assert(first, 'a group has files')
  if (!files.every(({ path }) => base.files.has(path))) return false
  await using held = await local.hold(table.prefix, files, signal)
  const before = await sumOf(connection, base, held.files).catch(async (error: unknown) => {
    throw (await damageIn(connection, [held])) ?? error
  })
  const { partitionValues } = first
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
  return await commitRewritten(store, table, {
    ...{ id: uuid(random), kind: 'compact', base, txns: [], info: {}, signal },
    adds: [{ ...written, dataChange: false }],
    removes: files.map((add) => removeOf(add, { dataChange: false })),
  })
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
