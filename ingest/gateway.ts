import { type BatchAnswer, type BatchHeader, type Codec, codecOf, listedIn } from '../contract/batch.ts'
import { bucketOf, type Layout, parseServiceStream, serviceStream } from '../contract/bucket.ts'
import { type Clock, sleep } from '../contract/clock.ts'
import { BATCH_COMPRESSED_MAX_BYTES } from '../contract/limits.ts'
import { isProblem, Problem } from '../contract/problem.ts'
import { remember } from '../contract/remember.ts'
import { HUB_STREAMS, type Identity, parseBoot } from '../contract/source.ts'
import type { EventLog, LogRecord } from './event-log.ts'
import {
  DEAD_VALUE_MAX_BYTES,
  IN_FLIGHT_MAX_BATCHES,
  IN_FLIGHT_MAX_BYTES,
  INFLATE_CONCURRENT_MAX,
  SOURCES_REMEMBERED_MAX,
  WAITING_MAX_BATCHES,
} from './limits.ts'
import { openPace, type Pace } from './pace.ts'
import { inflate, readClaim, readPayload } from './payload.ts'

/** What a gateway has done since it was opened. */
export type GatewayCounts = {
  readonly batches: number
  readonly events: number
  /** As they came. */
  readonly bytes: number
  /** Unpacked, of good batches. */
  readonly plain_bytes: number
  /** Batches that are durable in the log, refused ones too. */
  readonly durable: number
  readonly refused: number
  /** Answers that came later, since their hub sends more than its share. */
  readonly held_back: number
  readonly turned_away: number
  readonly in_flight: number
  readonly in_flight_bytes: number
  readonly waiting: number
}

export type Gateway = {
  /**
   * Answers once the batch is durable in the event log. `refused` is for good: its reason is for the firmware's
   * developer, and the batch is kept as dead. When too much is in flight it raises `limit` (nothing kept: send again
   * later) or waits for its turn, as the sender's protocol wants it. Raises `closed` while draining, and the log's own
   * Problem when it could not be made durable.
   */
  receive(identity: Identity, bytes: Uint8Array, listener: string, whenFull?: 'raise' | 'wait'): Promise<BatchAnswer>
  /** The highest boot counter heard from a source; 0 where none was. A source below it jumps above it. */
  floor(source: string): number
  counts(): GatewayCounts
  /** Takes no more and waits for what it holds. */
  close(): Promise<void>
}

export type GatewayOptions = {
  readonly log: EventLog
  readonly layout: Layout
  readonly clock: Clock
  /** Counters heard before this gateway was opened, from the ranges. */
  readonly knownFloor?: (source: string) => number
  readonly pace?: Pace
  readonly limits?: { readonly batches?: number; readonly bytes?: number }
}

type Examined =
  | { readonly kind: 'good'; readonly bucket: number; readonly header: BatchHeader; readonly plain_bytes: number }
  | { readonly kind: 'dead'; readonly bucket: number; readonly reason: string }

/** `cost`: what it counts for in its source's allowance, in events. */
type Accepted = { readonly answer: BatchAnswer; readonly cost: number }

/** A batch that found no room. */
type Waiter = { readonly bytes: number; enter(): void; refuse(error: Problem): void }

/**
 * The core of a telemetry gateway, without sockets: what comes in is checked as far as that needs no reading of events,
 * made durable as it came, and only then acknowledged.
 */
