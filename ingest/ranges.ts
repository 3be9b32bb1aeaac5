import { isDeepStrictEqual } from 'node:util'
import type { BatchHeader } from '../contract/batch.ts'
import { type Interval, type IntervalSet, intervalSet, subtract, union } from '../contract/interval.ts'
import { compareBoots, parseBoot } from '../contract/source.ts'
import { accountOf, addTotals, NO_TOTALS, type Totals } from './account.ts'
import { BOOT_DROPPED_MAX, BOOTS_KEPT, BOOTS_MAX, SILENT_MS } from './limits.ts'

/**
 * What was received of each (source, boot, stream) of one bucket: a function of its ingest commits, and truth of its
 * own, since rows are rewritten by retention, erasure and compaction. Sources appear by a keyed hash of their id, so
 * that what an erased hub sent stays received without its name. Everything here is pure; values are immutable.
 */
export type BootRanges = {
  /** One past the highest number that the stream is known to have given out. */
  readonly next: number
  /** Every number below was promised to the source as durable, or is in `dropped`. */
  readonly acked: number
  readonly stored: IntervalSet
  /** Set aside; a replay moves numbers from here to `stored`. */
  readonly dead: IntervalSet
  readonly dropped: IntervalSet
  /** Of stored and dead: what has no row any more, or never had one, since retention or erasure took it. */
  readonly gone: IntervalSet
  /** The source holds nothing of it any more: what is missing will not come. */
  readonly closed: boolean
  /** Receipt of the last batch that spoke of it, ms since 1970. */
  readonly heard_ms: number
}

/** One stream of one source. */
export type StreamRanges = {
  readonly source: string
  readonly stream: string
  /** Boots up to this one are forgotten; a batch of one is dead. */
  readonly floor: string | undefined
  /** What the forgotten boots came to. */
  readonly forgotten: Totals
  /** Oldest first. */
  readonly boots: ReadonlyMap<string, BootRanges>
}

/** By `streamKey`. */
export type Ranges = ReadonlyMap<string, StreamRanges>

/** What one commit adds to one boot of a stream. */
export type Addition = {
  readonly source: string
  readonly stream: string
  readonly boot: string
  readonly stored: IntervalSet
  readonly dead: IntervalSet
  readonly dropped: IntervalSet
  readonly gone: IntervalSet
  readonly next: number
  readonly acked: number
  readonly closed: boolean
  readonly heard_ms: number
}

export function streamKey(source: string, stream: string): string {
  return `${source} ${stream}`
}

const NOTHING: BootRanges = {
  ...{ next: 0, acked: 0, stored: [], dead: [], dropped: [], gone: [], closed: false, heard_ms: 0 },
}
/** A boot that is only mentioned again is written down no more often than this. */
const HEARD_STEP_MS = 3_600_000

/** Is the boot below the floor, and so dead? */
export function isForgotten(stream: StreamRanges | undefined, boot: string): boolean {
  return stream?.floor !== undefined && compareBoots(parseBoot(boot), parseBoot(stream.floor)) <= 0
}

/** Numbers of [from, to) that are neither stored nor dead, and so new. */
export function newNumbers(stream: StreamRanges | undefined, boot: string, [from, to]: Interval): IntervalSet {
  const known = stream?.boots.get(boot)
  if (from >= to) return []
  return known ? subtract(subtract([[from, to]], known.stored), known.dead) : [[from, to]]
}

/** Numbers of [from, to) that a replay may store: those that are dead. */
export function replayable(stream: StreamRanges | undefined, boot: string, [from, to]: Interval): IntervalSet {
  const dead = stream?.boots.get(boot)?.dead ?? []
  return subtract([[from, to]], subtract([[from, to]], dead))
}

