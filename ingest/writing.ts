import type { Layout } from '../contract/bucket.ts'
import type { Clock, Random } from '../contract/clock.ts'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import { isWorldsFault, messageOf } from '../contract/problem.ts'
import type { Lake } from '../lake/lake.ts'
import { openEventEncoder } from './event-encoder.ts'
import type { EventLog } from './event-log.ts'
import { DRAIN_MAX_MS } from './limits.ts'
import { gapOf } from './loss.ts'
import { recordedGaps, recordLoss } from './losses.ts'
import { positionTxn } from './position.ts'
import type { Share } from './share.ts'
import { openWriter, type Writer, type WriterFact } from './writer.ts'

/** The half of ingest that takes batches from the log into the table. */
export type Writing = {
  readonly writer: Writer
  /** Batches into the table until the signal aborts; then what the log still holds, as far as DRAIN_MAX_MS goes. */
  run(signal: AbortSignal): Promise<void>
  /** After `run`: lets go of its thread. */
  close(): Promise<void>
}

export type WritingOptions = {
  readonly lake: Lake
  readonly log: EventLog
  readonly layout: Layout
  readonly clock: Clock
  readonly random: Random
  readonly freshness_ms?: number
  /** Which buckets; all when absent. */
  readonly share?: Share
  note(fact: WriterFact): void
}

/** A writer with its encoder. */
export async function openWriting(options: WritingOptions): Promise<Writing> {
  const { lake, log, layout, clock, random } = options
  const table = await lake.table(EVENTS_TABLE)
  await mintIfBehind(options)
  const encoder = openEventEncoder({
    ...{ store: lake.store, logId: () => log.id, buckets: layout.buckets, clock, random },
  })
  const writer = await openWriter({
    ...{ log, table, store: lake.store, layout, encoder, clock, random, note: options.note },
    ...(options.freshness_ms !== undefined && { freshness_ms: options.freshness_ms }),
    ...(options.share && { share: options.share }),
    recordLoss: (loss) => recordLoss({ lake, clock, random }, loss),
    recordedGaps: () => recordedGaps(lake, { log_id: log.id, epoch: layout.epoch }),
  })
  /** What came while the last commit ran is safe in the log; a person who looks at the table wants it there. */
  async function drainLog(asked_ms: number): Promise<void> {
    try {
      while (clock.monotonic() - asked_ms < DRAIN_MAX_MS && (await writer.commitOnce())) continue
    } catch (error) {
      if (!isWorldsFault(error)) throw error
      const reason = `left for the next start: ${messageOf(error)}`
      options.note({ kind: 'retry', cause: error.kind, reason, delay_ms: 0 })
    }
  }

  return {
    writer,
    async run(signal) {
      let asked_ms: number | undefined
      signal.addEventListener('abort', () => (asked_ms = clock.monotonic()), { once: true })
      await writer.run(signal)
      await drainLog(asked_ms ?? clock.monotonic())
    },
    close: () => encoder.close(),
  }
}

/**
 * A log of ours alone that ends before what the table has read of it was lost or restored: it would give out positions
 * that the table knows as others. It becomes another log, and the loss is kept.
 */
async function mintIfBehind(options: WritingOptions): Promise<void> {
  const { lake, log, layout } = options
  if (!log.mintAnew) return
  const { txns } = await (await lake.table(EVENTS_TABLE)).snapshot()
  let behind = false
  for (let bucket = 0; bucket < layout.buckets; bucket++) {
    const table_position = txns.get(positionTxn(log.id, layout, bucket)) ?? 0
    const bounds = await log.bounds(bucket)
    const found = bounds.next > table_position ? undefined : gapOf(options, bucket, table_position, bounds)
    if (!found) continue
    behind = true
    const loss = { ...found, reason: `${found.reason}, and is another log from now on` }
    await recordLoss(options, loss)
    options.note({ kind: 'loss', loss })
  }
  if (behind) await log.mintAnew()
}
