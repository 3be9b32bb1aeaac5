import { listedIn } from '../contract/batch.ts'
import type { IntervalSet } from '../contract/interval.ts'
import type { EncoderBatch, Encoding } from './encoder.ts'
import type { ErasedHubs } from './erased-hubs.ts'
import {
  ATTEMPT_BATCHES_MAX,
  ATTEMPT_EVENTS_MAX,
  ATTEMPT_LISTED_BYTES,
  ATTEMPT_PLAIN_MAX_BYTES,
  QUIET_FRESHNESS_MS,
  QUIET_FRESHNESS_TIMES,
} from './limits.ts'
import type { PlannedBatch } from './planned-batch.ts'
import type { StreamRanges } from './ranges.ts'

/** What a writer has gathered for one commit. */
export type Attempt = {
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

/** What a batch adds to the bytes of an attempt. */
export function bytesOf({ header, lines }: Pick<EncoderBatch, 'header' | 'lines'>): number {
  return lines.length + (header ? listedIn(header) * ATTEMPT_LISTED_BYTES : 0)
}

export function isFull({ bytes, events, planned }: Pick<Attempt, 'bytes' | 'events' | 'planned'>): boolean {
  return bytes >= ATTEMPT_PLAIN_MAX_BYTES || events >= ATTEMPT_EVENTS_MAX || planned.length >= ATTEMPT_BATCHES_MAX
}

/** How long an attempt may still gather: signs of life alone wait for company, anything else does not. */
export function dueIn_ms(
  { begun_ms, urgent_ms = Number.POSITIVE_INFINITY }: Attempt,
  now_ms: number,
  freshness_ms: number,
): number {
  const quiet_ms = Math.min(QUIET_FRESHNESS_MS, QUIET_FRESHNESS_TIMES * freshness_ms)
  return Math.min((begun_ms ?? now_ms) + quiet_ms, urgent_ms + freshness_ms) - now_ms
}
