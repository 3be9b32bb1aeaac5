import { isProblem, Problem } from '../contract/problem.ts'
import { type Commit, decodeCommit, encodeCommit } from './action.ts'
import { LOG_ENTRY_MAX_BYTES } from './limits.ts'
import type { ObjectMeta, ObjectStore } from './object-store.ts'

/** The versions of one table, as objects of `<prefix>/_delta_log` (PROTOCOL.md, "Delta Log Entries"). */
export type Log = {
  /** The commit of a version; undefined when it is absent. Raises `corrupt`, `invalid`. */
  read(version: number): Promise<Commit | undefined>
  has(version: number): Promise<boolean>
  /** Durable when it resolves. Raises `conflict` when the version is taken, `limit` for a larger entry than LOG_ENTRY_MAX_BYTES; whatever the store raises else. */
  put(commit: Commit): Promise<void>
  /** Versions that have an entry and those that have a checkpoint, ascending, from `from` on. */
  list(from: number): Promise<{ readonly entries: readonly number[]; readonly checkpoints: readonly number[] }>
}

export function openLog(store: ObjectStore, prefix: string): Log {
  return {
    async read(version) {
      try {
        return decodeCommit(version, await store.get(entryPath(prefix, version)))
      } catch (error) {
        if (isProblem(error, 'missing')) return undefined
        throw error
      }
    },

    async has(version) {
      return (await store.head(entryPath(prefix, version))) !== undefined
    },

    async put(commit) {
      const entry = encodeCommit(commit)
      if (entry.byteLength > LOG_ENTRY_MAX_BYTES) {
        throw new Problem(
          'limit',
          `a commit is at most ${LOG_ENTRY_MAX_BYTES} bytes of log entry; this one has ${entry.byteLength}, with ${commit.adds.length} files added: commit fewer at once`,
        )
      }
      await store.put(entryPath(prefix, commit.version), entry, { ifAbsent: true })
    },

    async list(from) {
      const entries: number[] = []
      const checkpoints: number[] = []
      for await (const { version, kind } of logObjects(store, prefix, from)) {
        if (kind === 'entry') entries.push(version)
        else checkpoints.push(version)
      }
      return { entries, checkpoints }
    },
  }
}

/** An object of the log, with the store's own time of it. */
export type LogObject = ObjectMeta & { readonly version: number; readonly kind: 'entry' | 'checkpoint' }

/** Entries and checkpoints, ascending by version, from `from` on; of a version the checkpoint comes first. */
export async function* logObjects(store: ObjectStore, prefix: string, from = 0): AsyncIterable<LogObject> {
  const folder = `${prefix}/_delta_log`
  for await (const object of store.list(folder, from > 0 ? { startAfter: `${folder}/${digits(from)}` } : {})) {
    const match = /^(\d{20})\.(json|checkpoint\.parquet)$/.exec(object.path.slice(folder.length + 1))
    if (match) yield { ...object, version: Number(match[1]), kind: match[2] === 'json' ? 'entry' : 'checkpoint' }
  }
}

export function entryPath(prefix: string, version: number): string {
  return `${prefix}/_delta_log/${digits(version)}.json`
}

export function checkpointPath(prefix: string, version: number): string {
  return `${prefix}/_delta_log/${digits(version)}.checkpoint.parquet`
}

/** `_last_checkpoint`: only a hint of where to begin listing. */
export function hintPath(prefix: string): string {
  return `${prefix}/_delta_log/_last_checkpoint`
}

function digits(version: number): string {
  return String(version).padStart(20, '0')
}
