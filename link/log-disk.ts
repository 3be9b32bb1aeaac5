/**
 * A disk as a log of segments with an index of its keys in memory: a write is one write(2) at the end of the newest
 * segment, a read one pread(2). What is overwritten or deleted is garbage in older segments; they are cleaned from the
 * oldest on, by copying what still counts to the end, so that the files stay within about twice what is kept. The idea
 * is Bitcask's (Sheehy and Smith, 2010). docs/decisions/127-a-log-for-the-relays-ledger.md has the figures.
 *
 * Crashes. A frame that is not whole ends the log: the process or the machine died while it was written. It can only be
 * in the newest segment, or, after a power cut, in one that was not synced before newer ones were begun; what follows it
 * was not synced either and goes. A segment below a mark was synced: damage there is told, never left out. A segment is
 * unlinked once what was copied from it is synced, one at a time, each followed by a sync of the folder: one that a power
 * cut brings back says what the next ones say again.
 */
import fs from 'node:fs'
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import type { Disk, DiskChange } from './disk.ts'
import { syncFolderLater } from './folder.ts'
import { LOG_CLEAN_AT_ONCE_BYTES, LOG_GARBAGE_MIN_BYTES, LOG_SEGMENT_BYTES } from './limits.ts'
import { type FramedChange, frameWriter, HEADER_BYTES, readFrames, weightOf } from './log-frame.ts'
import { logReserve, type Use } from './log-reserve.ts'
import { asProblem, createSegment, lockFolder, openSegments, type Segment } from './log-segments.ts'
import { sharedRun } from './shared-run.ts'

type Entry = { readonly segment: Segment; readonly at: number; readonly bytes: number; readonly weight: number }

type Place = { readonly number: number; readonly end: number }

export type LogDiskOptions = {
  readonly segment_bytes?: number
  readonly garbage_min_bytes?: number
  /** Cleaning failed: nothing is lost, and it is tried again. */
  readonly fault?: (error: unknown) => void
}

/**
 * Opens, and if it is not there creates, the disk in `folder`. The folder belongs to this process until `close`.
 * Raises `conflict` when another process has it, `corrupt` when it is something else, damaged or of a newer format,
 * `unavailable` when the folder cannot be written. On a full disk `write` raises `limit`, and nothing of it was kept;
 * after a sync that failed everything raises `unavailable`.
 */
