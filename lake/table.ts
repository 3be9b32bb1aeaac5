import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../contract/clock.ts'
import { isProblem, Problem } from '../contract/problem.ts'
import type { AddFile, Commit, HearthInfo, RemoveFile } from './action.ts'
import { type CheckpointCodec, type Checkpoints, openCheckpoints } from './checkpoint.ts'
import { checkpointDue, countNamedFiles } from './checkpoint-due.ts'
import { type CommitOutcome, type CommitRequest, commitTo } from './commit.ts'
import { FLOOR_TXN } from './conflict.ts'
import { inParallel } from './in-parallel.ts'
import { CHECKPOINT_INTERVAL, ENTRIES_AT_ONCE, RECENT_COMMITS_MAX } from './limits.ts'
import { type Listing, type Log, openLog } from './log.ts'
import type { ObjectStore } from './object-store.ts'
import { fold, type Snapshot } from './snapshot.ts'

export type Version = {
  readonly version: number
  readonly timestamp_ms: number
  /** `commitInfo.hearth`; undefined for a commit of another engine. */
  readonly info: HearthInfo | undefined
  readonly operation: string | undefined
  readonly adds: readonly AddFile[]
  readonly removes: readonly RemoveFile[]
}

export type SnapshotAt = { readonly version?: number | undefined; readonly time_ms?: number | undefined }

export type Table = {
  readonly name: string
  /** Where it lies in the store; paths of its files are relative to this. */
  readonly prefix: string
  /** The newest version, or the one asked for: a version, or the last one not after a time. Raises `missing`. */
  snapshot(at?: SnapshotAt): Promise<Snapshot>
  /** See commit.ts. */
  commit(request: CommitRequest): Promise<CommitOutcome>
  /** What each version from `fromVersion` to the newest did, ascending. Raises `missing` for one cleaned up. */
  history(fromVersion: number): AsyncIterable<Version>
  /** The oldest version that the log still tells of. */
  oldest(): Promise<number>
  /**
   * Holds the checkpoint of a version against the log before it, as far as that is there. Raises `corrupt` when it says
   * another thing or cannot be read.
   */
  proveCheckpoint(version: number): Promise<void>
  /** Writes a checkpoint of the newest version, without waiting for its turn: so that clean-up can pass what is older. */
  checkpoint(): Promise<void>
}

export type TableEnvironment = {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly checkpoints: CheckpointCodec | undefined
  /** A checkpoint may be written at every version that this divides; CHECKPOINT_INTERVAL unless given. */
  readonly checkpoint_interval?: number | undefined
}