/** What a batch says and brings, as additions: its own boot first, then the earlier ones that its header speaks of. */
export function additionsOf(
  source: string,
  header: Pick<BatchHeader, 'boot' | 'stream' | 'next'> & Partial<Pick<BatchHeader, 'acked' | 'dropped' | 'previous'>>,
  brought: { readonly stored: IntervalSet; readonly dead: IntervalSet; readonly gone: IntervalSet },
  heard_ms: number,
): readonly Addition[] {
  const { stream } = header
  const own = {
    ...{ source, stream, boot: header.boot, ...brought, dropped: intervalSet(header.dropped ?? []) },
    ...{ next: header.next, acked: header.acked ?? 0, closed: false, heard_ms },
  }
  const earlier = (header.previous ?? []).map(({ boot, next, acked, dropped, held }) => ({
    ...{
      source,
      stream,
      boot,
      stored: [],
      dead: [],
      dropped: intervalSet(dropped),
      gone: [],
      next,
      acked,
      closed: !held,
      heard_ms,
    },
  }))
  return [own, ...earlier]
}

/** Additions of the same boot joined into one, in the order of their first. */
export function joinAdditions(additions: Iterable<Addition>): readonly Addition[] {
  const boots = new Map<string, Addition[]>()
  for (const addition of additions) {
    const key = `${streamKey(addition.source, addition.stream)} ${addition.boot}`
    const ofBoot = boots.get(key)
    if (ofBoot) ofBoot.push(addition)
    else boots.set(key, [addition])
  }
  return [...boots.values()].flatMap(joinOne)
}

/** All at once: one after the other would copy what the earlier ones came to for each. */
function joinOne(ofBoot: readonly Addition[]): readonly Addition[] {
  const [first] = ofBoot
  if (!first || ofBoot.length === 1) return ofBoot
  const all = (pick: (one: Addition) => IntervalSet) => intervalSet(ofBoot.flatMap(pick))
  const most = (pick: (one: Addition) => number) => ofBoot.reduce((most, one) => Math.max(most, pick(one)), 0)
  const stored = all((one) => one.stored)
  const joined = {
    ...{ source: first.source, stream: first.stream, boot: first.boot, stored },
    ...{
      dead: subtract(
        all((one) => one.dead),
        stored,
      ),
      dropped: all((one) => one.dropped),
    },
    ...{ gone: all((one) => one.gone), next: most((one) => one.next), acked: most((one) => one.acked) },
    ...{ closed: ofBoot.some((one) => one.closed), heard_ms: most((one) => one.heard_ms) },
  }
  return [joined]
}

/** Without those that tell nothing new about `ranges`. */
export function newsOnly(ranges: Ranges, additions: readonly Addition[]): readonly Addition[] {
  return additions.filter((addition) => {
    const stream = ranges.get(streamKey(addition.source, addition.stream))
    if (isForgotten(stream, addition.boot)) return false
    const before = stream?.boots.get(addition.boot)
    return !before || saysMore(before, merge(before, addition))
  })
}

function saysMore(before: BootRanges, after: BootRanges): boolean {
  if (after.heard_ms - before.heard_ms >= HEARD_STEP_MS && !before.closed) return true
  return !isDeepStrictEqual({ ...after, heard_ms: 0 }, { ...before, heard_ms: 0 })
}

function merge(before: BootRanges, addition: Omit<Addition, 'source' | 'stream' | 'boot'>): BootRanges {
  const stored = union(before.stored, addition.stored)
  const isNew = addition.stored.length + addition.dead.length > 0
  return {
    next: Math.max(before.next, addition.next),
    acked: Math.max(before.acked, addition.acked),
    stored,
    dead: isNew ? subtract(union(before.dead, addition.dead), stored) : before.dead,
    dropped: bounded(union(before.dropped, addition.dropped)),
    gone: union(before.gone, addition.gone),
    closed: before.closed || addition.closed,
    heard_ms: Math.max(before.heard_ms, addition.heard_ms),
  }
}

/**
 * Of too many the older half become one. What lies between them was received, and so counts as that, unless the source
 * kept so many numbers back.
 */
