import { type Clock, type Random, uuid } from '../contract/clock.ts'
import { Problem } from '../contract/problem.ts'
import { FLOOR_TXN } from './conflict.ts'
import { deleteAll } from './delete-all.ts'
import { RETENTION_MS } from './limits.ts'
import { entryPath, logObjects } from './log.ts'
import type { ObjectMeta, ObjectStore } from './object-store.ts'
import { type Retention, retentionMs } from './retention.ts'
import type { Snapshot } from './snapshot.ts'
import { refuseFastClock, type StoreClock } from './store-clock.ts'
import type { Table } from './table.ts'

/** RETENTION_MS is its usual retention. */
export type VacuumOptions = Retention &
  StoreClock & {
    readonly table: Table
    readonly clock: Clock
    readonly random: Random
    readonly dry_run?: boolean
    readonly signal?: AbortSignal | undefined
    progress?(done: number, total: number): void
  }

export type Vacuum = {
  /** The version that was current one retention ago; undefined when the table was not there. */
  readonly floor: number | undefined
  /** What was deleted, or in a dry run would be. */
  readonly files: readonly ObjectMeta[]
  readonly bytes: number
}

/**
 * Deletes data files that no version of the last `retention_ms` has, and files of commits that failed before that.
 * Raises `invalid` for a retention below RETENTION_MIN_MS, `conflict` when another vacuum is at work, `unavailable` when
 * this machine's clock is ahead of the store's. docs/decisions/026.
 *
 * 1. F is the newest version whose log entry is, by the store's time, older than the retention.
 * 2. A file is a candidate when it is as old, is neither of F nor of the newest version, and no version between added it.
 * 3. F is committed as the table's floor: from here on a commit whose files were uploaded under a base ≤ F is void.
 * 4. What was committed up to the floor is taken from the candidates; the rest is deleted.
 *
 * A commit after the floor cannot name a candidate: its base is above F, so it uploaded after F + 1 was there, and its
 * files are younger than what the retention reaches. All these times are the store's own.
 */
export async function vacuum(options: VacuumOptions): Promise<Vacuum> {
  const { store, table, clock, signal } = options
  const now_ms = clock.now()
  const cutoff_ms = now_ms - retentionMs(options, RETENTION_MS)
  const head = await table.snapshot()
  const floor = await versionBefore(store, table, cutoff_ms, head)
  if (floor === undefined) return { floor, files: [], bytes: 0 }
  const candidates = await oldFiles(store, table, cutoff_ms)
  for (const snapshot of [head, await table.snapshot({ version: floor })]) {
    for (const path of snapshot.files.keys()) candidates.delete(objectOf(table, path))
  }
  await keepAdded(table, candidates, floor + 1, signal)
  const found = () => {
    const files = [...candidates.values()]
    return { floor, files, bytes: files.reduce((sum, { size_bytes }) => sum + size_bytes, 0) }
  }
  if (options.dry_run || candidates.size === 0) return found()
  const version = await commitFloor(options, floor)
  await refuseFastClock(options, now_ms, entryPath(table.prefix, version))
  await keepAdded(table, candidates, head.version + 1, signal)
  const result = found()
  await deleteAll(
    store,
    result.files.map(({ path }) => path),
    options,
  )
  return result
}

/** The newest version whose entry is not younger than `cutoff_ms`; never below the floor, where the log still has it. */
async function versionBefore(
  store: ObjectStore,
  table: Table,
  cutoff_ms: number,
  { txns }: Snapshot,
): Promise<number | undefined> {
  const floor = txns.get(FLOOR_TXN)
  let found: number | undefined
  for await (const { version, kind, modified_ms } of logObjects(store, table.prefix)) {
    if (kind === 'entry' && (modified_ms <= cutoff_ms || version === floor)) found = version
  }
  return found
}

/** Data files by path that are not younger than `cutoff_ms`. As in other engines, names with `_` or `.` are none. */
async function oldFiles(store: ObjectStore, table: Table, cutoff_ms: number): Promise<Map<string, ObjectMeta>> {
  const files = new Map<string, ObjectMeta>()
  for await (const object of store.list(`${table.prefix}/`)) {
    const own = object.path.slice(table.prefix.length)
    if (object.modified_ms <= cutoff_ms && !/\/[_.]/.test(own)) files.set(object.path, object)
  }
  return files
}

/** Takes from the candidates what the versions from `from` on added. The log is read only while there are any. */
async function keepAdded(
  table: Table,
  candidates: Map<string, ObjectMeta>,
  from: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (candidates.size === 0) return
  for await (const { adds } of table.history(from)) {
    signal?.throwIfAborted()
    for (const { path } of adds) candidates.delete(objectOf(table, path))
  }
}

/** As every reader of a data file names it: what the codec of the log has decoded is not decoded once more. */
function objectOf(table: Table, path: string): string {
  return `${table.prefix}/${path}`
}

async function commitFloor({ table, random, signal }: VacuumOptions, floor: number): Promise<number> {
  const base = await table.snapshot()
  const outcome = await table.commit({
    ...{ id: uuid(random), kind: 'floor', base, adds: [], removes: [], info: {}, signal },
    txns: [{ appId: FLOOR_TXN, expected: base.txns.get(FLOOR_TXN), next: floor }],
  })
  if (outcome.kind === 'committed') return outcome.version
  throw new Problem('conflict', `another vacuum of ${table.name} is at work; nothing was deleted, try later`)
}
