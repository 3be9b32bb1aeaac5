import type { Codec } from '../contract/batch.ts'

/** One batch for one bucket, as it came. Positions count from 1 in each bucket and are never used twice. */
export type LogRecord = {
  /** Version of the record's form; a newer one than known is refused by name. */
  readonly version: 1
  readonly source: string
  readonly role: 'hub' | 'service'
  readonly generation: number
  /** The gateway's wall clock at the batch's last byte, ms since 1970. */
  readonly received_ms: number
  /** `mqtt`, `https`, `registry`, `replay`. */
  readonly listener: string
  readonly codec: Codec
  /** Set when the batch as a whole cannot be read: the reason. It is kept, and becomes one row of kind `dead`. */
  readonly dead?: string
  /** Set on a replay of dead letters: accepted only for numbers in the dead ranges. */
  readonly replay?: boolean
  /** The payload as it came, still compressed. */
  readonly value: Uint8Array
}

export type Positioned = { readonly position: number; readonly record: LogRecord }

/** First position that is still there, and the position that the next append gets. */
export type LogBounds = { readonly first: number; readonly next: number }

/** What makes batches durable between gateway and writer. One conformance suite: event-log.conformance.ts. */
export type EventLog = {
  /** Minted when the log was created. Positions mean something only together with it. */
  readonly id: string
  /** Becomes another log with a new id: for one of a single writer that ends before what the table has read of it. */
  readonly mintAnew?: () => Promise<void>
  /** Learns `id` anew, where something else than this process can have made the log anew. Not while it is read. */
  readonly identify?: () => Promise<void>
  readonly buckets: number
  /** Resolves with the record's position once it would survive a power cut; group commit underneath. */
  append(bucket: number, record: LogRecord): Promise<number>
  /**
   * Records from `from` on, up to `maxBytes` of payload (at least one record when there is one), and up to one that cannot be
   * read. Raises `corrupt` when that is the first.
   */
  read(bucket: number, from: number, maxBytes: number): Promise<readonly Positioned[]>
  /** Forgets everything below `to`, in small chunks. */
  trim(bucket: number, to: number): Promise<void>
  bounds(bucket: number): Promise<LogBounds>
  /** Resolves when `bucket` has a record at or past `from`, or the signal aborts. */
  waitFor(bucket: number, from: number, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}