function bounded(dropped: IntervalSet): IntervalSet {
  const [first, last] = [dropped[0], dropped.at(-BOOT_DROPPED_MAX / 2)]
  if (dropped.length <= BOOT_DROPPED_MAX || !first || !last) return dropped
  return [[first[0], last[1]], ...dropped.slice(1 - BOOT_DROPPED_MAX / 2)]
}

/**
 * The streams that `additions` change, as they are after them; `lookup` gives them as they were. Boots below a floor
 * stay forgotten. A boot is forgotten when it is complete or silent, 50 newer ones exist, and all older ones are; or when
 * so many newer ones exist that what it lacks counts as lost.
 */
export function applyAdditions(
  lookup: (key: string) => StreamRanges | undefined,
  additions: Iterable<Addition>,
): ReadonlyMap<string, StreamRanges> {
  const changed = new Map<string, { stream: StreamRanges; boots: Map<string, BootRanges>; mixed: boolean }>()
  for (const addition of additions) {
    const key = streamKey(addition.source, addition.stream)
    const entry = changed.get(key) ?? opened(lookup(key), addition)
    changed.set(key, entry)
    if (isForgotten(entry.stream, addition.boot)) continue
    const before = entry.boots.get(addition.boot)
    if (!before) entry.mixed ||= isOlder(addition.boot, [...entry.boots.keys()].at(-1))
    entry.boots.set(addition.boot, merge(before ?? NOTHING, addition))
  }
  const after = new Map<string, StreamRanges>()
  for (const [key, { stream, boots, mixed }] of changed) {
    after.set(key, forget({ ...stream, boots: mixed ? oldestFirst(boots) : boots }))
  }
  return after
}

function opened(stream: StreamRanges | undefined, { source, stream: name }: Addition) {
  const known = stream ?? { source, stream: name, floor: undefined, forgotten: NO_TOTALS, boots: new Map() }
  return { stream: known, boots: new Map(known.boots), mixed: false }
}

function isOlder(boot: string, than: string | undefined): boolean {
  return than !== undefined && compareBoots(parseBoot(boot), parseBoot(than)) < 0
}

function oldestFirst(boots: ReadonlyMap<string, BootRanges>): ReadonlyMap<string, BootRanges> {
  const parsed = [...boots].map((entry) => ({ entry, boot: parseBoot(entry[0]) }))
  return new Map(parsed.sort((a, b) => compareBoots(a.boot, b.boot)).map(({ entry }) => entry))
}

function forget(stream: StreamRanges): StreamRanges {
  const { boots } = stream
  if (boots.size <= BOOTS_KEPT) return stream
  let heard_ms = 0
  for (const boot of boots.values()) heard_ms = Math.max(heard_ms, boot.heard_ms)
  let { floor, forgotten } = stream
  let count = 0
  for (const [boot, ranges] of boots) {
    if (count === boots.size - BOOTS_KEPT) break
    const settled = count < boots.size - BOOTS_MAX || heard_ms - ranges.heard_ms >= SILENT_MS
    if (!settled && !ranges.closed) break
    const account = accountOf({ ...ranges, closed: true }, heard_ms)
    if (!settled && account.lost > 0) break
    floor = boot
    forgotten = saturated(addTotals(forgotten, account))
    count++
  }
  return count === 0 ? stream : { ...stream, floor, forgotten, boots: new Map([...boots].slice(count)) }
}

/** A firmware may speak of 2^53 numbers a boot: their sum stays at the last that counts exactly, and is read back. */
function saturated(totals: Totals): Totals {
  const { boots, sent, stored, dead, dropped, pending, lost, broken } = totals
  const within = (sum: number) => Math.min(sum, Number.MAX_SAFE_INTEGER)
  return {
    ...{ boots, sent: within(sent), stored: within(stored), dead: within(dead), dropped: within(dropped) },
    ...{ pending: within(pending), lost: within(lost), broken: within(broken) },
  }
}
