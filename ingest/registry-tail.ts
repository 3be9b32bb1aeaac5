import { eventsCrc, PROTOCOL_VERSION } from '../contract/batch.ts'
import { type Layout, serviceStream } from '../contract/bucket.ts'
import type { Clock } from '../contract/clock.ts'
import { union } from '../contract/interval.ts'
import { parseBoot } from '../contract/source.ts'
import type { Registry } from '../registry/registry.ts'
import type { EventLog } from './event-log.ts'
import { REGISTRY_CHANGES_A_BATCH } from './limits.ts'
import type { StreamRanges } from './ranges.ts'

export const REGISTRY_SOURCE = 'registry'

export type RegistryTail = {
  /** Appends every change that is not in the log yet; resolves when they are durable. */
  drain(): Promise<void>
}

/**
 * Tells the event log what changed in the registry: source `registry`, one stream a bucket, whose numbers the registry
 * itself gives out. Sending again is a duplicate, so that it begins anywhere at or before the first that is missing.
 */
export function openRegistryTail(options: {
  readonly registry: Registry
  readonly log: EventLog
  readonly layout: Layout
  readonly clock: Clock
  /** What was received of the registry's stream of a bucket. */
  received(stream: string): StreamRanges | undefined
}): RegistryTail {
  const { registry, log, layout, clock } = options
  const next = new Map<number, number>()
  let draining: Promise<void> | undefined
  let again = false

  function start(stream: string): number {
    const boot = options.received(stream)?.boots.get(registry.boot)
    const first = boot && union(boot.stored, boot.dead)[0]
    return first?.[0] === 0 ? first[1] : 0
  }

  async function drainBucket(bucket: number): Promise<void> {
    const stream = serviceStream(layout.epoch, bucket)
    for (;;) {
      const first = next.get(bucket) ?? start(stream)
      const changes = registry.changes(bucket, first, REGISTRY_CHANGES_A_BATCH)
      if (changes.length === 0) return
      const lines = changes.map(({ event }) => `${JSON.stringify(event)}\n`).join('')
      const header = {
        hearth: PROTOCOL_VERSION,
        boot: registry.boot,
        stream,
        first,
        count: changes.length,
        next: first + changes.length,
        acked: first,
        wall: registry.wall_ms,
        firmware: '',
        agent: 'hearth',
        dropped: [],
        crc: eventsCrc(lines),
      }
      await log.append(bucket, {
        version: 1,
        source: REGISTRY_SOURCE,
        role: 'service',
        generation: parseBoot(registry.boot).generation,
        received_ms: clock.now(),
        listener: 'registry',
        codec: 'plain',
        value: Buffer.from(`${JSON.stringify(header)}\n${lines}`),
      })
      next.set(bucket, first + changes.length)
    }
  }

  async function drainAll(): Promise<void> {
    do {
      again = false
      for (let bucket = 0; bucket < layout.buckets; bucket++) await drainBucket(bucket)
    } while (again)
  }

  return {
    drain() {
      again = true
      draining ??= drainAll().finally(() => {
        draining = undefined
      })
      return draining
    },
  }
}
