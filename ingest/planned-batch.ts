import type { BatchHeader } from '../contract/batch.ts'
import { parseServiceStream } from '../contract/bucket.ts'
import { type Interval, type IntervalSet, intersect, size, subtract } from '../contract/interval.ts'
import { isProblem } from '../contract/problem.ts'
import { HUB_STREAMS, parseBoot } from '../contract/source.ts'
import { batchKey, type Encoded, type EncoderBatch } from './encoder.ts'
import { type ErasedHub, isErasedBoot } from './erased-hubs.ts'
import type { LogRecord, Positioned } from './event-log.ts'
import { type Claim, inflate, type Payload, readClaim, readPayload } from './payload.ts'
import {
  type Addition,
  additionsOf,
  isForgotten,
  newNumbers,
  replayable,
  type StreamRanges,
  streamKey,
} from './ranges.ts'

/** A record of the log, unpacked; judged against what was received before. */
export type PlannedBatch = {
  readonly batch: EncoderBatch
  /** What becomes of the ranges, once it is known which lines are dead, and which are about erased hubs. */
  additions(dead: IntervalSet, erased: IntervalSet): readonly Addition[]
  /** Set for a replay: which numbers of which (stream, boot). */
  readonly replayed?: { readonly name: string; readonly span: Interval }
}

/** A record of the log, unpacked; dead, with its reason, where it cannot be. */
export type Read = { readonly payload: Payload } | { readonly reason: string; readonly claim: Claim | undefined }

/** Unpacks a record. What a gateway let through and cannot be read all the same is dead, with its reason. */
export async function readRecord({ record }: Positioned): Promise<Read> {
  let reason = record.dead
  if (reason === undefined) {
    try {
      return { payload: readPayload(await inflate(record.value, record.codec)) }
    } catch (error) {
      if (!isProblem(error, 'invalid')) throw error
      reason = error.message
    }
  }
  return { reason, claim: await readClaim(record.value, record.codec) }
}

/**
 * Decides what of a record is new: numbers are compared with the ranges, batch earlier in the same attempt included
 * (`lookup`), so that the first in the log is the one stored. What an erased hub sent (`erasedHub`, its source) is
 * received as anything else is, and gone.
 */
export function planBatch(
  bucket: number,
  { position, record }: Positioned,
  read: Read,
  source: string,
  lookup: (key: string) => StreamRanges | undefined,
  erasedHub?: ErasedHub,
): PlannedBatch {
  // `additions` outlives the record, whose value is large: it may hold on to what it needs of it, and no more.
  const { received_ms, replay } = record
  const common = {
    bucket,
    position,
    source: record.source,
    role: record.role,
    listener: record.listener,
    received_ms,
  }
  if ('reason' in read) {
    const { claim, reason } = read
    const erased = erasedHub !== undefined && record.generation <= erasedHub.generation
    const lines = Buffer.from(record.value.buffer, record.value.byteOffset, record.value.byteLength)
    const batch = { ...common, header: undefined, lines, take: [], duplicates: 0, dead: reason, erased }
    if (!claim || !mayClaim(bucket, record, claim)) return { batch, additions: () => [] }
    const dead = newNumbers(lookup(streamKey(source, claim.stream)), claim.boot, [claim.first, claim.next])
    return {
      batch: { ...batch, claim },
      additions: () => additionsOf(source, claim, { stored: [], dead, gone: erased ? dead : [] }, received_ms),
    }
  }
  const { header, lines } = read.payload
  const stream = lookup(streamKey(source, header.stream))
  const span = [header.first, header.first + header.count] as const
  const erased = isErasedBoot(erasedHub, header.boot)
  if (isForgotten(stream, header.boot)) {
    const take = shift([span], -header.first)
    const dead = `boot too old: boots of this stream up to ${stream?.floor} are closed for good`
    return { batch: { ...common, header, lines, take, duplicates: 0, dead, erased }, additions: () => [] }
  }
  const wanted = replay ? replayable(stream, header.boot, span) : newNumbers(stream, header.boot, span)
  const take = shift(wanted, -header.first)
  const batch = { ...common, header, lines, take, duplicates: header.count - size(take), dead: undefined, erased }
  const name = `${streamKey(source, header.stream)} ${header.boot}`
  return {
    batch,
    ...(replay ? { replayed: { name, span } } : {}),
    additions(dead, erasedLines) {
      const deadNumbers = shift(intersect(dead, take), header.first)
      const gone = erased ? wanted : shift(intersect(erasedLines, take), header.first)
      const brought = { stored: subtract(wanted, deadNumbers), dead: deadNumbers, gone }
      return additionsOf(source, replay ? ownOnly(header) : header, brought, received_ms)
    },
  }
}

/** A replay is made by Hearth, and says nothing new of the source. */
function ownOnly(header: BatchHeader): BatchHeader {
  return { ...header, next: header.first + header.count, acked: 0, dropped: [], previous: [] }
}

/** May the source of a refused batch use up the numbers that it names? */
function mayClaim(bucket: number, record: LogRecord, claim: Claim): boolean {
  if (parseBoot(claim.boot).generation > record.generation) return false
  if (record.role === 'hub') return HUB_STREAMS.some((stream) => stream === claim.stream)
  return parseServiceStream(claim.stream)?.bucket === bucket
}

function shift(set: IntervalSet, by: number): IntervalSet {
  return set.map(([from, to]) => [from + by, to + by])
}

/** The additions of a batch after encoding. */
export function additionsAfter(planned: PlannedBatch, encoded: Encoded): readonly Addition[] {
  const key = batchKey(planned.batch.bucket, planned.batch.position)
  return planned.additions(encoded.dead.get(key) ?? [], encoded.erased.get(key) ?? [])
}
