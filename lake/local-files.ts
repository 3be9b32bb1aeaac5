import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock } from '../contract/clock.ts'
import { assert } from '../contract/problem.ts'
import type { AddFile } from './action.ts'
import { type FileCache, type FileCacheOptions, type HeldFiles, openFileCache } from './file-cache.ts'
import type { ObjectStore } from './object-store.ts'
import type { LocalFile } from './scan.ts'

/** Data files of a table as files of this machine, until they are released. */
export type HeldTable = Omit<HeldFiles, 'paths'> & { readonly prefix: string; readonly files: readonly LocalFile[] }

/** Where DuckDB finds the data files of a store: in place where it is a folder, else in the cache. */
export type LocalFiles = {
  /** Every path is below one of these. */
  readonly folders: readonly string[]
  /** Of the table at `prefix`. Raises what file-cache.ts raises. */
  hold(prefix: string, adds: readonly AddFile[], signal?: AbortSignal): Promise<HeldTable>
  /** Removes copies of objects of the store; the objects themselves stay. */
  forget(paths: readonly string[]): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** `cache` is needed for a store that has no files on this machine, and used for nothing else. */
export async function openLocalFiles(
  store: ObjectStore,
  { cache, clock }: { readonly cache: FileCacheOptions | undefined; readonly clock: Clock },
): Promise<LocalFiles> {
  const root = store.localPath?.('lake')
  const folders = root !== undefined ? [dirname(root)] : cache ? [cache.folder] : []
  for (const folder of folders) await mkdir(folder, { recursive: true, mode: 0o700 })
  let opened: Promise<FileCache> | undefined
  const fileCache = () => {
    assert(cache, `a cache for the files of ${store.url}`)
    opened ??= openFileCache(store, { ...cache, clock }).catch((error: unknown) => {
      opened = undefined
      throw error
    })
    return opened
  }

  return {
    folders,

    async hold(prefix, adds, signal) {
      const places = adds.map((add) => ({ add, object: `${prefix}/${add.path}` }))
      const local = new Map(places.map(({ object }) => [object, store.localPath?.(object)]))
      const remote = places.filter(({ object }) => local.get(object) === undefined)
      const objects = remote.map(({ add, object }) => ({ path: object, size_bytes: add.size }))
      const nothing: HeldFiles = {
        paths: [],
        fetched_bytes: 0,
        cached_files: 0,
        [Symbol.asyncDispose]: async () => undefined,
      }
      const { paths, ...held } = objects.length === 0 ? nothing : await (await fileCache()).hold(objects, signal)
      remote.forEach(({ object }, i) => local.set(object, paths[i]))
      const files = places.map(({ add, object }) => {
        const path = local.get(object)
        assert(path !== undefined, `${object} is local`)
        return { add, path }
      })
      return { ...held, prefix, files }
    },

    async forget(paths) {
      if (cache) await (await fileCache()).forget(paths)
    },

    async [Symbol.asyncDispose]() {
      await (await opened)?.[Symbol.asyncDispose]()
    },
  }
}
