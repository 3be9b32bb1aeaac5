/**
 * Room that a log-disk.ts keeps for when its file system is full, in files of one size that are given up one by one, and
 * whose the room is that is free then. docs/decisions/123-room-for-a-full-disk.md says why.
 */
import { createCipheriv } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { syncFolderLater } from './folder.ts'
import { LOG_RESERVES, LOG_RESERVES_A_SEGMENT, LOG_RESERVES_LEFT } from './limits.ts'
import { asProblem } from './log-segments.ts'

/** Who writes. What deletes took is also the room of the writes that they were made for. */
export type Use = keyof typeof LOG_RESERVES_LEFT

type Taken = { readonly file: string; readonly descriptor: number }

const fsync = promisify(fs.fsync)
const ownerOf = (use: Use) => (use === 'cleaning' ? 'cleaning' : 'writes')

/** Looks at what is there; raises what the file system says. */
export function logReserve(folder: string, segment_bytes: number) {
  const file_bytes = Math.ceil(segment_bytes / LOG_RESERVES_A_SEGMENT)
  const files = Array.from({ length: LOG_RESERVES }, (_, i) => path.join(folder, `reserve.${i}`))
  /** Of the room that was given up, what its owner has not written yet. */
  const given = { cleaning: 0, writes: 0 }
  let tight = false
  let closed = false
  /** The form of an earlier version: one file. */
  fs.rmSync(path.join(folder, 'reserve'), { force: true })
  // A death on the way to a whole one, or a power cut before it was synced, left a shorter one, or a name without bytes.
  const there = new Set(files.filter((file) => fs.statSync(file, { throwIfNoEntry: false })?.size === file_bytes))
  for (const file of files) if (!there.has(file)) fs.rmSync(file, { force: true })

  /** Makes those that are not there, `most` at most: their room is taken when this returns, and durable soon after. */
  function keep(most = LOG_RESERVES): void {
    const taken: Taken[] = []
    for (const [i, file] of files.entries()) {
      if (there.has(file)) continue
      const descriptor = taken.length < most ? take(file, i) : undefined
      if (descriptor === undefined) break
      there.add(file)
      taken.push({ file, descriptor })
    }
    if (taken.length > 0) void settle(taken)
  }

  /** Undefined where there is no room for it, or it cannot be made: the next call tries again. */
  function take(file: string, number: number): number | undefined {
    let descriptor: number | undefined
    try {
      if (freeBytes(folder) < file_bytes) return undefined
      descriptor = fs.openSync(file, 'w', 0o600)
      fs.writeFileSync(descriptor, incompressible(file_bytes, number))
      return descriptor
    } catch {
      if (descriptor !== undefined) discard(file, descriptor)
      return undefined
    }
  }

  /** At once: who writes next needs what was written of it. */
  function discard(file: string, descriptor: number): void {
    try {
      fs.closeSync(descriptor)
      fs.rmSync(file, { force: true })
    } catch {
      // It is too short to be taken for whole, and the next one begins by emptying it.
    }
  }

  /** One at a time. The file system may find only now that it has no room. */
  async function settle(taken: readonly Taken[]): Promise<void> {
    for (const { file, descriptor } of taken) {
      try {
        if (!closed) await fsync(descriptor)
      } catch {
        fs.rm(file, { force: true }, () => there.delete(file))
      } finally {
        fs.close(descriptor, () => undefined)
      }
    }
    // A name that a power cut takes is missed at the next start, like one of which this fails.
    if (!closed) await syncFolderLater(folder).catch(() => undefined)
  }

  function relax() {
    tight = false
    Object.assign(given, { cleaning: 0, writes: 0 })
  }

  return {
    /** The disk was found full, and room is being won: what is free is its who had it given up. */
    get tight() {
      return tight
    },
    /** Nothing is left of the files that writes may take. */
    get scarce() {
      return there.size <= LOG_RESERVES_LEFT.writes
    },
    /**
     * At a start. Where files are missing, an earlier process may have died on the way: half of what is free is for
     * cleaning to go on, half for what a start must write before that has won anything.
     */
    open() {
      keep()
      if (there.size === LOG_RESERVES) return
      tight = true
      const half_bytes = freeBytes(folder) / 2
      Object.assign(given, { cleaning: half_bytes, writes: half_bytes })
    },
    keep,
    full() {
      tight = true
    },
    relax,
    admits: (use: Use, bytes: number) => !tight || given[ownerOf(use)] >= bytes,
    wrote(use: Use, bytes: number) {
      if (tight) given[ownerOf(use)] -= bytes
    },
    /** Gives one up where `use` may take one. Raises `limit` where the file system needs room for that, `unavailable`. */
    giveUp(use: Use): boolean {
      const [file] = there
      if (file === undefined || there.size <= LOG_RESERVES_LEFT[use]) return false
      try {
        // Its bytes first: a sync of it may still have it open, and without its name it would hold the room until that ends.
        if (fs.existsSync(file)) fs.truncateSync(file)
        fs.rmSync(file, { force: true })
      } catch (error) {
        throw asProblem(error, folder)
      }
      there.delete(file)
      return true
    },
    /** The room of one is its who had it given up, for as long as room is being won: after that it is anybody's. */
    credit(use: Use) {
      if (tight) given[ownerOf(use)] += file_bytes
    },
    close() {
      closed = true
    },
  }
}

/** What nobody can write more than; a file system without a bound tells 0 blocks. */
function freeBytes(folder: string): number {
  const { blocks, bfree, bsize } = fs.statfsSync(folder)
  return blocks === 0 ? Number.POSITIVE_INFINITY : bfree * bsize
}

/** What no file system makes smaller: neither compressed nor, each of another number, kept once for several. */
function incompressible(bytes: number, number: number): Buffer {
  const counter = Buffer.alloc(16)
  counter.writeUInt32BE(number)
  return createCipheriv('aes-128-ctr', Buffer.alloc(16), counter).update(Buffer.alloc(bytes))
}
