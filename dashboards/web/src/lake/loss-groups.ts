import type { LossLook } from '../../../lake-api.ts'

/** Rows that tell the same of several buckets of one log, newest first. */
export type LossGroup = { readonly first: LossLook; readonly rows: readonly LossLook[] }

/** Buckets of a log that broke are found within a look or two of each other. */
const TOGETHER_MS = 5 * 60_000

/** One for each time that a log broke. Rows come newest first. */
export function lossGroups(rows: readonly LossLook[]): readonly LossGroup[] {
  const groups: { readonly key: string; readonly first: LossLook; readonly rows: LossLook[] }[] = []
  for (const row of rows) {
    const key = `${row.kind} ${row.log_id} ${formOf(row)}`
    const group = groups.find((one) => one.key === key && (one.rows.at(-1)?.time_ms ?? 0) - row.time_ms <= TOGETHER_MS)
    if (group && !group.rows.some(({ bucket }) => bucket === row.bucket)) group.rows.push(row)
    else groups.push({ key, first: row, rows: [row] })
  }
  return groups
}

/** The reason without its positions; the id of a log is none. */
function formOf({ reason }: LossLook): string {
  return reason.replaceAll(/\b\d+\b(?!-)/g, '#')
}

export type OpenLosses = {
  /** What lay between is gone. */
  readonly lost: number
  /** The log ended before the table: whether it held more is not known. */
  readonly ended: number
  readonly replaced: number
}

/** How often something was lost, or perhaps was; what somebody has accepted since is settled. */
export function openLosses(rows: readonly LossLook[]): OpenLosses {
  const isOpen = (one: LossLook) =>
    !rows.some(
      ({ kind, log_id, bucket, time_ms }) =>
        kind === 'accepted' && log_id === one.log_id && bucket === one.bucket && time_ms >= one.time_ms,
    )
  const open = lossGroups(rows.filter(isOpen)).map(({ first }) => first)
  const gaps = open.filter(({ kind }) => kind === 'gap')
  const lost = gaps.filter(({ table_position, log_first }) => log_first > table_position + 1).length
  return { lost, ended: gaps.length - lost, replaced: open.filter(({ kind }) => kind === 'replaced').length }
}