export function openTable(environment: TableEnvironment, name: string, prefix = name): Table {
  const { store, clock, checkpoint_interval = CHECKPOINT_INTERVAL } = environment
  const log = openLog(store, prefix)
  const checkpoints = openCheckpoints(store, prefix, log, environment.checkpoints)
  /** A checkpoint that could not be written stays owed; the commits themselves are safe without it. */
  let owed = false
  let latest: Snapshot | undefined
  let recent: readonly Commit[] = []
  let refreshing: Promise<Snapshot> | undefined
  const named = countNamedFiles()

  async function load(): Promise<Snapshot> {
    const { snapshot, commits } = await readVersion(log, checkpoints, undefined)
    latest = snapshot
    named.restart(snapshot.version - commits.length)
    named.count(commits)
    recent = commits.slice(-RECENT_COMMITS_MAX)
    return snapshot
  }

  /**
   * What was committed since: one read that finds nothing when nothing was. The version known before must still be
   * there, else clean-up has passed it, and what was found after it may be a stray.
   */
  async function catchUp(): Promise<Snapshot> {
    const known = latest
    if (!known) return await load()
    const commits: Commit[] = []
    for (;;) {
      const next = await log.read(known.version + commits.length + 1)
      if (!next) break
      commits.push(next)
    }
    if (!(await stands(known))) return await load()
    return take(known, commits)
  }

  /**
   * Its entry is there, and what clean-up leaves before it. The entry alone says little: one who slept may have put it where
   * it had been cleaned up, another's or its own once more.
   */
  async function stands(known: Snapshot): Promise<boolean> {
    const before = known.version - 1
    const [entry, follows] = await Promise.all([log.read(known.version), before < 0 || log.has(before)])
    if (!isEntryOf(entry, known)) return false
    return follows || (await log.list(known.version)).checkpoints.includes(known.version)
  }

  function take(known: Snapshot, commits: readonly Commit[]): Snapshot {
    if (commits.length === 0) return latest && latest.version > known.version ? latest : known
    const snapshot = fold(known, commits)
    if (latest && latest.version >= snapshot.version) return latest
    latest = snapshot
    named.count(commits)
    recent = [...recent, ...commits].slice(-RECENT_COMMITS_MAX)
    return snapshot
  }

  function refresh(): Promise<Snapshot> {
    refreshing ??= catchUp().finally(() => {
      refreshing = undefined
    })
    return refreshing
  }

  const target = {
    log,
    clock,
    refresh,
    stands,
    async between(after: number, upTo: number) {
      const commits: Commit[] = []
      for (let version = after + 1; version <= upTo; version++) {
        const commit = recent.find((one) => one.version === version) ?? (await log.read(version))
        if (!commit) return undefined
        commits.push(commit)
      }
      return commits
    },
    adopt: (head: Snapshot, commit: Commit) => {
      if (latest && latest.version >= commit.version) return fold(head, [commit])
      return take(head, [commit])
    },
  }

  async function isDue(version: number): Promise<boolean> {
    if (version % checkpoint_interval !== 0) return false
    const last = await checkpoints.last()
    return checkpointDue(version, last, named.between(last.version, version))
  }

  return {
    name,
    prefix,

    async snapshot(at) {
      if (at?.version === undefined && at?.time_ms === undefined) return await refresh()
      const newest = await refresh()
      const version = at.version ?? (await versionAt(log, newest, at.time_ms ?? 0, name))
      if (version === newest.version) return newest
      if (version > newest.version || version < 0 || !Number.isInteger(version)) {
        throw new Problem('missing', `${name} has no version ${version}; its newest is ${newest.version}`)
      }
      const floor = newest.txns.get(FLOOR_TXN) ?? 0
      if (version < floor) {
        throw new Problem(
          'missing',
          `version ${version} of ${name} is older than vacuum keeps: data files of it are deleted. The oldest that is whole is version ${floor}`,
        )
      }
      return (await readVersion(log, checkpoints, version)).snapshot
    },

    async commit(request) {
      const outcome = await commitTo(target, request)
      if (outcome.kind !== 'committed') return outcome
      try {
        if (owed || (await isDue(outcome.version))) await checkpoints.write(outcome.snapshot)
        owed = false
      } catch (error) {
        if (!isProblem(error)) throw error
        owed = true
      }
      return outcome
    },

    async *history(fromVersion) {
      const newest = await refresh()
      for (let version = Math.max(0, fromVersion); version <= newest.version; version++) {
        const commit = recent.find((one) => one.version === version) ?? (await log.read(version))
        if (!commit) {
          throw new Problem('missing', `version ${version} of ${name} is no longer in its log; ask for a newer one`)
        }
        yield {
          version,
          timestamp_ms: commit.info?.timestamp ?? 0,
          info: commit.info?.hearth,
          operation: commit.info?.operation,
          adds: commit.adds,
          removes: commit.removes,
        }
      }
    },

    oldest: async () => (await log.list(0)).entries[0] ?? 0,
    checkpoint: async () => await checkpoints.write(await refresh()),
    proveCheckpoint: (version) => proveCheckpoint(log, checkpoints, version),
  }
}

/** Is it the entry that `known` was read from? One of Hearth is told by its time, which no other version of a table has. */
function isEntryOf(entry: Commit | undefined, known: Snapshot): boolean {
  return entry !== undefined && (!entry.info?.hearth || entry.info.timestamp === known.timestamp_ms)
}

/** See Table. */
async function proveCheckpoint(log: Log, checkpoints: Checkpoints, version: number): Promise<void> {
  const kept = await checkpoints.read(version)
  const entry = await log.read(version)
  let before: Snapshot | undefined
  try {
    before = version === 0 ? undefined : (await readVersion(log, checkpoints, version - 1)).snapshot
  } catch (error) {
    // A clean-up that was ended: it had held the checkpoint against the log before it began.
    if (isProblem(error, 'missing')) return
    throw error
  }
  const told = entry && fold(before, [entry])
  const same =
    told?.metadata.schemaString === kept.metadata.schemaString &&
    isDeepStrictEqual(told.txns, kept.txns) &&
    isDeepStrictEqual(new Set(told.files.keys()), new Set(kept.files.keys()))
  if (same) return
  throw new Problem(
    'corrupt',
    `the checkpoint of version ${version} says another thing than the log: ${kept.files.size} files and not ${told?.files.size ?? 'any'}, or other txns or columns. Delete it, so that readers begin before it`,
  )
}

type Built = { readonly snapshot: Snapshot; readonly commits: readonly Commit[] }

/**
 * Builds a version (the newest when undefined) from the best checkpoint and the entries after it. Clean-up may delete
 * what the listing told while it is being read: then there is a newer checkpoint, and building begins again from a new
 * listing.
 */
async function readVersion(log: Log, checkpoints: Checkpoints, version: number | undefined): Promise<Built> {
  for (let newest = -1; ; ) {
    try {
      return await tryVersion(log, checkpoints, version)
    } catch (error) {
      if (!isProblem(error, 'missing', 'corrupt')) throw error
      const later = (await log.list(0)).checkpoints.at(-1) ?? -1
      if (later <= newest) throw error
      newest = later
    }
  }
}

