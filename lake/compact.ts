import { type Clock, type Random, uuid } from '../contract/clock.ts'
import { isProblem, type Problem } from '../contract/problem.ts'
import { type AddFile, removeOf } from './action.ts'
import { commitRewritten } from './commit-rewritten.ts'
import { type CompactionGroup, type CompactionPolicy, compactionPlan } from './compaction-plan.ts'
import type { ObjectStore } from './object-store.ts'
import type { Snapshot } from './snapshot.ts'
import type { Table } from './table.ts'

/** Makes one data file of several: by DuckDB in a lake, something plainer in the simulator. */
export type FileJoiner = {
  /** A file with the rows of these and no others, durable when it resolves. Its `dataChange` says nothing. */
  join(base: Snapshot, group: CompactionGroup, signal?: AbortSignal): Promise<AddFile>
  [Symbol.asyncDispose](): Promise<void>
}

export type CompactOptions = {
  readonly store: ObjectStore
  readonly table: Table
  readonly clock: Clock
  readonly random: Random
  readonly closed_after_ms: number
  readonly join_after_ms?: number | undefined
  readonly dry_run?: boolean
  readonly signal?: AbortSignal | undefined
  /** Called when there is something to join. */
  openJoiner(): Promise<FileJoiner>
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
 * Joins what `compactionPlan` says, a group a commit. Raises `corrupt` and `missing` of a file, once the other groups are
 * joined, and what else the joiner and the commit raise; what was committed before that stands.
 */
export async function compact(options: CompactOptions): Promise<Compaction> {
  const { table, clock, closed_after_ms, join_after_ms, signal } = options
  const policy: CompactionPolicy = { now_ms: clock.now(), closed_after_ms, join_after_ms }
  const groups = compactionPlan(await table.snapshot(), policy)
  const totals = { groups, joined: 0, bytes: 0, lost: 0 }
  if (options.dry_run || groups.length === 0) return totals
  await using joiner = await options.openJoiner()
  let damage: Problem | undefined
  for (const [index, group] of groups.entries()) {
    signal?.throwIfAborted()
    options.progress?.(index, groups.length)
    try {
      if (await joinGroup(options, joiner, group)) {
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
async function joinGroup(options: CompactOptions, joiner: FileJoiner, group: CompactionGroup): Promise<boolean> {
  const { store, table, random, signal } = options
  // Read before the upload, as every base is: by it a commit knows whether vacuum has passed its files.
  const base = await table.snapshot()
  if (!group.files.every(({ path }) => base.files.has(path))) return false
  const joined = await joiner.join(base, group, signal)
  return await commitRewritten(store, table, {
    ...{ id: uuid(random), kind: 'compact', base, txns: [], info: {}, signal },
    adds: [{ ...joined, dataChange: false }],
    removes: group.files.map((add) => removeOf(add, { dataChange: false })),
  })
}
