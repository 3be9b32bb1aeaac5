/** What an outbox offers; outbox.ts opens one. */
import type { BatchHeader } from '../contract/batch.ts'
import type { Clock, Random } from '../contract/clock.ts'
import type { Event } from '../contract/event.ts'
import type { Disk, DiskChange } from './disk.ts'

export type OutboxOptions = {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly source: string
  /** From the certificate. */
  readonly generation: number
  readonly firmware: string
  readonly agent: string
  /** Most important first. `max_bytes` bounds what the stream keeps; at it the oldest whole batch is dropped. */
  readonly streams: readonly { readonly name: string; readonly max_bytes?: number }[]
  /** Highest boot counter that the cloud is known to have seen of this source. */
  readonly floor?: number
  /** `zstd` unless said otherwise. */
  readonly codec?: 'zstd' | 'plain'
  /** Plain bytes at which a batch is sealed; `retarget` changes it. */
  readonly batch_bytes?: number
  /** … and how small that makes it at the least. */
  readonly batch_min_bytes?: number
}

/** A batch that was taken to be sent: give it back with exactly one of acknowledge, refuse, release. */
export type TakenBatch = {
  readonly boot: string
  readonly stream: string
  readonly first: number
  readonly count: number
}

/** One sending of a batch, with the header of this moment. */
export type Transmission = { readonly batch: TakenBatch; readonly bytes: Buffer; readonly header: BatchHeader }

export type StreamStatus = {
  readonly stream: string
  /** Kept on disk. */
  readonly bytes: number
  readonly batches: number
  readonly events: number
  /** Discarded for want of room or refused for good, since this outbox was opened. */
  readonly dropped: number
}

export type Outbox = {
  readonly source: string
  /** Streams to ship, most important first; also ones from an earlier version that still hold something. */
  readonly streams: readonly string[]
  /** The running boot, `1-42-9f3ac2d1`. */
  boot(): string
  /** The next connection's epoch, `1.42.7`: each call counts one. */
  nextEpoch(): string
  /** The source's monotonic clock, ms since its start: what an event's `m` means. */
  m(): number
  /** Gives the event its number. When it returns the event survives the process; after `sync` a power cut too. */
  append(stream: string, event: Event): number
  /** The same for many in one write, with `also`, changes of keys that are not the outbox's: all or none. Returns the first's number. */
  appendAll(stream: string, events: readonly Event[], also?: readonly DiskChange[]): number
  sync(): Promise<void>
  /** Oldest batch not in flight; with `flush` also of what is still gathering, or an empty one when only the account is to be told. */
  take(stream: string, options?: { readonly flush?: boolean }): TakenBatch | undefined
  /** The bytes to send now. Call `sync` before the first transmission, so that no power cut can cut the batch anew. */
  transmit(batch: TakenBatch): Transmission
  /** The cloud has it, and the account that its header told. */
  acknowledge(transmission: Transmission): void
  /** The cloud will not have it, ever: its numbers count as dropped (where the cloud knows them as dead, that counts first). */
  refuse(transmission: Transmission): void
  /** No answer came: it will be taken again. */
  release(batch: TakenBatch): void
  /** The cloud knows boots up to `floor`: when the running one is not above it, a new boot above it begins. Resolves with the boot. */
  raise(floor: number): Promise<string>
  /** Size at which batches formed from now on are sealed, for a slow link. */
  retarget(batch_bytes: number): void
  /** Does the stream hold anything that is not acknowledged? */
  pending(stream: string): boolean
  status(): readonly StreamStatus[]
  /** Calls back after each append with the stream, until the returned function is called. */
  watch(callback: (stream: string) => void): () => void
}
