import { createHash } from 'node:crypto'
import {
  type FileHandle,
  link,
  mkdir,
  mkdtemp,
  open,
  readdir,
  rename,
  rm,
  stat,
  unlink,
  utimes,
} from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Clock } from '../contract/clock.ts'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import { inParallel, turnstile } from './in-parallel.ts'
import { FETCHES_AT_ONCE, RANGE_BYTES } from './limits.ts'
import type { ObjectStore } from './object-store.ts'

/** A data file: immutable, under a random name, of the size that its table's log says. */
export type DataObject = { readonly path: string; readonly size_bytes: number }

export type FileCacheOptions = {
  readonly folder: string
  /** Files in use count, and one process may hold no more than this. */
  readonly max_bytes: number
}

export type HeldFiles = {
  /** Local files, in the order of the objects. */
  readonly paths: readonly string[]
  /** Bytes that had to be fetched; the other files were here. */
  readonly fetched_bytes: number
  readonly cached_files: number
  /** Releases them. */
  [Symbol.asyncDispose](): Promise<void>
}

export type FileCache = {
  /**
   * Whole local copies, kept until they are released. Raises `limit` for more than may be held, `corrupt` for a file
   * that is not what the log says, `missing` for one that is gone, `unavailable` when the disk is full, and the
   * signal's reason.
   */
  hold(objects: readonly DataObject[], signal?: AbortSignal): Promise<HeldFiles>
  /** Removes copies of objects; those in use are gone when they are released. */
  forget(paths: readonly string[]): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

type Entry = { readonly path: string; readonly size_bytes: number; users: number; readonly ready: Promise<boolean> }

/**
 * Copies of data files on the local disk, for any number of processes at once:
 *
 *     data/<hash of the path>-<size>.parquet    whole files; the oldest use goes first
 *     held/<pid>-<chance>/                       what one process uses, as hard links, and what it is fetching
 *
 * A file with more than one link is in use, by whichever process, and is not removed; whoever loses a race to one that
 * was removed fetches it again. What a killed process held is removed by the next that opens the cache.
 */
export async function openFileCache(
  store: ObjectStore,
  { folder, max_bytes, clock }: FileCacheOptions & { readonly clock: Clock },
): Promise<FileCache> {
  const data = join(folder, 'data')
  const held = join(folder, 'held')
  await onDisk(folder, async () => {
    await mkdir(data, { recursive: true })
    await mkdir(held, { recursive: true })
    await removeLeftovers(held)
  })
  const own = await onDisk(folder, () => mkdtemp(join(held, `${process.pid}-`)))
  const entries = new Map<string, Entry>()
  const filesInTurn = turnstile(FETCHES_AT_ONCE)
  const rangesInTurn = turnstile(FETCHES_AT_ONCE)
  const oneByOne = turnstile(1)
  /** Files that are being let go of: their names are free when that is done. */
  const leaving = new Map<string, Promise<void>>()
  let held_bytes = 0
  let fetching_bytes = 0
  /** What may be fetched before the folder is looked at again. */
  let granted_bytes = 0

  /** Takes the file that is there; false when none is, or not a whole one. */
  async function adopt(name: string, path: string, size_bytes: number): Promise<boolean> {
    try {
      await link(join(data, name), path)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false
      throw error
    }
    const { size, mtimeMs } = await stat(path)
    if (size === size_bytes) {
      // The time of change stays: DuckDB goes by it to know what it read before.
      await utimes(path, clock.now() / 1000, mtimeMs / 1000)
      return true
    }
    await rm(path)
    await rm(join(data, name), { force: true })
    return false
  }

  /** Looks at the folder once for many files: they are a tenth of the cache, or the one that is larger. */
  async function grant(size_bytes: number): Promise<void> {
    if (granted_bytes < size_bytes) {
      const asked_bytes = Math.max(size_bytes, max_bytes / 10)
      await makeRoom(data, max_bytes - fetching_bytes - asked_bytes)
      granted_bytes = asked_bytes
    }
    granted_bytes -= size_bytes
    fetching_bytes += size_bytes
  }

  async function fetch(object: DataObject, name: string, path: string, wanted: () => boolean): Promise<void> {
    const { size_bytes } = object
    await oneByOne(() => grant(size_bytes))
    try {
      await using file = await open(`${path}.part`, 'w')
      await inParallel(Math.max(1, Math.ceil(size_bytes / RANGE_BYTES)), FETCHES_AT_ONCE, (index) =>
        rangesInTurn(async () => {
          if (!wanted()) throw new Problem('closed', `nobody waits for ${object.path} any more`)
          await fetchRange(store, object, index * RANGE_BYTES, file)
        }),
      )
      await file.utimes(clock.now() / 1000, clock.now() / 1000)
      // A copy that a power cut left torn would be believed.
      await file.sync()
      await rename(`${path}.part`, path)
      await link(path, join(data, name)).catch((error: unknown) => {
        if (codeOf(error) !== 'EEXIST') throw error // EEXIST: another process was first
      })
    } finally {
      fetching_bytes -= size_bytes
    }
  }

  function enter(object: DataObject): Entry {
    const name = nameOf(object)
    const known = entries.get(name)
    if (known) {
      known.users++
      return known
    }
    const path = join(own, name)
    const entry: Entry = {
      ...{ path, size_bytes: object.size_bytes, users: 1 },
      ready: onDisk(folder, async () => {
        await leaving.get(name)
        return await filesInTurn(async () => {
          if (await adopt(name, path, object.size_bytes)) return false
          await fetch(object, name, path, () => entry.users > 0)
          return true
        })
      }),
    }
    entry.ready.catch(() => undefined) // told to each who waits for it
    entries.set(name, entry)
    held_bytes += object.size_bytes
    return entry
  }

  async function leave(object: DataObject, entry: Entry): Promise<void> {
    entry.users--
    if (entry.users > 0) return
    const name = nameOf(object)
    entries.delete(name)
    held_bytes -= entry.size_bytes
    const end = entry.ready
      .catch(() => undefined) // told to those who waited for it
      .then(() => removeOwn(entry.path))
      .finally(() => {
        if (leaving.get(name) === end) leaving.delete(name)
      })
    leaving.set(name, end)
    await end
  }

  return {
    async hold(objects, signal) {
      signal?.throwIfAborted()
      const more = new Map(objects.map((object) => [nameOf(object), object.size_bytes]))
      for (const name of entries.keys()) more.delete(name)
      const wanted_bytes = held_bytes + [...more.values()].reduce((sum, size_bytes) => sum + size_bytes, 0)
      if (wanted_bytes > max_bytes) {
        throw new Problem(
          'limit',
          `${megabytes(wanted_bytes)} of data files would be in use at once, and the cache in ${folder} may have ${megabytes(max_bytes)}: ask for fewer days, or raise lake.cache_mb`,
        )
      }
      const taken = objects.map((object) => ({ object, entry: enter(object) }))
      const release = async () => {
        for (const { object, entry } of taken.splice(0)) await leave(object, entry)
      }
      try {
        const fetched = await unlessAborted(Promise.all(taken.map(({ entry }) => entry.ready)), signal)
        const paths = taken.map(({ entry }) => entry.path)
        const fetched_bytes = taken.reduce((sum, { entry }, i) => sum + (fetched[i] ? entry.size_bytes : 0), 0)
        return {
          paths,
          fetched_bytes,
          cached_files: fetched.filter((one) => !one).length,
          [Symbol.asyncDispose]: release,
        }
      } catch (error) {
        const left = release()
        // Ranges on their way are not waited for by whoever gave up.
        if (!signal?.aborted) await left
        throw error
      }
    },

    async forget(paths) {
      const hashes = new Set(paths.map(hashOf))
      await onDisk(folder, async () => {
        for (const name of await readdir(data)) {
          if (hashes.has(hashIn(name))) await rm(join(data, name), { force: true })
        }
      })
    },

    async [Symbol.asyncDispose]() {
      for (const entry of entries.values()) entry.users = 0
      await Promise.all([...entries.values()].map(({ ready }) => ready.catch(() => undefined)))
      await Promise.all(leaving.values())
      await rm(own, { recursive: true, force: true })
    },
  }
}

/** What cannot be removed is removed by the next that opens the cache. */
async function removeOwn(path: string): Promise<void> {
  await Promise.allSettled([rm(path, { force: true }), rm(`${path}.part`, { force: true })])
}

/** Fetches one range to its place. The last asks for a byte more than there should be. */
async function fetchRange(
  store: ObjectStore,
  { path, size_bytes }: DataObject,
  start: number,
  file: FileHandle,
): Promise<void> {
  const end = Math.min(size_bytes, start + RANGE_BYTES)
  const last = end === size_bytes
  const bytes = await readRange(store, path, { start, end: last ? end + 1 : end })
  const expected = end - start
  if (bytes.length !== expected) {
    const found = bytes.length > expected ? 'more' : `only ${start + bytes.length}`
    throw damaged(store, path, `has ${found} bytes, and ${size_bytes} by the log of its table`)
  }
  const whole = (start > 0 || isMagic(bytes.subarray(0, 4))) && (!last || isMagic(bytes.subarray(-4)))
  if (!whole) throw damaged(store, path, 'is no Parquet file')
  for (let written = 0; written < bytes.length; ) {
    written += (await file.write(bytes, written, bytes.length - written, start + written)).bytesWritten
  }
}

async function readRange(store: ObjectStore, path: string, range: { start: number; end: number }): Promise<Uint8Array> {
  try {
    return await store.get(path, range)
  } catch (error) {
    if (!isProblem(error, 'missing')) throw error
    const text = `the data file ${path} is no longer in ${store.url}: ask for a newer version of its table, or restore the file`
    throw new Problem('missing', text, { cause: error })
  }
}

/** For a data file whose bytes are not what was written. */
function damaged(store: ObjectStore, path: string, found: string): Problem {
  const text = `the data file ${path} in ${store.url} ${found}: it was damaged or replaced; restore it from a copy or an older version of the object`
  return new Problem('corrupt', text)
}

/** Parquet begins and ends with these. */
function isMagic(bytes: Uint8Array): boolean {
  return Buffer.from(bytes).toString('latin1') === 'PAR1'
}

/** Removes files that nobody uses, the oldest use first, until all take no more than `max_bytes`. */
async function makeRoom(data: string, max_bytes: number): Promise<void> {
  const files: { path: string; size: number; used_ms: number; free: boolean }[] = []
  for (const name of await readdir(data)) {
    const path = join(data, name)
    const found = await stat(path).catch(absentIsFine)
    if (found) files.push({ path, size: found.size, used_ms: found.atimeMs, free: found.nlink === 1 })
  }
  let bytes = files.reduce((sum, { size }) => sum + size, 0)
  for (const { path, size } of files.filter(({ free }) => free).sort((a, b) => a.used_ms - b.used_ms)) {
    if (bytes <= max_bytes) return
    await unlink(path).catch(absentIsFine)
    bytes -= size
  }
}

async function removeLeftovers(held: string): Promise<void> {
  for (const name of await readdir(held)) {
    if (!isAlive(Number.parseInt(name, 10))) await rm(join(held, name), { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await work
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

async function onDisk<T>(folder: string, use: () => Promise<T>): Promise<T> {
  try {
    return await use()
  } catch (error) {
    const code = codeOf(error)
    if (isProblem(error) || code === undefined) throw error
    const text =
      code === 'ENOSPC' || code === 'EDQUOT'
        ? `the disk of the cache ${folder} is full: free some space, or lower lake.cache_mb`
        : `the cache ${folder} cannot be used: ${messageOf(error)}`
    throw new Problem('unavailable', text, { cause: error })
  }
}

function absentIsFine(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

const hashOf = (path: string) => createHash('sha256').update(path).digest('hex').slice(0, 32)
const nameOf = ({ path, size_bytes }: DataObject) => `${hashOf(path)}-${size_bytes}.parquet`
const hashIn = (name: string) => basename(name).slice(0, 32)
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`
