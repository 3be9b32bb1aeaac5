import type { Dirent } from 'node:fs'
import {
  constants,
  copyFile,
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  rename,
  stat,
  unlink,
} from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { messageOf, Problem } from '../contract/problem.ts'
import { DURABLE_FOLDERS_MAX } from './limits.ts'
import type { ByteRange, ObjectMeta, ObjectStore } from './object-store.ts'
import { checkPath, checkPrefix, TEMPORARY_PREFIX } from './path.ts'

/**
 * Objects as files of a folder. A put writes a temporary file beside its target, syncs it, gives it its name (`link`
 * for ifAbsent, which fails when the name is taken; `rename` else) and syncs the folder and its ancestors, so what has
 * resolved survives a power cut. A `{file}` body on the same file system is taken by a hard link, not copied: do not
 * change that file afterwards. Raises `unavailable` when the disk refuses (full, read-only): `did-not-happen` before
 * the name is given, `unknown` after.
 */
export function openFolderStore(root: string, { syncFolder } = { syncFolder: syncFolderOfDisk }): ObjectStore {
  const base = resolve(root)
  const durable = new Set<string>()
  /** Folders whose last sync failed: what a reader finds there may be gone after a power cut. */
  const doubtful = new Set<string>()
  let counter = 0

  async function temporary(folder: string, body: Uint8Array | { readonly file: string }): Promise<string> {
    for (;;) {
      const path = join(folder, `${TEMPORARY_PREFIX}${process.pid}-${counter++}`)
      try {
        await fill(path, body)
        return path
      } catch (error) {
        if (code(error) !== 'EEXIST') {
          await unlinkIfThere(path)
          throw error
        }
      }
    }
  }

  /** Syncs `folder` always, and once in this store's life each ancestor up to the root's own parent. */
  async function syncFolders(folder: string): Promise<void> {
    await syncFolder(folder)
    if (durable.has(folder)) return
    for (let up = folder; up.length > base.length; ) {
      up = dirname(up)
      await syncFolder(up)
    }
    await syncFolder(dirname(base))
    if (durable.size >= DURABLE_FOLDERS_MAX) durable.clear()
    durable.add(folder)
  }

  /** Seen is not yet durable: who reads back a put whose sync failed (as a commit does) must not take it for safe. */
  async function settle(path: string): Promise<void> {
    const folder = dirname(join(base, checkPath(path)))
    if (!doubtful.has(folder)) return
    try {
      await syncFolders(folder)
    } catch (error) {
      throw unavailable('syncing the folder of', path, error)
    }
    doubtful.delete(folder)
  }

  return {
    url: pathToFileURL(base).href,
    localPath: (path) => join(base, checkPath(path)),

    async get(path, range) {
      await settle(path)
      return await reading(path, async () => {
        const file = await open(join(base, checkPath(path)), 'r')
        try {
          return range ? await readRange(file, range) : await file.readFile()
        } finally {
          await file.close()
        }
      })
    },

    async head(path) {
      await settle(path)
      try {
        return await metaOf(base, path)
      } catch (error) {
        if (isAbsent(error)) return undefined
        throw unavailable('reading', path, error)
      }
    },

    async put(path, body, options) {
      const target = join(base, checkPath(path))
      const folder = dirname(target)
      let scratch: string
      try {
        await mkdir(folder, { recursive: true })
        scratch = await temporary(folder, body)
      } catch (error) {
        throw unavailable('writing', path, error)
      }
      try {
        if (options?.ifAbsent) await link(scratch, target)
        else await rename(scratch, target)
      } catch (error) {
        await unlinkIfThere(scratch)
        if (code(error) === 'EEXIST') {
          throw new Problem('conflict', `${path} exists already in ${base}`, { cause: error })
        }
        throw unavailable('writing', path, error)
      }
      try {
        if (options?.ifAbsent) await unlink(scratch)
        await syncFolders(folder)
      } catch (error) {
        doubtful.add(folder)
        throw unavailable('writing', path, error, 'unknown')
      }
    },

    async *list(prefix, options) {
      const trimmed = checkPrefix(prefix)
      yield* walk(base, trimmed, options?.startAfter ?? '')
    },

    async delete(path) {
      const target = join(base, checkPath(path))
      try {
        await unlinkIfThere(target)
      } catch (error) {
        throw unavailable('deleting', path, error, 'unknown')
      }
    },
  }
}

async function fill(path: string, body: Uint8Array | { readonly file: string }): Promise<void> {
  if (body instanceof Uint8Array) {
    const file = await open(path, 'wx')
    try {
      await file.writeFile(body)
      await file.sync()
    } finally {
      await file.close()
    }
    return
  }
  try {
    await link(body.file, path)
  } catch (error) {
    if (code(error) !== 'EXDEV' && code(error) !== 'EPERM') throw error
    await copyFile(body.file, path, constants.COPYFILE_EXCL)
  }
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

async function readRange(file: FileHandle, range: ByteRange): Promise<Uint8Array> {
  const { size } = await file.stat()
  const start = Math.min(Math.max(0, range.start), size)
  const bytes = new Uint8Array(Math.max(0, Math.min(range.end, size) - start))
  let filled = 0
  while (filled < bytes.length) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, start + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return bytes.subarray(0, filled)
}

/** Depth first in the order of whole paths; only what lies after `startAfter` is looked at. */
async function* walk(base: string, prefix: string, startAfter: string): AsyncIterable<ObjectMeta> {
  let entries: Dirent[]
  try {
    entries = await readdir(join(base, prefix), { withFileTypes: true })
  } catch (error) {
    if (isAbsent(error)) return
    throw unavailable('listing', prefix, error)
  }
  const keyed = entries
    .filter((entry) => !entry.name.startsWith(TEMPORARY_PREFIX))
    .map((entry) => {
      const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`
      return { path, folder: entry.isDirectory(), key: entry.isDirectory() ? `${path}/` : path }
    })
    .filter(({ key, folder }) => key > startAfter || (folder && startAfter.startsWith(key)))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
  for (const { path, folder } of keyed) {
    if (folder) yield* walk(base, path, startAfter)
    else {
      try {
        yield await metaOf(base, path)
      } catch (error) {
        if (!isAbsent(error)) throw unavailable('listing', path, error)
      }
    }
  }
}

async function metaOf(base: string, path: string): Promise<ObjectMeta> {
  const { size, mtimeMs } = await stat(join(base, path))
  return { path, size_bytes: size, modified_ms: Math.floor(mtimeMs) }
}

async function syncFolderOfDisk(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (!isAbsent(error)) throw error
  }
}

async function reading<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (isAbsent(error)) throw new Problem('missing', `there is no object ${path}`, { cause: error })
    throw error instanceof Problem ? error : unavailable('reading', path, error)
  }
}

function unavailable(doing: string, path: string, cause: unknown, outcome?: 'unknown'): Problem {
  const advice =
    code(cause) === 'ENOSPC'
      ? ': the disk is full, free some space'
      : code(cause) === 'EROFS' || code(cause) === 'EACCES'
        ? ': the folder cannot be written by this user'
        : `: ${messageOf(cause)}`
  return new Problem('unavailable', `${doing} ${path} failed${advice}`, { cause, ...(outcome && { outcome }) })
}

function code(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function isAbsent(error: unknown): boolean {
  return code(error) === 'ENOENT' || code(error) === 'ENOTDIR'
}
