/** What a writer offers and needs; writer.ts opens one. */
import type { Layout } from '../contract/bucket.ts'
import type { Clock, Random } from '../contract/clock.ts'
import type { ProblemKind } from '../contract/problem.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import type { Table } from '../lake/table.ts'
import type { Encoder } from './encoder.ts'
import type { EventLog } from './event-log.ts'
import type { Loss } from './loss.ts'
import type { Ranges } from './ranges.ts'
import type { Share } from './share.ts'

/** What a writer tells of itself; the composition logs it. */
export type WriterFact =
  /**
   * `ms`: from the end of gathering to the commit. `attempts` and `rebased`: see CommitOutcome. `sizes`: bytes of each data
   * file; `waits_ms`: of each batch, from its receipt to the commit.
   */
  | {
      readonly kind: 'committed'
      readonly version: number
      readonly batches: number
      readonly rows: number
      /** Rows of kind `dead`, and events that were stored before. */
      readonly dead: number
      readonly duplicates: number
      readonly ms: number
      readonly attempts: number
      readonly rebased: number
      readonly sizes: readonly number[]
      readonly waits_ms: readonly number[]
    }
  | { readonly kind: 'fenced'; readonly buckets: readonly number[] }
  /** It takes these from now on, and no others. */
  | { readonly kind: 'share'; readonly buckets: readonly number[] }
  | { readonly kind: 'retry'; readonly cause: ProblemKind; readonly reason: string; readonly delay_ms: number }
  | { readonly kind: 'loss'; readonly loss: Loss }
  /** A bucket cannot be read and is left alone for `delay_ms`; the others go on. */
  | {
      readonly kind: 'unreadable'
      readonly bucket: number
      readonly cause: ProblemKind
      readonly reason: string
      readonly delay_ms: number
    }
  /** A bucket that was stopped goes on from the table's position. */
  | { readonly kind: 'resumed'; readonly bucket: number; readonly position: number }
  /** The table goes on with this log; what another held past its position will not come. */
  | { readonly kind: 'replaced'; readonly loss: Loss }

export type BucketState = {
  readonly bucket: number
  /** Last position of the log that is in the table. */
  readonly position: number
  /** Why the bucket is stopped: log and table do not join up, or it cannot be read or reached. Looked at again by itself. */
  readonly stopped: string | undefined
}

export type Writer = {
  /** Gathers and commits until the signal aborts, then commits what it has gathered. */
  run(signal: AbortSignal): Promise<void>
  /** Commits what the log holds now, in one attempt; false when there was nothing. Not beside `run`. */
  commitOnce(): Promise<boolean>
  buckets(): readonly BucketState[]
  ranges(bucket: number): Ranges
  /** Why `run` has committed nothing since its last attempt; undefined while all is well. */
  failing(): string | undefined
  /** The table as this writer saw it last; undefined before its first look. */
  seen(): Snapshot | undefined
}

export type WriterOptions = {
  readonly log: EventLog
  readonly table: Table
  readonly store: ObjectStore
  readonly layout: Layout
  readonly encoder: Encoder
  readonly clock: Clock
  readonly random: Random
  /** Which buckets it takes; all when absent. */
  readonly share?: Share
  /** Longest wait of what is new; FRESHNESS_MS when absent. */
  readonly freshness_ms?: number
  /** Commits between two snapshots of a bucket's ranges. */
  readonly snapshot_commits?: number
  /** Keeps a loss durably, before the bucket is reported as stopped. */
  recordLoss(loss: Loss): Promise<void>
  /** By bucket of this log: the position at which a gap was recorded, unless its loss was accepted since. */
  recordedGaps?(): Promise<ReadonlyMap<number, number>>
  note(fact: WriterFact): void
}
