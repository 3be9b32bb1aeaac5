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
  /** What there is from version `from` on. */
  list(from: number): Promise<Listing>
}

/** Versions that have an entry and those that have a whole checkpoint, ascending. */
export type Listing = {
  readonly entries: readonly number[]
  readonly checkpoints: readonly number[]
  /** Paths of the parts of those that are in several (PROTOCOL.md, "Multi-part checkpoint"). */
  readonly parts: ReadonlyMap<number, readonly string[]>
  /** Those that are of a form which is not read ("UUID-named checkpoint"). */
  readonly unread: readonly number[]
}

const NAME =
  /^(?<digits>\d{20})\.(?:(?<entry>json)|checkpoint\.(?:(?<whole>parquet)|(?<part>\d{10})\.(?<of>\d{10})\.parquet|(?<uuid>[0-9a-f-]{36})\.(?:json|parquet)))$/

export function openLog(store: ObjectStore, prefix: string): Log {
  return {
    async read(version) {
      try {
        return decodeCommit(version, await store.get(entryPath(prefix, version)))
      } catch (error) {
        if (isProblem(error, 'missing')) return undefined
        if (!isProblem(error, 'corrupt')) throw error
        const text = `${entryPath(prefix, version)} is damaged: ${error.message}. Restore it from a copy`
        throw new Problem('corrupt', text, { cause: error })
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
      const parts = new Map<number, readonly string[]>()
      const begun = new Map<string, string[]>()
      const unread: number[] = []
      const folder = `${prefix}/_delta_log`
      for await (const { path } of store.list(folder, from > 0 ? { startAfter: `${folder}/${digits(from)}` } : {})) {
        const match = NAME.exec(path.slice(folder.length + 1))
        const { digits: text, entry, whole, part, of, uuid } = match?.groups ?? {}
        const version = Number(text)
        if (entry) entries.push(version)
        if (whole) checkpoints.push(version)
        if (uuid) unread.push(version)
        if (part) {
          const set = [...(begun.get(`${version}.${of}`) ?? []), path]
          begun.set(`${version}.${of}`, set)
          if (set.length < Number(of)) continue
          parts.set(version, set)
          checkpoints.push(version)
        }
      }
      return { entries, checkpoints, parts, unread }
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