export function openGateway(options: GatewayOptions): Gateway {
  const { log, layout, clock } = options
  const pace = options.pace ?? openPace(clock)
  const maxBatches = options.limits?.batches ?? IN_FLIGHT_MAX_BATCHES
  const maxBytes = options.limits?.bytes ?? IN_FLIGHT_MAX_BYTES
  const floors = new Map<string, number>()
  const inflating = turns(INFLATE_CONCURRENT_MAX)
  const waiting: Waiter[] = []
  const counts = {
    ...{ batches: 0, events: 0, bytes: 0, plain_bytes: 0, durable: 0, refused: 0, held_back: 0, turned_away: 0 },
    ...{ in_flight: 0, in_flight_bytes: 0 },
  }
  let closed = false
  let idle: (() => void) | undefined

  const hasRoom = (bytes: number) => counts.in_flight < maxBatches && counts.in_flight_bytes + bytes <= maxBytes

  function enter(bytes: number): void {
    counts.in_flight++
    counts.in_flight_bytes += bytes
  }

  /** Those that wait come in in the order in which they came, as many as fit. */
  function leave(bytes: number): void {
    counts.in_flight--
    counts.in_flight_bytes -= bytes
    for (let next = waiting[0]; next && hasRoom(next.bytes); next = waiting[0]) {
      waiting.shift()
      enter(next.bytes)
      next.enter()
    }
    if (counts.in_flight === 0) idle?.()
  }

  async function examine(identity: Identity, bytes: Uint8Array, codec: Codec): Promise<Examined> {
    try {
      if (bytes.length > BATCH_COMPRESSED_MAX_BYTES) {
        throw new Problem(
          'invalid',
          `the batch is ${bytes.length} bytes as sent; the limit is ${BATCH_COMPRESSED_MAX_BYTES}: send fewer events`,
        )
      }
      const [header, plain_bytes] = await inflating(async () => {
        const plain = await inflate(bytes, codec)
        return [readPayload(plain).header, plain.length] as const
      })
      return { kind: 'good', bucket: bucketFor(identity, header, layout), header, plain_bytes }
    } catch (error) {
      if (!isProblem(error, 'invalid')) throw error
      return { kind: 'dead', bucket: await deadBucket(identity, bytes, codec, layout), reason: error.message }
    }
  }

  /** What is wrong with the log is no fault of the sender, whose batch and rights are good. */
  async function keep(bucket: number, record: LogRecord): Promise<void> {
    try {
      await log.append(bucket, record)
    } catch (error) {
      if (!isProblem(error) || error.kind === 'closed') throw error
      throw new Problem('unavailable', error.message, { outcome: error.outcome, cause: error })
    }
  }

  async function accept(
    identity: Identity,
    bytes: Uint8Array,
    listener: string,
    received_ms: number,
  ): Promise<Accepted> {
    const codec = codecOf(bytes)
    const record: LogRecord = {
      version: 1,
      source: identity.source,
      role: identity.role,
      generation: identity.generation,
      received_ms,
      listener,
      codec,
      value: bytes,
    }
    const examined = await examine(identity, bytes, codec)
    counts.batches++
    counts.bytes += bytes.length
    if (examined.kind === 'dead') {
      counts.refused++
      const value = bytes.slice(0, DEAD_VALUE_MAX_BYTES)
      await keep(examined.bucket, { ...record, dead: examined.reason, value })
      counts.durable++
      return { answer: { kind: 'refused', reason: examined.reason }, cost: 0 }
    }
    await keep(examined.bucket, record)
    counts.durable++
    counts.plain_bytes += examined.plain_bytes
    const { boot, count, now } = examined.header
    const { counter } = parseBoot(boot)
    counts.events += count
    const floor = knownFloor(identity.source)
    remember(floors, identity.source, Math.max(counter, floor), SOURCES_REMEMBERED_MAX)
    // A batch without `now` is of an earlier boot, which is rightly below the one that runs.
    const below = now !== undefined && counter < floor
    return { answer: { kind: 'durable', ...(below ? { floor } : {}) }, cost: count + listedIn(examined.header) }
  }

  function knownFloor(source: string): number {
    // What was remembered is at least what was known: it is asked once a source, for it costs a keyed hash.
    return floors.get(source) ?? options.knownFloor?.(source) ?? 0
  }

  return {
    async receive(identity, bytes, listener, whenFull = 'raise') {
      if (closed) throw draining()
      const received_ms = clock.now()
      if (waiting.length === 0 && hasRoom(bytes.length)) enter(bytes.length)
      else if (whenFull === 'wait' && bytes.length <= maxBytes && waiting.length < WAITING_MAX_BATCHES) {
        await new Promise<void>((enter, refuse) => waiting.push({ bytes: bytes.length, enter, refuse }))
      } else {
        counts.turned_away++
        throw new Problem(
          'limit',
          `the gateway holds ${counts.in_flight} batches (${counts.in_flight_bytes} bytes) that are not durable yet; the limits are ${maxBatches} and ${maxBytes}: send the batch again later`,
        )
      }
      let accepted: Accepted
      try {
        accepted = await accept(identity, bytes, listener, received_ms)
      } finally {
        leave(bytes.length)
      }
      const delay_ms = identity.role === 'hub' ? pace.delay_ms(identity.source, accepted.cost) : 0
      // Held back only after the batch is durable and out of memory: the sender's own window slows it.
      if (delay_ms > 0 && !closed) {
        counts.held_back++
        await sleep(clock, delay_ms)
      }
      return accepted.answer
    },
    floor: knownFloor,
    counts: () => ({ ...counts, waiting: waiting.length }),
    async close() {
      closed = true
      for (const { refuse } of waiting.splice(0)) refuse(draining())
      if (counts.in_flight > 0) await new Promise<void>((resolve) => (idle = resolve))
    },
  }
}

function draining(): Problem {
  return new Problem('closed', 'the gateway is draining: send the batch again, elsewhere or later')
}

/** The bucket of a batch. Raises `invalid` when the source may not use the stream or a boot that it names. */
function bucketFor(identity: Identity, header: BatchHeader, layout: Layout): number {
  for (const boot of [header.boot, ...header.previous.map(({ boot }) => boot)]) {
    const { generation } = parseBoot(boot)
    if (generation <= identity.generation) continue
    throw new Problem(
      'invalid',
      `${boot === header.boot ? 'boot' : 'previous names boot'} ${boot}, which is of generation ${generation}, but ${identity.source} is enrolled with generation ${identity.generation}: a boot begins with the generation that its enrolment gave`,
    )
  }
  if (identity.role === 'hub') {
    if (!HUB_STREAMS.some((stream) => stream === header.stream)) {
      throw new Problem('invalid', `a hub has the streams ${HUB_STREAMS.join(' and ')}; found ${header.stream}`)
    }
    return bucketOf(identity.source, layout.buckets)
  }
  const stream = parseServiceStream(header.stream)
  if (stream?.epoch !== layout.epoch || stream.bucket >= layout.buckets) {
    const last = serviceStream(layout.epoch, layout.buckets - 1)
    throw new Problem(
      'invalid',
      `a service has one stream a bucket, ${serviceStream(layout.epoch, 0)} to ${last}; found ${header.stream}`,
    )
  }
  return stream.bucket
}

/** Where a refused batch is kept: with its stream where it names one that its source may use, else with its source. */
async function deadBucket(identity: Identity, bytes: Uint8Array, codec: Codec, layout: Layout): Promise<number> {
  if (identity.role === 'service') {
    const claim = await readClaim(bytes, codec)
    const stream = claim && parseServiceStream(claim.stream)
    if (stream?.epoch === layout.epoch && stream.bucket < layout.buckets) return stream.bucket
  }
  return bucketOf(identity.source, layout.buckets)
}

/** Runs at most `count` of what it is given at the same time, in the order given. */
function turns(count: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = count
  const queue: (() => void)[] = []
  return async (work) => {
    if (free > 0) free--
    else await new Promise<void>((resolve) => queue.push(resolve))
    try {
      return await work()
    } finally {
      const next = queue.shift()
      if (next) next()
      else free++
    }
  }
}