export function openLogDisk(folder: string, options: LogDiskOptions = {}): Disk {
  const { segment_bytes = LOG_SEGMENT_BYTES, garbage_min_bytes = LOG_GARBAGE_MIN_BYTES } = options
  const lock = lockFolder(folder)
  const index = new Map<string, Entry>()
  const frame = frameWriter()
  const reserve = opened(() => logReserve(folder, segment_bytes))
  let live_bytes = 0
  const segments = opened(() =>
    openSegments(folder, (segment, { kind, key, at, bytes }) => {
      if (kind === 'put') know(key, { segment, at, bytes, weight: weightOf(key, bytes) })
      else if (kind === 'delete') forget(key)
    }),
  )
  let total_bytes = segments.reduce((sum, { end }) => sum + end, 0)
  /** To be synced; and is the name of a new one? What was read may never have been. */
  const dirty = new Set<Segment>(segments)
  let newName = true
  let marked: Place = { number: 0, end: 0 }
  let broken: Problem | undefined
  let closed = false
  let cleaning = false

  function opened<T>(open: () => T): T {
    try {
      return open()
    } catch (error) {
      lock.close()
      throw asProblem(error, folder)
    }
  }

  const newest = () => segments[segments.length - 1] ?? begin(1)
  opened(() => {
    newest()
    reserve.open()
  })

  function begin(number: number): Segment {
    const segment = createSegment(folder, number)
    segments.push(segment)
    total_bytes += segment.end
    dirty.add(segment)
    newName = true
    return segment
  }

  const closedProblem = () => new Problem('closed', `the disk ${folder} is closed`)

  function assertUsable() {
    if (closed) throw closedProblem()
    if (broken) throw broken
  }

  /** … and where the disk is full, into the room that is kept for that, of which each use leaves so much to the next. */
  function appendInNeed(use: Use): { readonly segment: Segment; readonly at: number } {
    for (;;) {
      try {
        const bytes = frame.bytes
        // While room is being won, what is free is what somebody gave up, to write just that.
        if (!reserve.admits(use, bytes)) cleanSoon()
        if (!reserve.admits(use, bytes)) throw new Problem('limit', `no room to write ${folder}: free disk space`)
        const place = append()
        reserve.wrote(use, bytes)
        return place
      } catch (error) {
        if (!isProblem(error, 'limit')) throw error
        const more = reserve.giveUp(use)
        // It goes by what is left, and says whether room is being won.
        cleanSoon()
        if (!more) throw error
        reserve.credit(use)
      }
    }
  }

  /** Writes the frame at the end of the newest segment, whole or not at all, and says where it begins. */
  function append(): { readonly segment: Segment; readonly at: number } {
    const bytes = frame.finish()
    try {
      const last = newest()
      const segment = last.end >= segment_bytes ? begin(last.number + 1) : last
      const at = segment.end
      writeAll(segment, bytes)
      segment.end += bytes.length
      total_bytes += bytes.length
      dirty.add(segment)
      return { segment, at }
    } catch (error) {
      const problem = asProblem(error, folder)
      if (problem.kind === 'limit') reserve.full()
      throw problem
    }
  }

  function writeAll(segment: Segment, bytes: Buffer) {
    try {
      for (let done = 0; done < bytes.length; )
        done += fs.writeSync(segment.descriptor, bytes, done, bytes.length - done, segment.end + done)
    } catch (error) {
      try {
        // What was written of it must not lie behind a shorter frame.
        fs.ftruncateSync(segment.descriptor, segment.end)
      } catch (second) {
        broken = asProblem(second, folder)
      }
      throw error
    }
  }

  function forget(key: string) {
    const entry = index.get(key)
    if (!entry) return
    entry.segment.live_bytes -= entry.weight
    live_bytes -= entry.weight
    index.delete(key)
  }

  function know(key: string, entry: Entry) {
    forget(key)
    index.set(key, entry)
    entry.segment.live_bytes += entry.weight
    live_bytes += entry.weight
  }

  async function flush(): Promise<void> {
    assertUsable()
    const mine = [...dirty]
    const named = newName
    const last = newest()
    const synced = { number: last.number, end: last.end }
    dirty.clear()
    newName = false
    try {
      for (const { descriptor } of mine) await datasync(descriptor)
      if (named) await syncFolderLater(folder)
    } catch (error) {
      // The kernel tells it once, and the next sync would succeed without what was lost: only reading it anew helps.
      const advice = 'what was written last may be lost; mend the disk and start again'
      broken = new Problem('unavailable', `cannot sync ${folder}: ${messageOf(error)}: ${advice}`, {
        outcome: 'unknown',
      })
      throw broken
    }
    mark(synced)
    // While room is being won, cleaning does.
    if (!closed && !reserve.tight) reserve.keep(1)
  }

  /** Where there is more to tell than at the last one: a mark alone needs none. */
  function mark({ number, end }: Place) {
    if (closed || (number === marked.number && end - marked.end < MARK_EACH_BYTES)) return
    frame.begin()
    frame.mark(number, end)
    try {
      append()
      marked = { number, end }
    } catch {
      // The next sync tries it again: a mark only tells damage from a power cut.
      if (reserve.tight) cleanSoon()
    }
  }

  const flushes = sharedRun(flush)

  function sync(): Promise<void> {
    return closed ? Promise.reject(closedProblem()) : flushes.run()
  }

  const isClosed = () => closed
  const wantsCleaning = () => {
    const garbage_bytes = total_bytes - live_bytes
    const least_bytes = reserve.tight ? segment_bytes / 2 : garbage_min_bytes
    return segments.length > 1 && garbage_bytes > Math.max(least_bytes, live_bytes * worthwhile()) && !broken
  }
  /** The part of what counts that the garbage must be: all of that may be copied for it. Where writes have no room left, any. */
  const worthwhile = () => {
    if (!reserve.tight) return 1
    return reserve.scarce ? 0 : TIGHT_GARBAGE_PART
  }

  async function clean(): Promise<void> {
    // Who calls it may be in the midst of a frame, and a sync ends with a mark in the same buffer.
    await turn()
    while (!isClosed() && wantsCleaning()) {
      const [oldest] = segments
      if (!oldest) return
      if (oldest.live_bytes > 0) await copyLive(oldest)
      if (closed) return
      // What made it garbage must not go in a power cut that it does not come back from.
      await sync()
      if (closed) return
      // One that cannot be unlinked stays the oldest: a gap would be damage.
      await fs.promises.rm(oldest.file, { force: true })
      segments.shift()
      total_bytes -= oldest.end
      if (!isClosed()) {
        fs.closeSync(oldest.descriptor)
        // Before others take the room that was won: the next one may need it.
        if (reserve.tight) reserve.keep()
      }
      await syncFolderLater(folder)
    }
    reserve.relax()
  }

  /** Writes what still counts of a segment anew, a little at a time. */
  async function copyLive(oldest: Segment): Promise<void> {
    // By its descriptor: an earlier opener of this folder may just be unlinking it.
    const bytes = await contentOf(oldest)
    if (closed) return
    for (let at = HEADER_BYTES; at < oldest.end; ) {
      const live: { readonly key: string; readonly entry: Entry }[] = []
      const take = ({ kind, key, at: place }: FramedChange) => {
        const entry = kind === 'put' ? index.get(key) : undefined
        if (entry?.segment === oldest && entry.at === place) live.push({ key, entry })
      }
      const next = readFrames(bytes, take, at, at + LOG_CLEAN_AT_ONCE_BYTES)
      if (next === at)
        throw new Problem('corrupt', `${oldest.file} is damaged at byte ${at}; restore the disk from a copy`)
      at = next
      if (live.length > 0) copy(live, bytes)
      await turn()
      if (closed) return
    }
  }

  function copy(live: readonly { readonly key: string; readonly entry: Entry }[], bytes: Buffer): void {
    frame.begin()
    const places = live.map(({ key, entry }) => frame.put(key, bytes.subarray(entry.at, entry.at + entry.bytes)))
    const { segment, at } = appendInNeed('cleaning')
    for (const [i, { key, entry }] of live.entries()) know(key, { ...entry, segment, at: at + (places[i] ?? 0) })
  }

  function cleanSoon() {
    if (cleaning) return
    if (!wantsCleaning()) {
      reserve.relax()
      return
    }
    cleaning = true
    clean()
      .catch((error: unknown) => {
        if (closed) return undefined
        reserve.relax()
        options.fault?.(error)
        return pause(CLEAN_AGAIN_MS, undefined, { ref: false })
      })
      .finally(() => {
        cleaning = false
      })
  }

  const valueOf = ({ segment, at, bytes }: Entry): Uint8Array => {
    const value = Buffer.allocUnsafe(bytes)
    try {
      for (let done = 0; done < bytes; ) {
        const read = fs.readSync(segment.descriptor, value, done, bytes - done, at + done)
        if (read === 0) throw new Problem('corrupt', `${segment.file} ends before byte ${at + bytes}; restore the disk`)
        done += read
      }
    } catch (error) {
      if (isProblem(error)) throw error
      const where = `${segment.file} cannot be read at byte ${at}`
      throw new Problem('corrupt', `${where}: ${messageOf(error)}; restore the disk`, { cause: error })
    }
    return value
  }

  // A death on a full disk may have left it half cleaned.
  if (reserve.tight) cleanSoon()

  return {
    get(key) {
      assertUsable()
      const entry = index.get(key)
      return entry && valueOf(entry)
    },
    scan(from, to, limit = Number.POSITIVE_INFINITY) {
      assertUsable()
      const bounds = [Buffer.from(from), Buffer.from(to)] as const
      const found: { readonly key: string; readonly bytes: Buffer }[] = []
      for (const key of index.keys()) {
        const bytes = Buffer.from(key)
        if (bytes.compare(bounds[0]) >= 0 && bytes.compare(bounds[1]) < 0) found.push({ key, bytes })
      }
      found.sort((a, b) => a.bytes.compare(b.bytes))
      return found.slice(0, limit).map(({ key }) => {
        const entry = index.get(key)
        return { key, value: entry ? valueOf(entry) : new Uint8Array() }
      })
    },
    write(changes) {
      assertUsable()
      if (changes.length === 0) return
      frame.begin()
      const places = changes.map((change) =>
        'put' in change ? frame.put(change.put, change.value) : frame.delete(change.delete),
      )
      const { segment, at } = appendInNeed(freesRoom(changes) ? 'deletes' : 'writes')
      for (const [i, change] of changes.entries()) {
        if (!('put' in change)) forget(change.delete)
        else {
          const { put, value } = change
          const weight = weightOf(put, value.length)
          know(put, { segment, at: at + (places[i] ?? 0), bytes: value.length, weight })
        }
      }
      cleanSoon()
    },
    sync,
    close() {
      if (closed) return
      closed = true
      reserve.close()
      lock.close()
      const release = () => {
        for (const { descriptor } of segments) fs.closeSync(descriptor)
      }
      // A descriptor that fdatasync is using must not be closed under it: its number could be another file's by then.
      if (flushes.running) flushes.running.then(release, release)
      else release()
    },
  }
}

