import type { Layout } from '../contract/bucket.ts'
import type { Clock } from '../contract/clock.ts'
import type { EventLog, LogBounds } from './event-log.ts'
import { logOfTxn } from './position.ts'

type Where = { readonly log: EventLog; readonly layout: Layout; readonly clock: Pick<Clock, 'now'> }

/** A log that does not join up with the table: what lay between is lost. A row of the table `losses`. */
export type Loss = {
  /**
   * `gap`: log and table do not join up. `replaced`: another log took its place, and whether it held more is not known.
   * `accepted`: somebody gave up what is missing, so that the bucket goes on.
   */
  readonly kind: 'gap' | 'replaced' | 'accepted'
  readonly time_ms: number
  readonly log_id: string
  readonly epoch: number
  readonly bucket: number
  /** Last position that the table has read; the log holds [log_first, log_next). */
  readonly table_position: number
  readonly log_first: number
  readonly log_next: number
  readonly reason: string
  /** Of one that was accepted: the position that is read next. */
  readonly goes_on_from?: number
}

/**
 * What is lost of a bucket whose log holds [first, next), where that does not follow on the table's position. `isTold`: it
 * did not when somebody looked before. A log that ended too early may have grown past the position since, with other records
 * under the numbers that the table knows.
 */
export function gapOf(
  { log, layout, clock }: Where,
  bucket: number,
  table_position: number,
  { first, next }: LogBounds,
  isTold = false,
): Loss | undefined {
  const follows = first <= table_position + 1 && next > table_position
  if (follows && !isTold) return undefined
  const reason = follows
    ? `the log did not follow on ${table_position}, up to which the table has read it: what it holds now may be other records`
    : first > table_position + 1
      ? `the log begins at ${first}, but the table has read only up to ${table_position}: what lay between is gone`
      : `the log ends at ${next - 1}, but the table has read up to ${table_position}: the log was lost or restored`
  const where = { log_id: log.id, epoch: layout.epoch, bucket, table_position, log_first: first, log_next: next }
  return { kind: 'gap', time_ms: clock.now(), ...where, reason }
}

/** What other logs of a bucket may have held past the table's positions of them, where the table goes on without them. */
export function replacedLogs(
  { log, layout, clock }: Where,
  bucket: number,
  txns: ReadonlyMap<string, number>,
): readonly Loss[] {
  return [...txns].flatMap(([appId, position]) => {
    const log_id = logOfTxn(appId, layout, bucket)
    if (log_id === undefined || log_id === log.id) return []
    const reason = `log ${log.id} took its place; whatever it held past ${position} is not in the table and will not come`
    const where = { log_id, epoch: layout.epoch, bucket, table_position: position, log_first: 0, log_next: 0 }
    return [{ kind: 'replaced' as const, time_ms: clock.now(), ...where, reason }]
  })
}
