import { type AddFile, type Commit, decodeCommit } from '../lake/action.ts'
import { TOMBSTONE_RETENTION_MS } from '../lake/limits.ts'
import { openMemoryStore } from '../lake/memory-store.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import type { World } from './world.ts'

const ENTRY = /^events\/_delta_log\/(\d{20})\.json$/

/** What a version is, by its commits alone. */
export type Truth = Pick<Snapshot, 'version' | 'timestamp_ms' | 'files' | 'txns' | 'removed'>
type Entry = { readonly commit: Commit; readonly put_ms: number }

/**
 * The object store itself, and all that was ever in it: what the invariants know of the table does not come by way of
 * checkpoints, and outlives clean-up and vacuum. Of a version the first entry is the commit; one that was put where
 * clean-up had deleted another is none.
 */
export class Archive {
  readonly store: ObjectStore
  /** By version of the events table. */
  readonly entries: Entry[] = []
  /** The first body of each path. */
  readonly #first = new Map<string, Uint8Array>()
  readonly #snapshots: Truth[] = []

  constructor(world: World) {
    const memory = openMemoryStore({ clock: world.clock })
    this.store = {
      ...memory,
      put: async (path, body, options) => {
        await memory.put(path, body, options)
        if (!(body instanceof Uint8Array) || this.#first.has(path)) return
        this.#first.set(path, body.slice())
        const version = ENTRY.exec(path)?.[1]
        if (version === undefined) return
        const put_ms = world.scheduler.now_ms
        this.entries[Number(version)] = { commit: decodeCommit(Number(version), body), put_ms }
      },
    }
  }

  get newest(): number {
    return this.entries.length - 1
  }

  /** The newest version that was there by then. */
  versionAt(at_ms: number): number {
    return this.entries.findLastIndex(({ put_ms }) => put_ms <= at_ms)
  }

  /** The table as of a version: all its commits, one after the other. */
  snapshot(version = this.newest): Truth {
    for (let next = this.#snapshots.length; next <= version; next++) {
      const commit = this.entries[next]?.commit
      if (commit) this.#snapshots.push(after(this.#snapshots[next - 1], commit))
    }
    const found = this.#snapshots[version]
    if (!found) throw new Error(`there never was a version ${version}`)
    return found
  }

  /** All commits of another table, and the files that they leave in it. */
  table(name: string): { readonly commits: readonly Commit[]; readonly files: readonly AddFile[] } {
    const commits = this.paths(`${name}/_delta_log/`).flatMap((path) => {
      const version = /(\d{20})\.json$/.exec(path)?.[1]
      return version === undefined ? [] : [decodeCommit(Number(version), this.read(path))]
    })
    commits.sort((a, b) => a.version - b.version)
    const files = new Map<string, AddFile>()
    for (const { adds, removes } of commits) {
      for (const { path } of removes) files.delete(path)
      for (const add of adds) files.set(add.path, add)
    }
    return { commits, files: [...files.values()] }
  }

  /** What was put at a path first, whether or not it is still there. */
  read(path: string): Uint8Array {
    const found = this.#first.get(path)
    if (!found) throw new Error(`there never was an object ${path}`)
    return found
  }

  paths(prefix: string): readonly string[] {
    return [...this.#first.keys()].filter((path) => path.startsWith(prefix))
  }
}

/** Not by the code that is judged. */
function after(base: Truth | undefined, { version, info, adds, removes, txns }: Commit): Truth {
  const timestamp_ms = Math.max(base?.timestamp_ms ?? 0, info?.timestamp ?? 0)
  const left = new Set(removes.map(({ path }) => path))
  const came = new Set(adds.map(({ path }) => path))
  const all = [...(base?.removed.values() ?? []), ...removes].filter(({ path }) => !came.has(path))
  const young = all.filter(({ deletionTimestamp }) => deletionTimestamp >= timestamp_ms - TOMBSTONE_RETENTION_MS)
  return {
    version,
    timestamp_ms,
    files: new Map([
      ...[...(base?.files ?? [])].filter(([path]) => !left.has(path)),
      ...adds.map((add) => [add.path, add] as const),
    ]),
    txns: new Map([...(base?.txns ?? []), ...txns.map(({ appId, version: at }) => [appId, at] as const)]),
    removed: new Map(young.map((one) => [one.path, one])),
  }
}
