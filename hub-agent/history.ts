/**
 * A week of a small fleet, as batches of finished boots: what `hearth up --demo` sends through the real ingest path at
 * its first start, so that the pages have something to show at once. The same seed and end give the same bytes.
 */
import { type BatchHeader, eventsCrc, PROTOCOL_VERSION } from '../contract/batch.ts'
import { bucketOf, type Layout, serviceStream } from '../contract/bucket.ts'
import { randomHex } from '../contract/clock.ts'
import { formatBoot, HUB_STREAMS, type Identity } from '../contract/source.ts'
import { batchBytes } from '../link/batch-codec.ts'
import type { HistoryHub, HistoryOptions } from './history-fleet.ts'
import { type BootStory, type ToldByRelay, tellStory } from './history-story.ts'

export type HistoryBatch = { readonly identity: Identity; readonly bytes: Buffer; readonly events: number }

/** The relay that held these hubs in the story. */
export const HISTORY_RELAY: Identity = { source: 'relay-demo', role: 'service', generation: 1 }
export const HISTORY_AGENT = 'history'

const BATCH_EVENTS = 2_000
const ALIVE_MS = 60_000

/** All batches, hub after hub, then the relay's. `fleet` comes from `historyFleet` with the same options. */
export function* historyBatches(
  fleet: readonly HistoryHub[],
  options: HistoryOptions & { readonly fleet_name: string; readonly layout: Layout },
): Generator<HistoryBatch> {
  const { layout, random, end_ms, days } = options
  const start_ms = end_ms - days * 86_400_000
  const relay: ToldByRelay[][] = Array.from({ length: layout.buckets }, () => [])
  for (const hub of fleet) {
    const story = tellStory(hub, options.fleet_name, random)
    const bucket = relay[bucketOf(hub.hub, layout.buckets)]
    for (const told of story.relay) bucket?.push(told)
    yield* hubBatches(hub, story.boots, options)
  }
  const boot = formatBoot({ generation: 1, counter: 1, random: randomHex(random, 4) })
  for (const [bucket, told] of relay.entries()) {
    const subject = fleet.find((hub) => bucketOf(hub.hub, layout.buckets) === bucket)
    if (!subject) continue
    for (let time_ms = start_ms + ALIVE_MS; time_ms <= end_ms; time_ms += ALIVE_MS) {
      told.push({ time_ms, event: { kind: 'alive', hub: subject.hub } })
    }
    told.sort((a, b) => a.time_ms - b.time_ms)
    const lines = told.map(({ time_ms, event }) => line(time_ms - start_ms, event))
    const about = { boot, stream: serviceStream(layout.epoch, bucket), wall: start_ms, firmware: HISTORY_AGENT }
    yield* streamBatches(HISTORY_RELAY, about, lines, [])
  }
}

function* hubBatches(
  hub: HistoryHub,
  boots: readonly BootStory[],
  { random }: HistoryOptions,
): Generator<HistoryBatch> {
  const identity: Identity = { source: hub.hub, role: 'hub', generation: 1 }
  const closed = new Map<string, BatchHeader['previous']>(HUB_STREAMS.map((stream) => [stream, []]))
  for (const story of boots) {
    const boot = formatBoot({ generation: 1, counter: story.counter, random: randomHex(random, 4) })
    for (const stream of HUB_STREAMS) {
      const lines = story.told
        .filter((told) => told.stream === stream)
        .map(({ time_ms, event }) => line(time_ms - story.start_ms, event))
      if (lines.length === 0) continue
      const about = { boot, stream, wall: story.start_ms, firmware: story.firmware }
      yield* streamBatches(identity, about, lines, closed.get(stream) ?? [])
      closed.set(stream, [{ boot, next: lines.length, acked: lines.length, dropped: [], held: false }])
    }
  }
}

function line(m: number, event: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify({ m, ...event })}\n`
}

/** The stream of one boot, cut into batches; the first one closes the boot before. */
function* streamBatches(
  identity: Identity,
  about: Pick<BatchHeader, 'boot' | 'stream' | 'wall' | 'firmware'>,
  lines: readonly string[],
  previous: BatchHeader['previous'],
): Generator<HistoryBatch> {
  for (let first = 0; first < lines.length; first += BATCH_EVENTS) {
    const events = Buffer.from(lines.slice(first, first + BATCH_EVENTS).join(''))
    const count = Math.min(BATCH_EVENTS, lines.length - first)
    const header: BatchHeader = {
      hearth: PROTOCOL_VERSION,
      ...about,
      first,
      count,
      next: lines.length,
      acked: first,
      agent: HISTORY_AGENT,
      dropped: [],
      crc: eventsCrc(events),
      previous: first === 0 ? previous : [],
    }
    yield { identity, bytes: batchBytes(header, events, 'zstd'), events: count }
  }
}
