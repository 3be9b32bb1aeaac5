import type { Clock } from '../contract/clock.ts'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import type { HearthInfo } from '../lake/action.ts'
import { deleteAll } from '../lake/delete-all.ts'
import type { Lake } from '../lake/lake.ts'
import type { ObjectMeta } from '../lake/object-store.ts'
import { refuseFastClock } from '../lake/store-clock.ts'
import { RANGES_KEPT, RANGES_KEPT_MS } from './limits.ts'
import { additionObjects, loadRanges, putRanges, rangesFolder } from './ranges-store.ts'

type Ranged = Pick<Lake, 'layouts' | 'store'>

export type VacuumRangesOptions = {
  readonly lake: Ranged
  readonly clock: Clock
  readonly dry_run?: boolean
  readonly signal?: AbortSignal | undefined
  progress?(done: number, total: number): void
}

/** Keeps the ranges of every bucket as of a version of the events table: after it, no entry up to it is needed. */
export async function keepAllRanges(
  { layouts, store, table: open }: Pick<Lake, 'layouts' | 'store' | 'table'>,
  version: number,
): Promise<void> {
  const table = await open(EVENTS_TABLE)
  for (const layout of layouts) {
    const buckets = Array.from({ length: layout.buckets }, (_, bucket) => bucket)
    const loaded = await loadRanges({ store, table, layout }, buckets, version)
    for (const [bucket, { ranges }] of loaded) await putRanges(store, layout, bucket, version, ranges)
  }
}

/** Deletes the additions that an entry of the log has as objects, when the entry itself is about to go. */
export async function dropAdditions({ store }: Pick<Lake, 'store'>, info: HearthInfo | undefined): Promise<void> {
  for (const path of additionObjects(info)) await store.delete(path)
}

/**
 * Deletes snapshots of ranges that nobody needs: all but the newest few of each bucket, and those of the last hour, since
 * whoever has just read an older version of the table looks for one that is not newer. Tells which, in a dry run too. Raises
 * `unavailable` when this machine's clock is ahead of the store's.
 */
export async function vacuumRanges(options: VacuumRangesOptions): Promise<readonly ObjectMeta[]> {
  const { store } = options.lake
  const now_ms = options.clock.now()
  const spare = await spareRanges(options.lake, now_ms)
  if (options.dry_run || spare.length === 0) return spare
  await refuseFastClock({ store }, now_ms)
  await deleteAll(
    store,
    spare.map(({ path }) => path),
    options,
  )
  return spare
}

async function spareRanges({ layouts, store }: Ranged, now_ms: number): Promise<readonly ObjectMeta[]> {
  const spare: ObjectMeta[] = []
  for (const layout of layouts) {
    for (let bucket = 0; bucket < layout.buckets; bucket++) {
      const kept = await Array.fromAsync(store.list(`${rangesFolder(layout, bucket)}/`))
      const old = kept.slice(0, -RANGES_KEPT)
      spare.push(...old.filter(({ modified_ms }) => modified_ms <= now_ms - RANGES_KEPT_MS))
    }
  }
  return spare
}