const read = promisify(fs.read)
/** Beside what it deletes, a write that frees room may put so much into the room that is kept for it. */
const FREEING_PUT_MAX_BYTES = 4_096
/** So much is synced again before a mark says so; damage to the last of it can pass for a power cut. */
const MARK_EACH_BYTES = 4_096
/** On a full disk, of what counts: so much garbage makes cleaning worth it. */
const TIGHT_GARBAGE_PART = 1 / 4
/** Between a cleaning that failed and the next one. */
const CLEAN_AGAIN_MS = 10_000

function freesRoom(changes: readonly DiskChange[]): boolean {
  let put_bytes = 0
  for (const change of changes) if ('put' in change) put_bytes += change.value.length
  return put_bytes <= FREEING_PUT_MAX_BYTES && changes.some((change) => 'delete' in change)
}

async function contentOf({ descriptor, end, file }: Segment): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(end)
  for (let done = 0; done < end; ) {
    const { bytesRead } = await read(descriptor, bytes, done, end - done, done)
    if (bytesRead === 0) throw new Problem('corrupt', `${file} ends at byte ${done}; restore the disk from a copy`)
    done += bytesRead
  }
  return bytes
}

function datasync(descriptor: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.fdatasync(descriptor, (error) => (error ? reject(error) : resolve()))
  })
}
