import { isDeepStrictEqual } from 'node:util'
import { sleep } from '../contract/clock.ts'
import { add, intersect } from '../contract/interval.ts'
import { assert, isProblem, isWorldsFault, messageOf } from '../contract/problem.ts'
import { remember } from '../contract/remember.ts'
import { REMOVALS_TXN } from '../lake/conflict.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import { type Attempt, bytesOf, dueIn_ms, isFull } from './attempt.ts'
import { ingestCommit } from './commit-request.ts'
import { committedFact } from './committed-fact.ts'
import type { Encoded } from './encoder.ts'
import { erasedHubs, sinceTxns } from './erased-hubs.ts'
import type { LogBounds, Positioned } from './event-log.ts'
import { inOrder } from './in-order.ts'
import {
  FRESHNESS_MS,
  INFLATE_CONCURRENT_MAX,
  LOG_CHECK_MS,
  LOG_READ_BYTES,
  RANGES_SNAPSHOT_COMMITS,
  RETRY_FIRST_MS,
  RETRY_MAX_MS,
  SOURCES_REMEMBERED_MAX,
} from './limits.ts'
import { gapOf, replacedLogs } from './loss.ts'
import { planBatch, type Read, readRecord } from './planned-batch.ts'
import { positionTxn } from './position.ts'
import { isQuiet } from './quiet.ts'
import { type Addition, applyAdditions } from './ranges.ts'
import { sourceKey } from './ranges-form.ts'
import { loadRanges, putRanges, rangesKey } from './ranges-store.ts'
import { wholeShare } from './share.ts'
import { untilMore } from './until-more.ts'
import { type Bucket, goOn, leaveAlone, unknownBucket, wake } from './writer-bucket.ts'
import type { Writer, WriterOptions } from './writer-seam.ts'

export type { BucketState, Writer, WriterFact, WriterOptions } from './writer-seam.ts'

/**
 * Takes batches from the log into the events table, exactly once: where a bucket stands is part of the table's own
 * commit, compared and set, and what was received is kept as ranges in that commit. A writer that was overtaken in a
 * bucket (fenced) forgets what it knew of it and begins again from the table. docs/decisions/022.
 */
