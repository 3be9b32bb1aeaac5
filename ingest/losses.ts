import type { Clock } from '../contract/clock.ts'
import { type Random, uuid } from '../contract/clock.ts'
import type { Column } from '../contract/column.ts'
import { Problem } from '../contract/problem.ts'
import { openDuckDb } from '../lake/duckdb.ts'
import type { Lake } from '../lake/lake.ts'
import { writeFile } from '../lake/write.ts'

/** A log that does not join up with the table: what lay between is lost. A row of the table `losses`. */
export type Loss = {
  readonly time_ms: number
  readonly log_id: string
  readonly epoch: number
  readonly bucket: number
  /** Last position that the table has read; the log holds [log_first, log_next). */
  readonly table_position: number
  readonly log_first: number
  readonly log_next: number
  readonly reason: string
}

export const LOSSES_TABLE = 'losses'

export const LOSSES_COLUMNS: readonly Column[] = [
  { name: 'time', type: 'timestamp', meaning: 'when the writer found it' },
  { name: 'log_id', type: 'string', meaning: 'the event log' },
  { name: 'epoch', type: 'integer', meaning: 'layout' },
  { name: 'bucket', type: 'integer', meaning: 'the bucket that was stopped' },
  { name: 'table_position', type: 'long', meaning: 'last position of the log that is in the table' },
  { name: 'log_first', type: 'long', meaning: 'first position that the log still has' },
  { name: 'log_next', type: 'long', meaning: 'position that the log gives out next' },
  { name: 'reason', type: 'string', meaning: 'what does not join up, in words' },
]

/** Adds a row to the table `losses`, which is made when absent. The same loss is written once. */
export async function recordLoss(
  options: { readonly lake: Lake; readonly clock: Clock; readonly random: Random; readonly scratch_folder: string },
  loss: Loss,
): Promise<void> {
  const { lake, clock, random, scratch_folder } = options
  const table = await lake.ensureTable(LOSSES_TABLE, { columns: LOSSES_COLUMNS, partition: [] })
  const appId = `loss:${loss.log_id}:${loss.epoch}:${loss.bucket}`
  const base = await table.snapshot()
  if (base.txns.has(appId)) return
  await using database = await openDuckDb({ threads: 1 })
  const text = (value: string) => `'${value.replaceAll("'", "''")}'`
  const { rows: _, ...add } = await writeFile({
    connection: database.connection,
    select: `SELECT make_timestamptz(${loss.time_ms} * 1000) AS time, ${text(loss.log_id)} AS log_id, ${loss.epoch} AS epoch,
      ${loss.bucket} AS bucket, ${loss.table_position} AS table_position, ${loss.log_first} AS log_first,
      ${loss.log_next} AS log_next, ${text(loss.reason)} AS reason`,
    ...{ store: lake.store, prefix: LOSSES_TABLE, columns: LOSSES_COLUMNS, partitionValues: {}, sort: [] },
    ...{ random, clock, scratch_folder },
  })
  const outcome = await table.commit({
    ...{ id: uuid(random), kind: 'ingest', base, adds: [add], removes: [], info: {} },
    txns: [{ appId, expected: undefined, next: 1 }],
  })
  if (outcome.kind === 'conflict') throw new Problem('conflict', `the loss could not be recorded: ${outcome.reason}`)
}
