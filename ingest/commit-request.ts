import { uuid } from '../contract/clock.ts'
import type { IngestInfo } from '../contract/ingest-info.ts'
import type { CommitRequest } from '../lake/commit.ts'
import type { Encoded } from './encoder.ts'
import { additionsAfter, type PlannedBatch } from './planned-batch.ts'
import { positionTxn } from './position.ts'
import { type Addition, joinAdditions, newsOnly, type Ranges } from './ranges.ts'
import { commitRanges } from './ranges-store.ts'
import type { WriterOptions } from './writer-seam.ts'

/** A bucket as the table has it: what an attempt follows on. */
export type Standing = { readonly bucket: number; readonly position: number; readonly ranges: Ranges }

export type IngestCommit = {
  readonly commit: Omit<CommitRequest, 'base'>
  /** By bucket: what becomes real of the ranges once it is committed. */
  readonly additions: ReadonlyMap<number, readonly Addition[]>
}

/** The commit of an attempt for these buckets alone: files, positions, ranges, and the hours that it touches. */
export async function ingestCommit(
  { log, layout, store, random }: Pick<WriterOptions, 'log' | 'layout' | 'store' | 'random'>,
  planned: readonly PlannedBatch[],
  encoded: Encoded,
  left: readonly (Standing & { readonly expected: number | undefined })[],
): Promise<IngestCommit> {
  const chosen = new Set(left.map(({ bucket }) => bucket))
  const additions = new Map<number, readonly Addition[]>()
  const counts: IngestInfo['buckets'] = {}
  for (const { bucket, position, ranges } of left) {
    const through = encoded.through.get(bucket) ?? position
    const mine = planned.filter(({ batch }) => batch.bucket === bucket && batch.position <= through)
    const all = joinAdditions(mine.flatMap((one) => additionsAfter(one, encoded)))
    additions.set(bucket, newsOnly(ranges, all))
    const duplicates = mine.reduce((sum, { batch }) => sum + batch.duplicates, 0)
    counts[bucket] = { from: position + 1, through, batches: mine.length, duplicates }
  }
  const { hours, issued, registry } = encoded.touched
  const commit = {
    id: uuid(random),
    kind: 'ingest' as const,
    adds: encoded.files.filter(({ bucket }) => chosen.has(bucket)).map(({ add }) => add),
    removes: [],
    txns: left.map(({ bucket, position, expected }) => ({
      appId: positionTxn(log.id, layout, bucket),
      expected,
      next: encoded.through.get(bucket) ?? position,
    })),
    info: {
      ingest: { log: log.id, epoch: layout.epoch, buckets: counts } satisfies IngestInfo,
      touched: {
        hours: hours.filter(([, bucket]) => chosen.has(bucket)),
        issued: issued.filter(([, bucket]) => chosen.has(bucket)),
        registry: registry.filter(([bucket]) => chosen.has(bucket)),
      },
      ranges: await commitRanges(store, layout.epoch, additions),
    },
  }
  return { commit, additions }
}
