import type { Clock } from '../contract/clock.ts'
import { decodeCommit, type HearthInfo } from './action.ts'
import { LOG_RETENTION_MS } from './limits.ts'
import { type LogObject, logObjects } from './log.ts'
import { type Retention, retentionMs } from './retention.ts'
import { refuseFastClock, type StoreClock } from './store-clock.ts'
import type { Table } from './table.ts'

/** LOG_RETENTION_MS is its usual retention. */
export type CleanLogOptions = Retention &
  StoreClock & {
    readonly table: Table
    readonly clock: Clock
    /** Keeps elsewhere what only entries up to `version` tell. What it raises ends the clean-up before it has begun. */
    before?(version: number): Promise<void>
    /** An entry is about to go: so may what it alone refers to. */
    removing?(info: HearthInfo | undefined): Promise<void>
    readonly dry_run?: boolean
    readonly signal?: AbortSignal | undefined
    progress?(done: number, total: number): void
  }

export type CleanedLog = {
  /** The version that the log begins with now, or in a dry run would. */
  readonly first: number
  /** What was deleted, or in a dry run would be. */
  readonly objects: readonly LogObject[]
  readonly bytes: number
}

/**
 * Deletes log entries and checkpoints before the newest checkpoint whose version was current one retention ago. Its own
 * entry stays: it says when it was. In ascending order, one by one, so that whoever puts a version that is gone finds that
 * the one before it is gone too (commit.ts). Raises `invalid` for too short a retention, `corrupt` when the checkpoint does
 * not say what the log says, `unavailable` when this machine's clock is ahead of the store's.
 */
export async function cleanLog(options: CleanLogOptions): Promise<CleanedLog> {
  const { store, table, clock, signal } = options
  const now_ms = clock.now()
  const first = await firstKept(options, now_ms - retentionMs(options, LOG_RETENTION_MS))
  const objects: LogObject[] = []
  for await (const object of logObjects(store, table.prefix)) {
    if (object.version >= first) break
    objects.push(object)
  }
  const result = { first, objects, bytes: objects.reduce((sum, { size_bytes }) => sum + size_bytes, 0) }
  if (options.dry_run || objects.length === 0) return result
  await refuseFastClock(options, now_ms)
  await table.proveCheckpoint(first)
  await options.before?.(first)
  for (const [index, { path, kind, version }] of objects.entries()) {
    signal?.throwIfAborted()
    if (index % 64 === 0) options.progress?.(index, objects.length)
    if (kind === 'entry' && options.removing) {
      await options.removing(decodeCommit(version, await store.get(path)).info?.hearth)
    }
    await store.delete(path)
  }
  options.progress?.(objects.length, objects.length)
  return result
}

/** The version of the newest checkpoint, beside its entry, that is not above the version that was current at the cutoff. */
async function firstKept({ store, table }: CleanLogOptions, cutoff_ms: number): Promise<number> {
  let then = 0
  let checkpoint: number | undefined
  const complete: number[] = []
  for await (const { kind, version, modified_ms } of logObjects(store, table.prefix)) {
    if (kind === 'checkpoint') checkpoint = version
    else {
      if (version === checkpoint) complete.push(version)
      if (modified_ms <= cutoff_ms) then = version
    }
  }
  return complete.findLast((version) => version <= then) ?? 0
}
