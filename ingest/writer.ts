import { isDeepStrictEqual } from 'node:util'
import { sleep } from '../contract/clock.ts'
import { add, type IntervalSet, intersect } from '../contract/interval.ts'
import { assert, isProblem, messageOf, type Problem } from '../contract/problem.ts'
import { remember } from '../contract/remember.ts'
import { REMOVALS_TXN } from '../lake/conflict.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import { ingestCommit } from './commit-request.ts'
import { committedFact } from './committed-fact.ts'
import type { Encoded, Encoding } from './encoder.ts'
import { type ErasedHubs, erasedHubs, sinceTxns } from './erased-hubs.ts'
import type { Positioned } from './event-log.ts'
import { inOrder } from './in-order.ts'
import {
  ATTEMPT_BATCHES_MAX,
  ATTEMPT_EVENTS_MAX,
  ATTEMPT_PLAIN_MAX_BYTES,
  FRESHNESS_MS,
  INFLATE_CONCURRENT_MAX,
  LOG_CHECK_MS,
  LOG_READ_BYTES,
  QUIET_FRESHNESS_MS,
  QUIET_FRESHNESS_TIMES,
  RANGES_SNAPSHOT_COMMITS,
  RETRY_FIRST_MS,
  RETRY_MAX_MS,
  SOURCES_REMEMBERED_MAX,
} from './limits.ts'
import { lossOf, replacedLog } from './loss.ts'
import { type PlannedBatch, planBatch, type Read, readRecord } from './planned-batch.ts'
import { logOfTxn, positionTxn } from './position.ts'
import { isQuiet } from './quiet.ts'
import { type Addition, applyAdditions, type StreamRanges } from './ranges.ts'
import { sourceKey } from './ranges-form.ts'
import { loadRanges, putRanges, rangesKey } from './ranges-store.ts'
import { wholeShare } from './share.ts'
import type { Writer, WriterOptions } from './writer-seam.ts'

export type { BucketState, Writer, WriterFact, WriterOptions } from './writer-seam.ts'

type Bucket = {
  readonly bucket: number
  position: number
  ranges: Map<string, StreamRanges>
  snapshot_version: number
  /** Commits that took rows away, of which the ranges tell. */
  removals: number | undefined
  stopped: string | undefined
  /** Known anew from the table before the next attempt. */
  stale: boolean
}

type Attempt = {
  readonly encoding: Encoding
  readonly planned: PlannedBatch[]
  readonly overlay: Map<string, StreamRanges>
  /** By bucket: last position that was taken. */
  readonly taken: Map<number, number>
  /** Buckets that take no more in this attempt. */
  readonly ended: Set<number>
  /** By (stream, boot): numbers that a replay took. Whether it stores them is known only after encoding. */
  readonly replayed: Map<string, IntervalSet>
  /** Whose events it leaves out. */
  readonly erased: ErasedHubs
  bytes: number
  events: number
  /** When the first batch was taken, and the first that is not quiet; monotonic, ms. */
  begun_ms: number | undefined
  urgent_ms: number | undefined
}

/**
 * Takes batches from the log into the events table, exactly once: where a bucket stands is part of the table's own
 * commit, compared and set, and what was received is kept as ranges in that commit. A writer that was overtaken in a
 * bucket (fenced) forgets what it knew of it and begins again from the table. docs/decisions/022.
 */
