/** What an outbox gave out of numbers, and what of them is in a batch, and what not yet. */
import type { IntervalSet } from '../contract/interval.ts'
import { compareBoots, parseBoot } from '../contract/source.ts'
import { BATCH_TARGET_EVENTS, OUTBOX_LINE_MAX_BYTES } from './limits.ts'

export type BootRecord = {
  readonly boot: string
  /** Wall time at its start, ms since 1970. */
  readonly wall: number
  readonly firmware: string
  readonly agent: string
}

/** A batch on disk. It is never cut anew. */
export type Held = {
  readonly first: number
  readonly count: number
  readonly crc: string
  /** What its body takes on disk. */
  readonly bytes: number
  inFlight: boolean
}

/** Lines that are one entry of the disk: a batch has all of them, or none. */
export type Lines = { readonly text: string; readonly count: number; readonly bytes: number }

/** One boot's numbers in one stream, and what is still here of them. */
export type Account = {
  readonly boot: BootRecord
  readonly stream: string
  /** In its keys: the boot, so that keys sort as boots do, and the stream. */
  readonly path: string
  /** Does the boot's monotonic clock still run in this process? */
  readonly running: boolean
  next: number
  dropped: IntervalSet
  held: Held[]
  /** What is in no batch yet: the last numbers below `next`, so many. */
  open: Lines[]
  openCount: number
  openBytes: number
}

/** Of which nothing was given out yet. */
export function newAccount(boot: BootRecord, stream: string, running: boolean): Account {
  const path = `${bootKey(boot.boot)}/${stream}`
  return { boot, stream, path, running, next: 0, dropped: [], held: [], open: [], openCount: 0, openBytes: 0 }
}

export function addOpen(account: Account, lines: Lines) {
  account.open.push(lines)
  account.openCount += lines.count
  account.openBytes += lines.bytes
}

/** What `frontOf` gave is in a batch now. */
export function removeOpen(account: Account, front: readonly Lines[]) {
  account.open = account.open.slice(front.length)
  for (const { count, bytes } of front) {
    account.openCount -= count
    account.openBytes -= bytes
  }
}

/** What is open, from its front, for one batch: up to the entry that reaches `target_bytes`. */
export function frontOf({ open }: Account, target_bytes: number): readonly Lines[] {
  let [count, bytes] = [0, 0]
  for (const [i, lines] of open.entries()) {
    if (i > 0 && (bytes >= target_bytes || count + lines.count > BATCH_TARGET_EVENTS)) return open.slice(0, i)
    count += lines.count
    bytes += lines.bytes
  }
  return open
}

/** Every number below it was acknowledged or is dropped. */
export function ackedOf(account: Account): number {
  return account.held[0]?.first ?? account.next - account.openCount
}

/** As few entries as they fit into, none longer than a line may be, nor with more lines than a batch. */
export function entriesOf(lines: readonly string[]): readonly Lines[] {
  const entries: Lines[] = []
  for (const text of lines) {
    const last = entries.at(-1)
    const bytes = Buffer.byteLength(text)
    const is_full = last && (last.bytes + bytes > OUTBOX_LINE_MAX_BYTES || last.count === BATCH_TARGET_EVENTS)
    if (!last || is_full) entries.push({ text, count: 1, bytes })
    else entries[entries.length - 1] = { text: last.text + text, count: last.count + 1, bytes: last.bytes + bytes }
  }
  return entries
}

export function isOlder(a: Account, b: Account): boolean {
  return compareBoots(parseBoot(a.boot.boot), parseBoot(b.boot.boot)) < 0
}

export function rangesOf(set: IntervalSet): [number, number][] {
  return set.map(([from, to]) => [from, to])
}

/** `boot` so that keys sort as boots do. */
export function bootKey(boot: string): string {
  const { generation, counter, random } = parseBoot(boot)
  return `${String(generation).padStart(9, '0')}-${String(counter).padStart(9, '0')}-${random}`
}