export async function openWriter(options: WriterOptions): Promise<Writer> {
  const { log, table, store, layout, encoder, clock, random } = options
  const key = await rangesKey(store, random)
  const freshness_ms = options.freshness_ms ?? FRESHNESS_MS
  const share = options.share ?? wholeShare(layout.buckets)
  const buckets = new Map<number, Bucket>()
  const sources = new Map<string, string>()
  /** Logs that it was to read, which the table may know nothing of. */
  const logs = new Set<string>()
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
    for (const bucket of taken) buckets.set(bucket, unknownBucket(bucket))
    if (left.length + taken.length > 0) options.note({ kind: 'share', buckets: [...mine] })
  }

  const running = () => [...buckets.values()].filter((one) => !one.resting)

  /** A bucket that cannot be read is left alone for a while, and the others go on. Raises what is a fault of the whole log. */
  function leaveUnread(one: Bucket, error: unknown): void {
    if (!isProblem(error, 'corrupt', 'unavailable')) throw error
    const what = error.kind === 'corrupt' ? 'read' : 'reached, and is tried again by itself'
    const delay_ms = leaveAlone(one, `it cannot be ${what}: ${messageOf(error)}`, clock.monotonic())
    options.note({ kind: 'unreadable', bucket: one.bucket, cause: error.kind, reason: messageOf(error), delay_ms })
  }

  /** Raises where the log tells of no bucket at all: that is no fault of a bucket. */
  async function boundsOf(some: readonly Bucket[]): Promise<ReadonlyMap<Bucket, LogBounds>> {
    const ask = async (one: Bucket) => {
      try {
        return { one, bounds: await log.bounds(one.bucket) }
      } catch (error) {
        return { one, error }
      }
    }
    const answers = await Promise.all(some.map(ask))
    const found = new Map(answers.flatMap(({ one, bounds }) => (bounds ? [[one, bounds] as const] : [])))
    for (const { one, error } of answers) {
      if (error === undefined) continue
      if (found.size === 0) throw error
      leaveUnread(one, error)
    }
    return found
  }

  /** Learns from the table where the stale buckets stand, and checks that the log joins up. */
  async function refresh(): Promise<void> {
    divide()
    await wake(options, buckets.values())
    const stale = running().filter((one) => one.stale)
    if (stale.length === 0) return
    await log.identify?.()
    logs.add(log.id)
    // Another writer may commit and trim meanwhile: where the log begins is asked before the table, where it ends after.
    const firsts = await boundsOf(stale)
    const snapshot = await table.snapshot()
    seen = snapshot
    const known = [...firsts.keys()]
    const numbers = known.map(({ bucket }) => bucket)
    const loaded = await loadRanges({ store, table, layout }, numbers, snapshot.version)
    // Gaps that others found, or this one before its last start; its own it knows.
    const told = known.some(({ appId }) => appId === '') ? await options.recordedGaps?.() : undefined
    const nexts = await boundsOf(known)
    for (const [one, { next }] of nexts) {
      const ranges = loaded.get(one.bucket)
      assert(ranges, 'ranges of each bucket')
      one.appId = positionTxn(log.id, layout, one.bucket)
      one.expected = snapshot.txns.get(one.appId)
      one.position = one.expected ?? 0
      one.ranges = ranges.ranges
      one.snapshot_version = ranges.snapshot_version
      one.removals = snapshot.txns.get(REMOVALS_TXN)
      if (one.expected === undefined) await tellReplaced(one, snapshot)
      await checkLog(one, { first: firsts.get(one)?.first ?? 1, next }, told?.get(one.bucket) === one.position)
      one.stale = false
      await keepSnapshot(one, snapshot.version)
    }
  }

  /** A log that the table has read nothing of follows another one: whatever that one held and the table lacks will not come. */
  async function tellReplaced({ bucket }: Bucket, { txns }: Snapshot): Promise<void> {
    const unread = [...logs].map((id) => [positionTxn(id, layout, bucket), 0] as const)
    for (const loss of replacedLogs(options, bucket, new Map([...unread, ...txns]))) {
      await options.recordLoss(loss)
      options.note({ kind: 'replaced', loss })
    }
  }

  async function checkLog(one: Bucket, bounds: LogBounds, isTold: boolean): Promise<void> {
    const loss = gapOf(options, one.bucket, one.position, bounds, isTold)
    if (!loss) return one.gap ? follows(one) : undefined
    await options.recordLoss(loss)
    one.gap = true
    leaveAlone(one, loss.reason, clock.monotonic())
    options.note({ kind: 'loss', loss })
  }

  /** A bucket whose log joins up, or could be read again. */
  function follows(one: Bucket): void {
    if (one.stopped !== undefined) options.note({ kind: 'resumed', bucket: one.bucket, position: one.position })
    goOn(one)
  }

  async function keepSnapshot(one: Bucket, version: number): Promise<void> {
    if (version - one.snapshot_version < (options.snapshot_commits ?? RANGES_SNAPSHOT_COMMITS)) return
    await putRanges(store, layout, one.bucket, version, one.ranges)
    one.snapshot_version = version
  }

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
        const records = isFull(attempt) || attempt.ended.has(one.bucket) ? [] : await readFrom(one, from)
        // Unpacking waits for another thread: some are under way while one is planned.
        for await (const [record, read] of inOrder(records, INFLATE_CONCURRENT_MAX, readRecord)) {
          if (isFull(attempt) || !(await takeOne(attempt, one, record, read))) break
          more = true
        }
      }
    }
  }

  async function readFrom(one: Bucket, from: number): Promise<readonly Positioned[]> {
    try {
      const records = await log.read(one.bucket, from, LOG_READ_BYTES)
      follows(one)
      return records
    } catch (error) {
      leaveUnread(one, error)
      return []
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
    attempt.bytes += bytesOf(planned.batch)
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
    const isBehind = [...buckets.values()].some((one) => attempt.taken.has(one.bucket) && one.removals !== removals)
    if (isBehind || !isDeepStrictEqual(erasedHubs(base), attempt.erased)) {
      // It was gathered before a hub was erased, and holds what it may not; or by ranges from before rows were taken.
      forget(buckets.values())
      options.note({ kind: 'retry', cause: 'conflict', reason: 'rows were taken away', delay_ms: 0 })
      return
    }
    const started_ms = clock.monotonic()
    const encoded = await attempt.encoding.finish(base)
    // One that could not be read further on has taken what came before.
    let left = [...buckets.values()].filter(({ bucket }) => encoded.through.has(bucket))
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
      one.expected = one.position
    }
    for (const one of left) {
      await keepSnapshot(one, version)
      await log.trim(one.bucket, one.position + 1)
    }
  }

  function forget(some: Iterable<Bucket>): void {
    for (const one of some) one.stale = true
  }

  async function waitForMore(taken: ReadonlyMap<number, number>, signal: AbortSignal, left_ms: number): Promise<void> {
    if (!isDivided()) return
    const wanted = running().map((one) => ({ bucket: one.bucket, from: (taken.get(one.bucket) ?? one.position) + 1 }))
    await untilMore({ log, clock, share }, wanted, signal, left_ms)
  }

  /** Has a bucket more than is in the table? One whose log no longer joins up with the table is stopped. */
  async function hasMore(): Promise<boolean> {
    let more = false
    for (const [one, { first, next }] of await boundsOf(running())) {
      // Another writer may have taken more and trimmed it: only the table tells whether something is lost.
      if (first > one.position + 1 || next <= one.position) one.stale = true
      else if (next > one.position + 1) more = true
      else follows(one)
    }
    return more
  }

  async function gatherAndCommit(signal: AbortSignal): Promise<void> {
    await refresh()
    const looks_ms = [...buckets.values()].flatMap((one) => (one.resting ? one.look_ms - clock.monotonic() : []))
    await waitForMore(new Map(), signal, Math.max(0, Math.min(LOG_CHECK_MS, ...looks_ms)))
    if (signal.aborted || !isDivided() || !(await hasMore())) return
    const attempt = await begin()
    const asked = running()
    try {
      for (;;) {
        await take(attempt)
        const left_ms = dueIn_ms(attempt, clock.monotonic(), freshness_ms)
        const over = isFull(attempt) || attempt.ended.size > 0 || left_ms <= 0 || signal.aborted || !isDivided()
        if (over || attempt.planned.length === 0) break
        await waitForMore(attempt.taken, signal, left_ms)
      }
      if (attempt.planned.length > 0) await commit(attempt)
      // What was there is gone: another writer took it, and the table tells how far.
      else if (!asked.some((one) => one.resting)) forget(asked)
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