export async function openWriter(options: WriterOptions): Promise<Writer> {
  const { log, table, store, layout, encoder, clock, random } = options
  const key = await rangesKey(store, random)
  const freshness_ms = options.freshness_ms ?? FRESHNESS_MS
  const quiet_ms = Math.min(QUIET_FRESHNESS_MS, QUIET_FRESHNESS_TIMES * freshness_ms)
  const share = options.share ?? wholeShare(layout.buckets)
  const buckets = new Map<number, Bucket>()
  const sources = new Map<string, string>()
  let seen: Snapshot | undefined
  let failing: string | undefined

  function keyOf(source: string): string {
    const known = sources.get(source) ?? sourceKey(key, source)
    remember(sources, source, known, SOURCES_REMEMBERED_MAX)
    return known
  }

  const isDivided = () => String([...buckets.keys()].sort((a, b) => a - b)) === String(share.buckets())

  /** Takes and leaves buckets as the share has it. */
  function divide(): void {
    const mine = new Set(share.buckets())
    const left = [...buckets.keys()].filter((bucket) => !mine.has(bucket))
    const taken = [...mine].filter((bucket) => !buckets.has(bucket))
    for (const bucket of left) buckets.delete(bucket)
    for (const bucket of taken) {
      const unknown = { position: 0, ranges: new Map(), snapshot_version: -1, removals: undefined, stopped: undefined }
      buckets.set(bucket, { bucket, ...unknown, stale: true })
    }
    if (left.length + taken.length > 0) options.note({ kind: 'share', buckets: [...mine] })
  }

  /** Learns from the table where the stale buckets stand, and checks that the log joins up. */
  async function refresh(): Promise<void> {
    divide()
    const stale = [...buckets.values()].filter((one) => one.stale && one.stopped === undefined)
    if (stale.length === 0) return
    await log.identify?.()
    // Another writer may commit and trim meanwhile: where the log begins is asked before the table, where it ends after.
    const firsts = new Map<number, number>()
    for (const { bucket } of stale) firsts.set(bucket, (await log.bounds(bucket)).first)
    const snapshot = await table.snapshot()
    seen = snapshot
    const numbers = stale.map(({ bucket }) => bucket)
    const loaded = await loadRanges({ store, table, layout }, numbers, snapshot.version)
    for (const one of stale) {
      const known = loaded.get(one.bucket)
      assert(known, 'ranges of each bucket')
      one.position = snapshot.txns.get(positionTxn(log.id, layout, one.bucket)) ?? 0
      one.ranges = known.ranges
      one.snapshot_version = known.snapshot_version
      one.removals = snapshot.txns.get(REMOVALS_TXN)
      if (one.position === 0) await tellReplaced(one, snapshot)
      await checkLog(one, firsts.get(one.bucket) ?? 1)
      one.stale = false
      await keepSnapshot(one, snapshot.version)
    }
  }

  /** A log that the table has read nothing of follows another one: whatever that one held and the table lacks will not come. */
  async function tellReplaced({ bucket }: Bucket, snapshot: Snapshot): Promise<void> {
    for (const [appId, position] of snapshot.txns) {
      const log_id = logOfTxn(appId, layout, bucket)
      if (log_id === undefined || log_id === log.id) continue
      const loss = replacedLog(options, bucket, { log_id, position })
      await options.recordLoss(loss)
      options.note({ kind: 'replaced', loss })
    }
  }

  async function checkLog(one: Bucket, first: number): Promise<void> {
    const { next } = await log.bounds(one.bucket)
    if (first <= one.position + 1 && next > one.position) return
    const loss = lossOf(options, one.bucket, one.position, { first, next })
    await options.recordLoss(loss)
    one.stopped = loss.reason
    options.note({ kind: 'loss', loss })
  }

  async function keepSnapshot(one: Bucket, version: number): Promise<void> {
    if (version - one.snapshot_version < (options.snapshot_commits ?? RANGES_SNAPSHOT_COMMITS)) return
    await putRanges(store, layout, one.bucket, version, one.ranges)
    one.snapshot_version = version
  }

  const running = () => [...buckets.values()].filter((one) => one.stopped === undefined)
  const isFull = (attempt: Attempt) =>
    attempt.bytes >= ATTEMPT_PLAIN_MAX_BYTES ||
    attempt.events >= ATTEMPT_EVENTS_MAX ||
    attempt.planned.length >= ATTEMPT_BATCHES_MAX

  async function begin(): Promise<Attempt> {
    const erased = erasedHubs(seen ?? (await table.snapshot()))
    const encoding = await encoder.begin(erased.size > 0 ? (hub) => erased.get(keyOf(hub)) : undefined)
    return {
      ...{ erased, encoding, planned: [], overlay: new Map(), taken: new Map() },
      ...{ ended: new Set(), replayed: new Map(), bytes: 0, events: 0 },
      ...{ begun_ms: undefined, urgent_ms: undefined },
    }
  }

  /** Takes what the log holds, bucket by bucket in turns, until it holds no more or the attempt is full. */
  async function take(attempt: Attempt): Promise<void> {
    for (let more = true; more && !isFull(attempt); ) {
      more = false
      for (const one of running()) {
        const from = (attempt.taken.get(one.bucket) ?? one.position) + 1
        const records =
          isFull(attempt) || attempt.ended.has(one.bucket) ? [] : await log.read(one.bucket, from, LOG_READ_BYTES)
        // Unpacking waits for another thread: some are under way while one is planned.
        for await (const [record, read] of inOrder(records, INFLATE_CONCURRENT_MAX, readRecord)) {
          if (isFull(attempt) || !(await takeOne(attempt, one, record, read))) break
          more = true
        }
      }
    }
  }

  /** False, and the bucket's end in this attempt, at a gap, and for a replay of what another replay has just tried to store. */
  async function takeOne(attempt: Attempt, one: Bucket, record: Positioned, read: Read): Promise<boolean> {
    // A stream belongs to one bucket, so that one overlay serves all.
    const lookup = (name: string) => attempt.overlay.get(name) ?? one.ranges.get(name)
    const expected = (attempt.taken.get(one.bucket) ?? one.position) + 1
    assert(record.position >= expected, `positions rise: ${record.position} after ${expected - 1}`)
    // What lay between is gone: another writer took it and the log forgot it, or it is lost. The table tells which.
    if (record.position > expected) {
      one.stale = true
      attempt.ended.add(one.bucket)
      return false
    }
    const source = keyOf(record.record.source)
    const erasedHub = record.record.role === 'hub' ? attempt.erased.get(source) : undefined
    const planned = planBatch(one.bucket, record, read, source, lookup, erasedHub)
    const { replayed } = planned
    if (replayed) {
      const before = attempt.replayed.get(replayed.name) ?? []
      if (intersect(before, [replayed.span]).length > 0) {
        attempt.ended.add(one.bucket)
        return false
      }
      attempt.replayed.set(replayed.name, add(before, ...replayed.span))
    }
    const changed = applyAdditions(lookup, planned.additions([], []))
    for (const [name, stream] of changed) attempt.overlay.set(name, stream)
    attempt.bytes += planned.batch.lines.length
    attempt.events += planned.batch.header?.count ?? 0
    attempt.begun_ms ??= clock.monotonic()
    if (attempt.urgent_ms === undefined && !isQuiet(planned.batch)) attempt.urgent_ms = clock.monotonic()
    await attempt.encoding.add(planned.batch)
    attempt.planned.push({ ...planned, batch: { ...planned.batch, lines: Buffer.alloc(0) } })
    attempt.taken.set(one.bucket, record.position)
    return true
  }

  /** Commits an attempt, without the buckets in which this writer was overtaken. */
  async function commit(attempt: Attempt): Promise<void> {
    // Taken before the files are uploaded: a floor, a marker or a schema set since then makes them void.
    const base = await table.snapshot()
    const removals = base.txns.get(REMOVALS_TXN)
    const isBehind = running().some((one) => attempt.taken.has(one.bucket) && one.removals !== removals)
    if (isBehind || !isDeepStrictEqual(erasedHubs(base), attempt.erased)) {
      // It was gathered before a hub was erased, and holds what it may not; or by ranges from before rows were taken.
      forget(buckets.values())
      options.note({ kind: 'retry', cause: 'conflict', reason: 'rows were taken away', delay_ms: 0 })
      return
    }
    const started_ms = clock.monotonic()
    const encoded = await attempt.encoding.finish(base)
    let left = running().filter(({ bucket }) => encoded.through.has(bucket))
    while (left.length > 0) {
      const request = await ingestCommit(options, attempt.planned, encoded, left)
      const since = new Map([...encoded.enrolled_ms].map(([hub, ms]) => [keyOf(hub), ms]))
      const txns = [...request.commit.txns, ...sinceTxns(base, since)]
      const outcome = await table.commit({ ...request.commit, txns, base })
      if (outcome.kind === 'committed') {
        await adopt(left, request.additions, encoded, outcome.version)
        seen = outcome.snapshot
        const times = { ms: clock.monotonic() - started_ms, now_ms: clock.now() }
        options.note(committedFact(attempt.planned, encoded, left, outcome, times))
        return
      }
      if (outcome.kind === 'conflict') {
        forget(left)
        options.note({ kind: 'retry', cause: 'conflict', reason: outcome.reason, delay_ms: 0 })
        return
      }
      const isFenced = (one: Bucket) => outcome.appIds.includes(positionTxn(log.id, layout, one.bucket))
      const fenced = left.filter(isFenced)
      // What else it compares is of erased hubs: as after a conflict.
      if (fenced.length === 0) return forget(left)
      forget(fenced)
      options.note({ kind: 'fenced', buckets: fenced.map(({ bucket }) => bucket) })
      left = left.filter((one) => !isFenced(one))
    }
  }

  /** The commit is confirmed: only now the ranges are real, and the log may forget. */
  async function adopt(
    left: readonly Bucket[],
    additions: ReadonlyMap<number, readonly Addition[]>,
    encoded: Encoded,
    version: number,
  ): Promise<void> {
    for (const one of left) {
      const changed = applyAdditions((name) => one.ranges.get(name), additions.get(one.bucket) ?? [])
      for (const [name, stream] of changed) one.ranges.set(name, stream)
      one.position = encoded.through.get(one.bucket) ?? one.position
    }
    for (const one of left) {
      await keepSnapshot(one, version)
      await log.trim(one.bucket, one.position + 1)
    }
  }

  function forget(some: Iterable<Bucket>): void {
    for (const one of some) one.stale = true
  }

  /** Resolves when a bucket has more than the attempt took, when the time is over, at the signal, or when the share changed. */
  async function waitForMore(taken: ReadonlyMap<number, number>, signal: AbortSignal, left_ms?: number): Promise<void> {
    const over = new AbortController()
    const end = () => over.abort()
    const unwatch = share.watch(end)
    const cancel = left_ms === undefined ? undefined : clock.timer(left_ms, end)
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted || !isDivided()) end()
    const waits = running().map((one) =>
      log.waitFor(one.bucket, (taken.get(one.bucket) ?? one.position) + 1, over.signal),
    )
    try {
      // With no bucket, or every one stopped, there is nothing to wait for but the end.
      if (waits.length > 0) await Promise.race(waits)
      else await new Promise<void>((resolve) => over.signal.addEventListener('abort', () => resolve(), { once: true }))
    } finally {
      end()
      cancel?.()
      unwatch()
      signal.removeEventListener('abort', end)
      await Promise.allSettled(waits)
    }
  }

  /** How long an attempt may still gather: signs of life alone wait for company, anything else does not. */
  function dueIn_ms({ begun_ms = clock.monotonic(), urgent_ms = Number.POSITIVE_INFINITY }: Attempt): number {
    return Math.min(begun_ms + quiet_ms, urgent_ms + freshness_ms) - clock.monotonic()
  }

  /** Has a bucket more than is in the table? One whose log no longer joins up with the table is stopped. */
  async function hasMore(): Promise<boolean> {
    let more = false
    for (const one of running()) {
      const { first, next } = await log.bounds(one.bucket)
      // Another writer may have taken more and trimmed it: only the table tells whether something is lost.
      if (first > one.position + 1 || next <= one.position) one.stale = true
      else if (next > one.position + 1) more = true
    }
    return more
  }

  async function gatherAndCommit(signal: AbortSignal): Promise<void> {
    await refresh()
    await waitForMore(new Map(), signal, LOG_CHECK_MS)
    if (signal.aborted || !isDivided() || !(await hasMore())) return
    const attempt = await begin()
    try {
      for (;;) {
        await take(attempt)
        const left_ms = dueIn_ms(attempt)
        const over = isFull(attempt) || attempt.ended.size > 0 || left_ms <= 0 || signal.aborted || !isDivided()
        if (over || attempt.planned.length === 0) break
        await waitForMore(attempt.taken, signal, left_ms)
      }
      if (attempt.planned.length > 0) await commit(attempt)
      // What was there is gone: another writer took it, and the table tells how far.
      else forget(buckets.values())
    } finally {
      await attempt.encoding.close()
    }
  }

  await refresh()
  return {
    async run(signal) {
      let delay_ms = RETRY_FIRST_MS
      while (!signal.aborted) {
        try {
          await gatherAndCommit(signal)
          delay_ms = RETRY_FIRST_MS
          failing = undefined
        } catch (error) {
          // Whether it was committed or not, the table tells.
          forget(buckets.values())
          if (!isWorldsFault(error)) throw error
          failing = messageOf(error)
          options.note({ kind: 'retry', cause: error.kind, reason: failing, delay_ms })
          await sleep(clock, delay_ms, signal).catch(() => undefined)
          delay_ms = Math.min(RETRY_MAX_MS, delay_ms * 2)
        }
      }
    },
    async commitOnce() {
      await refresh()
      const attempt = await begin()
      try {
        await take(attempt)
        if (attempt.planned.length === 0) return false
        await commit(attempt)
        return true
      } catch (error) {
        forget(buckets.values())
        throw error
      } finally {
        await attempt.encoding.close()
      }
    },
    buckets: () => [...buckets.values()].map(({ bucket, position, stopped }) => ({ bucket, position, stopped })),
    ranges: (bucket) => buckets.get(bucket)?.ranges ?? new Map(),
    failing: () => failing,
    seen: () => seen,
  }
}

/**
 * A right that was taken away, a bucket or topic that was deleted, an object that was damaged: somebody mends it, and nobody
 * should have to start the writer for that. What is no Problem, or is `internal`, is a fault of the code.
 */
export function isWorldsFault(error: unknown): error is Problem {
  return isProblem(error) && !isProblem(error, 'closed', 'internal')
}
