import { Problem } from '../contract/problem.ts'
import type { Disk, DiskChange } from './disk.ts'

export type MemoryDisk = Disk & {
  /** The disk as after a power cut: what was written and not synced is gone. The old one is closed. */
  crash(): MemoryDisk
  /** The disk as after the end of the process: everything written is there. The old one is closed. */
  kill(): MemoryDisk
  /** The next `count` writes raise `limit`, as on a full disk. */
  fill(count: number): void
}

type Entries = ReadonlyMap<string, Uint8Array>

/** A disk for tests and simulation that knows what was synced. `sync` takes effect when it resolves, a turn later. */
export function memoryDisk(): MemoryDisk {
  return open(new Map(), new Map())
}

function open(initial: Entries, alreadySynced: Entries): MemoryDisk {
  const entries = new Map(initial)
  let synced = alreadySynced
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
    for (const change of changes) {
      if ('put' in change) {
        if (!entries.has(change.put)) keys = undefined
        entries.set(change.put, Uint8Array.from(change.value))
      } else if (entries.delete(change.delete)) keys = undefined
    }
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
      await Promise.resolve()
      if (closed) throw new Problem('closed', 'the disk was closed while it synced', { outcome: 'unknown' })
      synced = now
    },
    close() {
      closed = true
    },
    crash() {
      closed = true
      return open(synced, synced)
    },
    kill() {
      closed = true
      return open(entries, synced)
    },
    fill(count) {
      full = count
    },
  }
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
