import { join } from 'node:path'
import type { Layout } from '../contract/bucket.ts'
import type { Clock, Random } from '../contract/clock.ts'
import { isProblem, messageOf } from '../contract/problem.ts'
import { parseBoot } from '../contract/source.ts'
import type { Lake } from '../lake/lake.ts'
import type { Registry } from '../registry/registry.ts'
import { openDuckDbEncoder } from './duckdb-encoder.ts'
import type { EventLog } from './event-log.ts'
import { type Gateway, openGateway } from './gateway.ts'
import { DRAIN_MAX_MS, LOG_READ_BYTES } from './limits.ts'
import { lossOf } from './loss.ts'
import { recordLoss } from './losses.ts'
import { readClaim } from './payload.ts'
import { positionTxn } from './position.ts'
import { type Ranges, type StreamRanges, streamKey } from './ranges.ts'
import { sourceKey } from './ranges-form.ts'
import { rangesKey } from './ranges-store.ts'
import { openRegistryTail, REGISTRY_SOURCE } from './registry-tail.ts'
import { openWriter, type Writer, type WriterFact } from './writer.ts'

export type Ingest = {
  readonly gateway: Gateway
  readonly writer: Writer
  /** Registry changes into the log, batches into the table, until the signal aborts; then what the log still holds. */
  run(signal: AbortSignal): Promise<void>
  /** After `run`: lets go of DuckDB. The log is its opener's to close. */
  close(): Promise<void>
}

/** Gateway, registry tail and writer of all buckets in one process. */
export async function openIngest(options: {
  readonly lake: Lake
  readonly log: EventLog
  readonly registry: Registry
  readonly layout: Layout
  readonly clock: Clock
  readonly random: Random
  readonly scratch_folder: string
  readonly freshness_ms?: number
  note(fact: WriterFact | { readonly kind: 'registry'; readonly reason: string }): void
}): Promise<Ingest> {
  const { lake, log, registry, layout, clock, random, scratch_folder } = options
  const table = await lake.table('events')
  await mintIfBehind(options)
  const key = await rangesKey(lake.store, random)
  const encoder = await openDuckDbEncoder({
    ...{ store: lake.store, logId: () => log.id, buckets: layout.buckets, clock, random },
    scratch_folder: join(scratch_folder, 'writer'),
  })
  const writer = await openWriter({
    ...{ log, table, store: lake.store, layout, encoder, clock, random, note: options.note },
    ...(options.freshness_ms === undefined ? {} : { freshness_ms: options.freshness_ms }),
    recordLoss: (loss) => recordLoss({ lake, clock, random, scratch_folder }, loss),
  })
  const received = (stream: string): StreamRanges | undefined => {
    const name = streamKey(sourceKey(key, REGISTRY_SOURCE), stream)
    for (const { bucket } of writer.buckets()) {
      const found = writer.ranges(bucket).get(name)
      if (found) return found
    }
    return undefined
  }
  const tail = openRegistryTail({ registry, log, layout, clock, received })
  const counters = await knownCounters(log, writer, key)
  const gateway = openGateway({
    ...{ log, layout, clock },
    knownFloor: (source) => counters.get(sourceKey(key, source)) ?? 0,
  })
  const drainRegistry = () =>
    tail.drain().catch((error: unknown) => options.note({ kind: 'registry', reason: messageOf(error) }))
  /** What came while the last commit ran is safe in the log; a person who looks at the table wants it there. */
  async function drainLog(asked_ms: number): Promise<void> {
    try {
      while (clock.monotonic() - asked_ms < DRAIN_MAX_MS && (await writer.commitOnce())) continue
    } catch (error) {
      if (!isProblem(error, 'unavailable', 'conflict', 'limit')) throw error
      options.note({ kind: 'retry', reason: `left for the next start: ${messageOf(error)}`, delay_ms: 0 })
    }
  }

  return {
    gateway,
    writer,
    async run(signal) {
      const unwatch = registry.watch(() => void drainRegistry())
      let asked_ms: number | undefined
      signal.addEventListener('abort', () => (asked_ms = clock.monotonic()), { once: true })
      try {
        await drainRegistry()
        await writer.run(signal)
        await drainLog(asked_ms ?? clock.monotonic())
      } finally {
        unwatch()
      }
    },
    close: () => encoder.close(),
  }
}

/**
 * A log that ends before what the table has read of it was lost or restored: it would give out positions that the table
 * knows as others. It becomes another log, and the loss is kept.
 */
async function mintIfBehind(options: {
  readonly lake: Lake
  readonly log: EventLog
  readonly layout: Layout
  readonly clock: Clock
  readonly random: Random
  readonly scratch_folder: string
  note(fact: WriterFact): void
}): Promise<void> {
  const { lake, log, layout } = options
  if (!log.mintAnew) return
  const { txns } = await (await lake.table('events')).snapshot()
  let behind = false
  for (let bucket = 0; bucket < layout.buckets; bucket++) {
    const table_position = txns.get(positionTxn(log.id, layout, bucket)) ?? 0
    const bounds = await log.bounds(bucket)
    if (bounds.next > table_position) continue
    behind = true
    const found = lossOf(options, bucket, table_position, bounds)
    const loss = { ...found, reason: `${found.reason}, and is another log from now on` }
    await recordLoss(options, loss)
    options.note({ kind: 'loss', loss })
  }
  if (behind) await log.mintAnew()
}

/** The highest boot counter of each source: from the ranges, and from what the log holds past them. */
async function knownCounters(log: EventLog, writer: Writer, key: Uint8Array): Promise<Map<string, number>> {
  const counters = new Map<string, number>()
  const raise = (source: string, boot: string) =>
    counters.set(source, Math.max(counters.get(source) ?? 0, parseBoot(boot).counter))
  for (const { bucket, position } of writer.buckets()) {
    raiseFromRanges(writer.ranges(bucket), raise)
    for (let from = position + 1; ; ) {
      const records = await log.read(bucket, from, LOG_READ_BYTES)
      for (const { record } of records) {
        const claim = await readClaim(record.value, record.codec)
        if (claim) raise(sourceKey(key, record.source), claim.boot)
      }
      const last = records.at(-1)
      if (!last) break
      from = last.position + 1
    }
  }
  return counters
}

function raiseFromRanges(ranges: Ranges, raise: (source: string, boot: string) => void): void {
  for (const { source, boots, floor } of ranges.values()) {
    for (const boot of boots.keys()) raise(source, boot)
    if (floor !== undefined) raise(source, floor)
  }
}
