import { Problem } from '../contract/problem.ts'
import type { Disk, DiskChange } from './disk.ts'

export type MemoryDisk = Disk & {
  /** Writes that a power cut may take. */
  readonly unsynced: number
  /** The disk as after a power cut: of what was not synced only the first `kept` writes are there. The old one is closed. */
  crash(kept?: number): MemoryDisk
  /** The disk as after the end of the process: everything written is there. The old one is closed. */
  kill(): MemoryDisk
  /** The next `count` writes raise `limit`, as on a full disk. */
  fill(count: number): void
}

type Entries = ReadonlyMap<string, Uint8Array>

/** A disk for tests and simulation that knows what was synced. `sync` takes effect when it resolves, a turn later. */
export function memoryDisk(): MemoryDisk {
  return open(new Map(), new Map(), [])
}

/** `writes` made `initial` of `alreadySynced`. */
function open(initial: Entries, alreadySynced: Entries, writes: readonly (readonly DiskChange[])[]): MemoryDisk {
  const entries = new Map(initial)
  let synced = alreadySynced
  const since = [...writes]
  let syncedWrites = 0
  let keys: readonly string[] | undefined
  let closed = false
  let full = 0

  function assertOpen() {
    if (closed) throw new Problem('closed', 'the disk is closed')
  }

  function write(changes: readonly DiskChange[]) {
    assertOpen()
    if (full > 0) {
      full--
      throw new Problem('limit', 'no room on the disk: nothing of this write was kept')
    }
    const copies = changes.map((each) => ('put' in each ? { ...each, value: Uint8Array.from(each.value) } : each))
    since.push(copies)
    if (apply(entries, copies)) keys = undefined
  }

  return {
    get(key) {
      assertOpen()
      return entries.get(key)
    },
    scan(from, to, limit = Number.POSITIVE_INFINITY) {
      assertOpen()
      keys ??= [...entries.keys()].sort(byUtf8)
      const found: { key: string; value: Uint8Array }[] = []
      for (let i = firstAtLeast(keys, from); i < keys.length && found.length < limit; i++) {
        const key = keys[i] ?? ''
        if (byUtf8(key, to) >= 0) break
        found.push({ key, value: entries.get(key) ?? new Uint8Array() })
      }
      return found
    },
    write,
    async sync() {
      assertOpen()
      const now = new Map(entries)
      const covered = syncedWrites + since.length
      await Promise.resolve()
      if (closed) throw new Problem('closed', 'the disk was closed while it synced', { outcome: 'unknown' })
      synced = now
      since.splice(0, Math.max(0, covered - syncedWrites))
      syncedWrites = Math.max(covered, syncedWrites)
    },
    close() {
      closed = true
    },
    get unsynced() {
      return since.length
    },
    crash(kept = 0) {
      closed = true
      const left = new Map(synced)
      for (const changes of since.slice(0, kept)) apply(left, changes)
      return open(left, left, [])
    },
    kill() {
      closed = true
      return open(entries, synced, since)
    },
    fill(count) {
      full = count
    },
  }
}

/** Did keys come or go? */
function apply(entries: Map<string, Uint8Array>, changes: readonly DiskChange[]): boolean {
  let changed = false
  for (const change of changes) {
    if ('put' in change) {
      changed ||= !entries.has(change.put)
      entries.set(change.put, change.value)
    } else if (entries.delete(change.delete)) changed = true
  }
  return changed
}

/** UTF-16 order is not UTF-8 order above the basic plane, so bytes are compared. */
function byUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function firstAtLeast(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (byUtf8(keys[middle] ?? '', key) < 0) low = middle + 1
    else high = middle
  }
  return low
}
