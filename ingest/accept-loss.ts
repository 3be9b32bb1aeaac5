import type { Layout } from '../contract/bucket.ts'
import { type Clock, type Random, uuid } from '../contract/clock.ts'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import type { Lake } from '../lake/lake.ts'
import type { EventLog, LogBounds } from './event-log.ts'
import { gapOf, type Loss } from './loss.ts'
import { closeGap, recordedGaps, recordLoss } from './losses.ts'
import { positionTxn } from './position.ts'
import { TOUCHED_NOTHING } from './taken-rows.ts'

export type AcceptLossOptions = {
  readonly lake: Lake
  readonly log: EventLog
  readonly layout: Layout
  readonly clock: Clock
  readonly random: Random
  readonly bucket: number
  /** Who accepts it. */
  readonly by: string
  readonly dry_run?: boolean | undefined
}

export type AcceptedLoss = {
  readonly loss: Loss
  /** What is read next of the log, once it is accepted. */
  readonly next: number
}

/**
 * Gives up what a stopped bucket lacks, so that it goes on: where log and table do not join up, from the first position that
 * the log has; at a record that cannot be read, from the one after it. A row of `losses` says so, then one commit moves the
 * table's position, compared and set; only then is the gap closed, and the log may forget what is before it: whatever fails
 * in between, the bucket stays stopped or goes on from there, and accepting again ends what was begun. What is read a second
 * time for it is left out by the received ranges. A writer that runs goes on by itself. Raises `invalid` for a bucket that
 * has nothing to give up, and `conflict` when it moved meanwhile.
 */
export async function acceptLoss(options: AcceptLossOptions): Promise<AcceptedLoss> {
  const { lake, log, layout, clock, random, bucket, by, dry_run } = options
  if (!Number.isInteger(bucket) || bucket < 0 || bucket >= layout.buckets)
    throw new Problem('invalid', `there is no bucket ${bucket}: the lake has the buckets 0 to ${layout.buckets - 1}`)
  await log.identify?.()
  const { first } = await log.bounds(bucket)
  // Before the table: a gap at another position than the table's is one that it has left.
  const told = (await recordedGaps(lake, { log_id: log.id, epoch: layout.epoch })).get(bucket)
  const table = await lake.table(EVENTS_TABLE)
  const base = await table.snapshot()
  const appId = positionTxn(log.id, layout, bucket)
  const expected = base.txns.get(appId)
  const position = expected ?? 0
  const bounds = { first, next: (await log.bounds(bucket)).next }
  const where = { log_id: log.id, epoch: layout.epoch, bucket, table_position: position }
  const gap = gapOf(options, bucket, position, bounds, told === position)
  // It was accepted, and only to be closed.
  if (!gap && told !== undefined && !dry_run) await closeGap(options, { ...where, table_position: told })
  const next = gap ? first : position + 2
  const why = gap?.reason ?? (await unreadable(log, bucket, position + 1, bounds))
  const loss: Loss = {
    ...{ kind: 'accepted', time_ms: clock.now(), ...where, log_first: bounds.first, log_next: bounds.next },
    goes_on_from: next,
    reason: `${by} accepted that ${missing(position, next)}, and the bucket goes on from ${next}: ${why}`,
  }
  if (dry_run) return { loss, next }
  await recordLoss(options, loss)
  const outcome = await table.commit({
    ...{ id: uuid(random), kind: 'ingest', base, adds: [], removes: [] },
    txns: [{ appId, expected, next: next - 1 }],
    info: { touched: TOUCHED_NOTHING, accepted: { by, bucket, log: log.id, from: position, to: next - 1 } },
  })
  if (outcome.kind !== 'committed') {
    const message = `bucket ${bucket} moved meanwhile, or rows were taken from the table: look at it again, and accept what is left`
    throw new Problem('conflict', message)
  }
  await closeGap(options, where)
  await log.trim(bucket, next)
  return { loss, next }
}

function missing(position: number, next: number): string {
  if (next === position + 2) return `position ${position + 1} is lost`
  if (next > position + 2) return `positions ${position + 1} to ${next - 1} are lost`
  return `whatever the log held past ${position} is lost`
}

async function unreadable(
  log: EventLog,
  bucket: number,
  position: number,
  { first, next }: LogBounds,
): Promise<string> {
  try {
    await log.read(bucket, position, 1)
  } catch (error) {
    if (isProblem(error, 'corrupt')) return messageOf(error)
    throw error
  }
  const held = first < next ? `holds ${first} to ${next - 1}` : 'is empty'
  throw new Problem(
    'invalid',
    `bucket ${bucket} has nothing to give up: its log ${held}, follows on position ${position - 1} of the table, and can be read`,
  )
}
