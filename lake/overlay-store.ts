import { isProblem, Problem } from '../contract/problem.ts'
import type { ObjectStore } from './object-store.ts'
import { checkPath } from './path.ts'

/**
 * `base` as it is, with what is put kept in `top` alone: for trying something out that must leave no trace.
 * A Delta log that was written to is a fork: from that version on the base's own later commits are not seen, so that a
 * table never mixes two histories. `delete` works on `top` alone; what is in the base cannot be deleted.
 */
export function overlayStore(base: ObjectStore, top: ObjectStore): ObjectStore {
  /** What was put and may be a local file of `top`. */
  const put = new Set<string>()
  /** By folder of a log: the first of its objects that is of the fork. */
  const forks = new Map<string, string>()

  const isForked = (path: string) => {
    const first = forks.get(folderOf(path))
    return first !== undefined && path >= first
  }

  return {
    url: `${base.url} (tried out)`,
    localPath: (path) => (put.has(checkPath(path)) ? top : base).localPath?.(path),

    async get(path, range) {
      try {
        return await top.get(path, range)
      } catch (error) {
        if (!isProblem(error, 'missing') || isForked(path)) throw error
        return await base.get(path, range)
      }
    },

    async head(path) {
      return (await top.head(path)) ?? (isForked(path) ? undefined : await base.head(path))
    },

    async put(path, body, options) {
      if (options?.ifAbsent && !isForked(path) && (await base.head(path))) {
        throw new Problem('conflict', `${path} exists already in ${base.url}`)
      }
      await top.put(path, body, options)
      put.add(path)
      const folder = folderOf(path)
      if (!folder.endsWith('_delta_log')) return
      const first = forks.get(folder)
      if (first === undefined || path < first) forks.set(folder, path)
    },

    async *list(prefix, options) {
      const own = top.list(prefix, options)[Symbol.asyncIterator]()
      let next = await own.next()
      for await (const meta of base.list(prefix, options)) {
        for (; !next.done && next.value.path < meta.path; next = await own.next()) yield next.value
        if (!next.done && next.value.path === meta.path) continue
        if (!isForked(meta.path)) yield meta
      }
      for (; !next.done; next = await own.next()) yield next.value
    },

    async delete(path) {
      await top.delete(path)
      put.delete(path)
    },
  }
}

function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}
