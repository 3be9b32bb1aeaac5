import { Problem } from '../contract/problem.ts'
import type { AddFile, Commit, Metadata, Protocol, RemoveFile } from './action.ts'
import { TOMBSTONE_RETENTION_MS } from './limits.ts'
import { checkReadable, columnMapping } from './protocol.ts'
import { decodeSchema, type TableColumn } from './schema.ts'

/** A table as of one version. Immutable: a later version is another snapshot. */
export type Snapshot = {
  readonly version: number
  /** When the version was committed, ms since 1970; rises from version to version. */
  readonly timestamp_ms: number
  readonly protocol: Protocol
  readonly metadata: Metadata
  readonly configuration: Readonly<Record<string, string>>
  /** All columns, those of the partition too, in the order of the schema. */
  readonly columns: readonly TableColumn[]
  readonly partition: readonly string[]
  /** By path. */
  readonly files: ReadonlyMap<string, AddFile>
  readonly txns: ReadonlyMap<string, number>
  /** Files taken out not long ago, by path: readers of older versions may still want them. */
  readonly removed: ReadonlyMap<string, RemoveFile>
}

/**
 * `base` with the next commits folded in (PROTOCOL.md, "Action Reconciliation"). Pure.
 * Raises `corrupt` when a version is missing or the first has no metadata; `invalid` for features that are not read.
 */
export function fold(base: Snapshot | undefined, commits: readonly Commit[]): Snapshot {
  let version = base?.version ?? (commits[0]?.version ?? 0) - 1
  let timestamp_ms = base?.timestamp_ms ?? 0
  let protocol = base?.protocol
  let metadata = base?.metadata
  const files = new Map(base?.files)
  const txns = new Map(base?.txns)
  const removed = new Map(base?.removed)
  for (const commit of commits) {
    if (commit.version !== version + 1) {
      throw new Problem(
        'corrupt',
        `log version ${version + 1} is missing: version ${commit.version} follows ${version}`,
      )
    }
    version = commit.version
    timestamp_ms = Math.max(timestamp_ms, commit.info?.timestamp ?? timestamp_ms)
    protocol = commit.protocol ?? protocol
    metadata = commit.metadata ?? metadata
    for (const remove of commit.removes) {
      files.delete(remove.path)
      removed.set(remove.path, remove)
    }
    for (const add of commit.adds) {
      removed.delete(add.path)
      files.set(add.path, add)
    }
    for (const txn of commit.txns) txns.set(txn.appId, txn.version)
  }
  if (!protocol || !metadata) {
    throw new Problem('corrupt', `the log begins without ${protocol ? 'metaData' : 'protocol'} at version ${version}`)
  }
  for (const [path, { deletionTimestamp }] of removed) {
    if (deletionTimestamp < timestamp_ms - TOMBSTONE_RETENTION_MS) removed.delete(path)
  }
  return snapshotOf({ version, timestamp_ms, protocol, metadata, files, txns, removed }, base)
}

/** Completes a snapshot from its log state. Raises `invalid` for features that are not read. */
export function snapshotOf(
  state: Omit<Snapshot, 'configuration' | 'columns' | 'partition'>,
  base?: Snapshot,
): Snapshot {
  if (state.protocol !== base?.protocol || state.metadata !== base.metadata)
    checkReadable(state.protocol, state.metadata)
  for (const { path, deletionVector } of state.files.values()) {
    if (deletionVector === undefined || deletionVector === null) continue
    throw new Problem(
      'invalid',
      `${path} has a deletion vector, which Hearth does not read: purge it with the engine that wrote it (REORG TABLE … APPLY (PURGE))`,
    )
  }
  const columns =
    state.metadata === base?.metadata
      ? base.columns
      : decodeSchema(state.metadata.schemaString, columnMapping(state.metadata))
  return {
    ...state,
    configuration: state.metadata.configuration,
    columns,
    partition: state.metadata.partitionColumns,
  }
}
