import type { Layout } from '../contract/bucket.ts'
import type { Clock, Random } from '../contract/clock.ts'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import { isProblem, messageOf } from '../contract/problem.ts'
import { parseBoot } from '../contract/source.ts'
import type { Lake } from '../lake/lake.ts'
import type { Registry } from '../registry/registry.ts'
import type { Standing } from './commit-request.ts'
import type { EventLog } from './event-log.ts'
import { type Gateway, openGateway } from './gateway.ts'
import { FLOOR_LOG_MAX_BYTES, LOG_READ_BYTES } from './limits.ts'
import { readClaim } from './payload.ts'
import { positionTxn } from './position.ts'
import { type Ranges, type StreamRanges, streamKey } from './ranges.ts'
import { sourceKey } from './ranges-form.ts'
import { loadRanges, rangesKey } from './ranges-store.ts'
import { openRegistryTail, REGISTRY_SOURCE } from './registry-tail.ts'

/** The half of ingest that makes batches durable in the log. */
export type Receiving = {
  readonly gateway: Gateway
  /** Tells the log what changes in the registry, until the signal aborts. */
  run(signal: AbortSignal): Promise<void>
}

export type ReceivingOptions = {
  readonly lake: Lake
  readonly log: EventLog
  readonly registry: Registry
  readonly layout: Layout
  readonly clock: Clock
  readonly random: Random
  note(fact: { readonly kind: 'registry'; readonly reason: string }): void
}

/** A gateway and the registry's tail, over what the table knows of every bucket. */
export async function openReceiving(options: ReceivingOptions, known?: readonly Standing[]): Promise<Receiving> {
  const { lake, log, registry, layout, clock, random } = options
  const key = await rangesKey(lake.store, random)
  const standing = known ?? (await standingOf(options))
  const ofRegistry = new Map<string, StreamRanges>()
  const counters = new Map<string, number>()
  for (const { bucket, position, ranges } of standing) {
    for (const [name, stream] of ranges)
      if (name.startsWith(streamKey(sourceKey(key, REGISTRY_SOURCE), ''))) ofRegistry.set(name, stream)
    raiseFromRanges(ranges, counters)
    await raiseFromLog(log, bucket, position, key, counters)
  }
  const received = (stream: string) => ofRegistry.get(streamKey(sourceKey(key, REGISTRY_SOURCE), stream))
  const tail = openRegistryTail({ registry, log, layout, clock, received })
  const gateway = openGateway({
    ...{ log, layout, clock },
    knownFloor: (source) => counters.get(sourceKey(key, source)) ?? 0,
  })
  const drain = () =>
    tail.drain().catch((error: unknown) => options.note({ kind: 'registry', reason: messageOf(error) }))

  return {
    gateway,
    async run(signal) {
      const unwatch = registry.watch(() => void drain())
      try {
        await drain()
        if (!signal.aborted)
          await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
      } finally {
        unwatch()
      }
    },
  }
}

/** Where every bucket stands in the table, for a process that does not write. */
async function standingOf({ lake, log, layout }: ReceivingOptions): Promise<readonly Standing[]> {
  const table = await lake.table(EVENTS_TABLE)
  const { txns, version } = await table.snapshot()
  const all = Array.from({ length: layout.buckets }, (_, bucket) => bucket)
  const loaded = await loadRanges({ store: lake.store, table, layout }, all, version)
  return all.map((bucket) => ({
    bucket,
    position: txns.get(positionTxn(log.id, layout, bucket)) ?? 0,
    ranges: loaded.get(bucket)?.ranges ?? new Map(),
  }))
}

function raise(counters: Map<string, number>, source: string, boot: string): void {
  counters.set(source, Math.max(counters.get(source) ?? 0, parseBoot(boot).counter))
}

function raiseFromRanges(ranges: Ranges, counters: Map<string, number>): void {
  for (const { source, boots, floor } of ranges.values()) {
    for (const boot of boots.keys()) raise(counters, source, boot)
    if (floor !== undefined) raise(counters, source, floor)
  }
}

/** What the log holds past the table, as far as that takes no longer than a start may and can be read. */
async function raiseFromLog(
  log: EventLog,
  bucket: number,
  position: number,
  key: Uint8Array,
  counters: Map<string, number>,
): Promise<void> {
  let bytes = 0
  for (let from = position + 1; bytes < FLOOR_LOG_MAX_BYTES; ) {
    const records = await log.read(bucket, from, LOG_READ_BYTES).catch((error: unknown) => {
      if (isProblem(error, 'corrupt')) return []
      throw error
    })
    for (const { record } of records) {
      bytes += record.value.length
      const claim = await readClaim(record.value, record.codec)
      if (claim) raise(counters, sourceKey(key, record.source), claim.boot)
    }
    const last = records.at(-1)
    if (!last) return
    from = last.position + 1
  }
}