/** `damaged`: the oldest checkpoint that could not be read. What is before it says the same, as far as it is there. */
async function tryVersion(
  log: Log,
  checkpoints: Checkpoints,
  version: number | undefined,
  damaged?: number,
): Promise<Built> {
  const fits = (one: number) => version === undefined || one <= version
  const hint = version === undefined && damaged === undefined ? await checkpoints.hint() : 0
  const hinted = await log.list(hint)
  // A hint of a checkpoint that is not there says nothing: look at everything.
  const listed = hint > 0 && hinted.checkpoints.length === 0 ? await log.list(0) : hinted
  const from = listed.checkpoints.findLast((one) => fits(one) && (damaged === undefined || one < damaged))
  if (from === undefined && listed.entries.length === 0) throw new Problem('missing', 'the table has no log')
  let base: Snapshot | undefined
  try {
    base = from === undefined ? undefined : await checkpoints.read(from)
  } catch (error) {
    if (!isProblem(error, 'corrupt')) throw error
    return await tryVersion(log, checkpoints, version, from).catch((other: unknown) => {
      throw isProblem(other, 'missing', 'corrupt') ? error : other
    })
  }
  const commits: Commit[] = []
  const after = listed.entries.filter((one) => one > (from ?? -1) && fits(one))
  const read = await inParallel(after.length, ENTRIES_AT_ONCE, (index) => log.read(after[index] ?? 0))
  const known = new Map(read.filter((commit) => commit !== undefined).map((commit) => [commit.version, commit]))
  for (let next = (from ?? -1) + 1; fits(next); next++) {
    // An entry may appear while the listing is made: reading on until one is absent finds the newest all the same.
    const commit =
      known.get(next) ??
      (await log.read(next)) ??
      ((listed.entries.at(-1) ?? -1) > next ? await log.read(next) : undefined)
    if (!commit) break
    commits.push(commit)
  }
  if (commits.length > 0 && (await isPassed(log, base, listed))) {
    throw new Problem('missing', `the log was cleaned up past version ${from ?? 0} while it was being read; ask again`)
  }
  const reached = commits.at(-1)?.version ?? from ?? -1
  const last = version ?? listed.entries.at(-1) ?? reached
  if (reached < last) throw gap(reached + 1, version, listed)
  return { snapshot: base && commits.length === 0 ? base : fold(base, commits), commits }
}

/** Has clean-up passed what building began with? Then what was read after it may be a stray (commit.ts). */
async function isPassed(log: Log, base: Snapshot | undefined, { entries }: Listing): Promise<boolean> {
  if (!base) return !(await log.has(0))
  // Another engine may keep a checkpoint without its entry.
  return entries.includes(base.version) && !isEntryOf(await log.read(base.version), base)
}

function gap(absent: number, version: number | undefined, { entries, unread }: Listing): Problem {
  if (unread.some((one) => one >= absent - 1)) {
    const message = `log version ${absent} can only be read from a checkpoint of the reader feature v2Checkpoint, which Hearth does not read: drop it with the engine that made the table (ALTER TABLE … DROP FEATURE v2Checkpoint)`
    return new Problem('invalid', message)
  }
  // Below a clean-up there may be strays, and a checkpoint whose writer had slept; the version itself is gone.
  return version !== undefined && ((entries[0] ?? 0) >= absent || !entries.includes(version))
    ? new Problem('missing', `version ${version} can no longer be built: its log entries were cleaned up`)
    : new Problem('corrupt', `log version ${absent} is missing, while later ones are there: restore it from a backup`)
}

/** The last version that was committed not after `time_ms`: a binary search, since times rise from version to version. */
async function versionAt(log: Log, newest: Snapshot, time_ms: number, name: string): Promise<number> {
  if (time_ms >= newest.timestamp_ms) return newest.version
  const { entries } = await log.list(0)
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const commit = await log.read(entries[middle] ?? 0)
    if ((commit?.info?.timestamp ?? 0) <= time_ms) low = middle + 1
    else high = middle
  }
  const found = low === 0 ? undefined : entries[low - 1]
  if (found === undefined) {
    const oldest = entries[0] ?? newest.version
    const committed_ms = (await log.read(oldest))?.info?.timestamp ?? newest.timestamp_ms
    throw new Problem(
      'missing',
      `${name} has no version as old as ${new Date(time_ms).toISOString()}: its oldest is v${oldest}, of ${new Date(committed_ms).toISOString()}`,
    )
  }
  return found
}

/** Is there a table at `prefix`? */
export async function tableExists(store: ObjectStore, prefix: string): Promise<boolean> {
  try {
    for await (const _ of store.list(`${prefix}/_delta_log`)) return true
  } catch (error) {
    if (!isProblem(error, 'missing')) throw error
  }
  return false
}
