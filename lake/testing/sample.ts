import type { Clock } from '../../contract/clock.ts'
import type { Column } from '../../contract/column.ts'
import { assert } from '../../contract/problem.ts'
import { seededRandom } from '../../sim/clock.ts'
import type { AddFile } from '../action.ts'
import type { CommitRequest } from '../commit.ts'
import type { CommitKind } from '../conflict.ts'
import { createLake } from '../lake.ts'
import type { ObjectStore } from '../object-store.ts'
import { openTable, type Table } from '../table.ts'

/** A small table for tests of the log: its files have names, sizes and statistics, and need not exist. */

export const SAMPLE_COLUMNS: readonly Column[] = [
  { name: 'hub_id', type: 'string', meaning: 'the hub' },
  { name: 'value', type: 'double', unit: 'ms', meaning: 'a number' },
]
export const SAMPLE_PARTITION: readonly Column[] = [
  { name: 'day', type: 'date', meaning: 'the day' },
  { name: 'bucket', type: 'integer', meaning: 'the bucket' },
]

/** Makes a lake in `store` with the table `sample`, at version 0. */
export async function createSample(store: ObjectStore, clock: Clock): Promise<Table> {
  const lake = await createLake({ store, clock, random: seededRandom(1), fleet: 'f', region: 'r', buckets: 2 })
  return await lake.createTable('sample', { columns: SAMPLE_COLUMNS, partition: SAMPLE_PARTITION })
}

/** The same table as another process opens it: with nothing in memory. */
export function reopenSample(store: ObjectStore, clock: Clock): Table {
  return openTable({ store, clock, checkpoints: undefined }, 'sample')
}

export function sampleFile(name: string, more: Partial<AddFile> = {}): AddFile {
  return {
    path: `day=2026-11-24/bucket=1/${name}.parquet`,
    partitionValues: { day: '2026-11-24', bucket: '1' },
    size: 1000,
    modificationTime: Date.UTC(2026, 10, 24),
    dataChange: true,
    stats: JSON.stringify({ numRecords: 1, minValues: { value: 1 }, maxValues: { value: 1 }, nullCount: { value: 0 } }),
    ...more,
  }
}

/** A commit on the newest version of `table`. */
export async function requestOn(
  table: Table,
  id: string,
  kind: CommitKind,
  more: Partial<CommitRequest> = {},
): Promise<CommitRequest> {
  return { id, kind, base: await table.snapshot(), adds: [], removes: [], txns: [], info: {}, ...more }
}

/** Appends one file a commit until the table is at `version`. */
export async function commitUpTo(table: Table, version: number): Promise<void> {
  for (let next = (await table.snapshot()).version + 1; next <= version; next++) {
    const more = {
      adds: [sampleFile(`f${next}`, { tags: { unit: `u${next}`, input: String(next) } })],
      txns: [{ appId: 'log:1', expected: next === 1 ? undefined : next - 1, next }],
    }
    const outcome = await table.commit(await requestOn(table, `c${next}`, 'ingest', more))
    assert(outcome.kind === 'committed' && outcome.version === next, 'nobody else commits here')
  }
}
