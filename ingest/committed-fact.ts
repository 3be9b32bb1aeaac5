import { size } from '../contract/interval.ts'
import type { CommitOutcome } from '../lake/commit.ts'
import { batchKey, type Encoded } from './encoder.ts'
import type { PlannedBatch } from './planned-batch.ts'
import type { WriterFact } from './writer-seam.ts'

/** What there is to tell of an attempt that was committed for the buckets `left`. */
export function committedFact(
  planned: readonly PlannedBatch[],
  encoded: Encoded,
  left: readonly { readonly bucket: number }[],
  { version, attempts, rebased }: Extract<CommitOutcome, { readonly kind: 'committed' }>,
  times: { readonly ms: number; readonly now_ms: number },
): Extract<WriterFact, { readonly kind: 'committed' }> {
  const chosen = new Set(left.map(({ bucket }) => bucket))
  const through = (bucket: number) => (chosen.has(bucket) ? (encoded.through.get(bucket) ?? 0) : 0)
  const batches = planned.filter(({ batch }) => batch.position <= through(batch.bucket)).map(({ batch }) => batch)
  const files = encoded.files.filter(({ bucket }) => chosen.has(bucket))
  return {
    ...{ kind: 'committed', version, attempts, rebased, ms: times.ms },
    batches: batches.length,
    rows: files.reduce((sum, { rows }) => sum + rows, 0),
    dead: batches.reduce((sum, { bucket, position, header }) => {
      return sum + (header ? size(encoded.dead.get(batchKey(bucket, position)) ?? []) : 1)
    }, 0),
    duplicates: batches.reduce((sum, { duplicates }) => sum + duplicates, 0),
    sizes: files.map(({ add }) => add.size),
    waits_ms: batches.map(({ received_ms }) => Math.max(0, times.now_ms - received_ms)),
  }
}
