import type { Layout } from '../contract/bucket.ts'
import { type Clock, type Random, uuid } from '../contract/clock.ts'
import type { Column } from '../contract/column.ts'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import { Problem } from '../contract/problem.ts'
import type { Lake } from '../lake/lake.ts'
import { writeRows } from '../lake/write-rows.ts'
import type { EventLog } from './event-log.ts'
import { gapOf, type Loss } from './loss.ts'
import { positionTxn } from './position.ts'

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
  {
    name: 'kind',
    type: 'string',
    meaning:
      'gap: log and table do not join up; replaced: another log took its place, and whether it held more is not known; accepted: somebody gave up what is missing, and the bucket goes on',
  },
  {
    name: 'goes_on_from',
    type: 'long',
    meaning:
      'kind accepted: position that is read next; what lies between table_position and it is lost, or, where it is not past table_position, what the log once held past that',
  },
]

type OfLog = Pick<Loss, 'log_id' | 'epoch'>

const lossesOf = (kind: Loss['kind'], { log_id, epoch }: OfLog) => `${kind}:${log_id}:${epoch}:`
/** In place of a position. */
const CLOSED = -1

/** By bucket: the position at which a gap was recorded, unless it was closed since. */
export async function recordedGaps(lake: Lake, of: OfLog): Promise<ReadonlyMap<number, number>> {
  const gaps = new Map<number, number>()
  if (!(await lake.tables()).includes(LOSSES_TABLE)) return gaps
  const { txns } = await (await lake.table(LOSSES_TABLE)).snapshot()
  const prefix = lossesOf('gap', of)
  for (const [appId, position] of txns)
    if (appId.startsWith(prefix) && position !== CLOSED) gaps.set(Number(appId.slice(prefix.length)), position)
  return gaps
}

/** Buckets whose log and table do not join up, and stay stopped until one was mended or the loss accepted. */
export async function openGaps(
  lake: Lake,
  log: EventLog,
  layout: Layout,
  clock: Pick<Clock, 'now'>,
): Promise<readonly Loss[]> {
  // The first position before the table and the next one after it: both only rise.
  const buckets = Array.from({ length: layout.buckets }, (_, bucket) => bucket)
  const firsts = await Promise.all(buckets.map(async (bucket) => (await log.bounds(bucket)).first))
  const told = await recordedGaps(lake, { log_id: log.id, epoch: layout.epoch })
  const { txns } = await (await lake.table(EVENTS_TABLE)).snapshot()
  const gaps = buckets.map(async (bucket) => {
    const position = txns.get(positionTxn(log.id, layout, bucket)) ?? 0
    const bounds = { first: firsts[bucket] ?? 0, next: (await log.bounds(bucket)).next }
    return gapOf({ log, layout, clock }, bucket, position, bounds, told.get(bucket) === position)
  })
  return (await Promise.all(gaps)).filter((gap) => gap !== undefined)
}

type Options = { readonly lake: Lake; readonly clock: Clock; readonly random: Random }

/**
 * Adds a row to the table `losses`, which is made when absent. The same gap, or replaced log, is written once. A loss that is
 * accepted leaves its gap as it is: `closeGap` comes when the table has moved.
 */
export async function recordLoss({ lake, clock, random }: Options, loss: Loss): Promise<void> {
  const table = await lake.ensureTable(LOSSES_TABLE, { columns: LOSSES_COLUMNS, partition: [] })
  const appId = `${lossesOf(loss.kind, loss)}${loss.bucket}`
  const base = await table.snapshot()
  const expected = base.txns.get(appId)
  const isAccepted = loss.kind === 'accepted'
  if (!isAccepted && expected === loss.table_position) return
  const { time_ms: time, log_id, epoch, bucket, table_position, log_first, log_next, reason, kind, goes_on_from } = loss
  const add = await writeRows({
    rows: [{ time, log_id, epoch, bucket, table_position, log_first, log_next, reason, kind, goes_on_from }],
    ...{ store: lake.store, prefix: LOSSES_TABLE, columns: LOSSES_COLUMNS, partitionValues: {}, random, clock },
  })
  const outcome = await table.commit({
    ...{ id: uuid(random), kind: 'ingest', base, adds: [add], removes: [], info: {} },
    txns: isAccepted ? [] : [{ appId, expected, next: loss.table_position }],
  })
  if (outcome.kind === 'conflict') throw new Problem('conflict', `the loss could not be recorded: ${outcome.reason}`)
}

/** Takes back the gap that was recorded at a position of a bucket; another one that was recorded since stays. */
export async function closeGap(
  { lake, random }: Options,
  of: OfLog & Pick<Loss, 'bucket' | 'table_position'>,
): Promise<void> {
  const table = await lake.table(LOSSES_TABLE)
  const appId = `${lossesOf('gap', of)}${of.bucket}`
  const base = await table.snapshot()
  if (base.txns.get(appId) !== of.table_position) return
  const outcome = await table.commit({
    ...{ id: uuid(random), kind: 'ingest', base, adds: [], removes: [], info: {} },
    txns: [{ appId, expected: of.table_position, next: CLOSED }],
  })
  if (outcome.kind !== 'conflict') return
  throw new Problem(
    'conflict',
    `the gap of bucket ${of.bucket} could not be closed: ${outcome.reason}; accept it again`,
  )
}
