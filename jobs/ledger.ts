import { Problem } from '../contract/problem.ts'
import type { AddFile, PartitionValues, Tags } from '../lake/action.ts'
import { UNIT_TAG } from '../lake/conflict.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import { dayKey } from './day.ts'
import { decodeHours, decodeWideHours, encodeHours } from './hour-tags.ts'
import type { Metric } from './metric.ts'

/** What one hour of one bucket was made from. Kept in the tags of the file that holds its rows: the table is the ledger. */
export type HourRecord = {
  /** Version of each input that it was made from. */
  readonly inputs: Readonly<Record<string, number>>
  /** Hash of what the hour before left. */
  readonly carry: string
  /** Hash of what it leaves. */
  readonly out: string
  /** Hash of its rows. */
  readonly rows: string
  /** It was still running. */
  readonly open: boolean
  readonly revision: number
  readonly definition: string
}

/** A file of a metric: one day of one bucket. Its tags keep the record of each hour in it. */
export type Cell = {
  readonly add: AddFile
  readonly bucket: number
  readonly day_ms: number
  readonly sum: CellSum
  /** The record of each hour, read anew at each call: of a long history they are many. */
  hours(): ReadonlyMap<number, HourRecord>
}

/** What the records of a cell have in common, so that a day in which nothing is due is known without them. */
export type CellSum = {
  readonly count: number
  readonly newest_ms: number
  readonly least_revision: number
  readonly greatest_revision: number
  /** Hashes of the definitions that made the hours of the greatest revision: one, unless a change did not raise it. */
  readonly definitions: readonly string[]
  /** One of them was still running. */
  readonly open: boolean
  /** The oldest version of each input that one was made from. */
  readonly inputs: Readonly<Record<string, number>>
  /** What the first goes on from and the last leaves, where each goes on from the one before; undefined else. */
  readonly carry: { readonly in: string; readonly out: string } | undefined
}

/** By `dayKey`: the cells that stand in a table. */
export type Cells = ReadonlyMap<number, Cell>

/** By which a metric's files are partitioned. */
export const METRIC_DATE = { name: 'metric_date', type: 'date', meaning: 'UTC date of the hour' } as const

/** The UTC date of all rows of a file of events or of a metric; undefined where it is not kept by dates. */
export function dateOfFile(values: PartitionValues | undefined): string | undefined {
  return values?.['event_date'] ?? values?.[METRIC_DATE.name] ?? undefined
}

/** Hours of a metric whose unit is a bucket's whole history are one: hour 0. */
export const WHOLE_HISTORY_MS = 0

export function dateOf(hour_ms: number): string {
  return new Date(hour_ms).toISOString().slice(0, 10)
}

/** `2026-11-24/3`: of one such cell only one file may stand. */
export function cellName(hour_ms: number, bucket: number): string {
  return `${dateOf(hour_ms)}/${bucket}`
}

export function cellTags(cell: string, hours: ReadonlyMap<number, HourRecord>): Tags {
  return { [UNIT_TAG]: cell, made: encodeHours(hours) }
}

const known = new WeakMap<AddFile, Cell>()

/** The cells that stand in a table. Raises `corrupt` for a file whose tags are not a ledger's. */
export function cellsOf(metric: Metric, snapshot: Pick<Snapshot, 'files'>): Cells {
  const cells = new Map<number, Cell>()
  for (const add of snapshot.files.values()) {
    let cell = known.get(add)
    if (!cell) known.set(add, (cell = cellOf(metric, add)))
    cells.set(dayKey(cell.day_ms, cell.bucket), cell)
  }
  return cells
}

function cellOf(metric: Metric, add: AddFile): Cell {
  const name = add.tags?.[UNIT_TAG]
  const [date, bucket] = name?.split('/') ?? []
  const day_ms = Date.parse(`${date}T00:00:00Z`)
  const hours = () => {
    const { made, hours: before } = add.tags ?? {}
    const found = made === undefined ? decodeWideHours(before ?? '') : decodeHours(made, day_ms)
    if (found && !Number.isNaN(day_ms)) return found
    throw new Problem(
      'corrupt',
      `${add.path} of ${metric.name} says not what it was made from: expected the tags unit and made. Another engine wrote it; remove it`,
    )
  }
  return { add, day_ms, bucket: Number(bucket), sum: sumOf(hours()), hours }
}

function sumOf(hours: ReadonlyMap<number, HourRecord>): CellSum {
  const records = [...hours.values()]
  const revisions = records.map(({ revision }) => revision)
  const greatest_revision = Math.max(...revisions)
  const newest = records.filter(({ revision }) => revision === greatest_revision)
  const inputs: Record<string, number> = {}
  for (const table of new Set(records.flatMap((record) => Object.keys(record.inputs))))
    inputs[table] = Math.min(...records.map((record) => record.inputs[table] ?? -1))
  const goesOn = records.every(({ carry }, i) => i === 0 || records[i - 1]?.out === carry)
  const [first, last] = [records[0], records.at(-1)]
  return {
    count: hours.size,
    newest_ms: Math.max(...hours.keys()),
    least_revision: Math.min(...revisions),
    greatest_revision,
    definitions: [...new Set(newest.map(({ definition }) => definition))],
    open: records.some(({ open }) => open),
    inputs,
    carry: first && last && goesOn ? { in: first.carry, out: last.out } : undefined,
  }
}

/**
 * Has a higher revision made an hour of the cell? Then it is not this definition's to write: it would copy the other hours
 * without the columns that it does not know, and undo what the newer one did, for ever and again.
 */
export function isAhead({ sum }: Cell, metric: Metric): boolean {
  return sum.greatest_revision > metric.revision
}

/**
 * Raises `invalid` where an hour was made by another definition of the metric's own revision: nobody knows which of them
 * is the newer one, and a table would be of both.
 */
export function checkDefinition({ name, shape, revision, hash, file_hash }: Metric, cells: Cells): void {
  const own = [hash, file_hash]
  for (const { day_ms, sum } of cells.values()) {
    const other = sum.greatest_revision === revision ? sum.definitions.find((one) => !own.includes(one)) : undefined
    if (other === undefined) continue
    const what = shape === 'bucket' ? 'rows' : `hours of ${dateOf(day_ms)}`
    throw new Problem(
      'invalid',
      `${name} was changed, and its revision is still ${revision}: ${what} are of the definition ${other}, and this is ${hash}; raise the revision, and all hours are made anew`,
    )
  }
}

/** The record of each unit, as it stands and as it is made anew. */
export type Records = {
  get(hour_ms: number, bucket: number): HourRecord | undefined
  set(hour_ms: number, bucket: number, made: HourRecord): void
}

export function openRecords(cells: Cells): Records {
  const days = new Map<number, Map<number, HourRecord>>()
  function dayOfUnit(hour_ms: number, bucket: number): Map<number, HourRecord> {
    const key = dayKey(hour_ms, bucket)
    let day = days.get(key)
    if (!day) days.set(key, (day = new Map(cells.get(key)?.hours())))
    return day
  }
  return {
    get: (hour_ms, bucket) => dayOfUnit(hour_ms, bucket).get(hour_ms),
    set: (hour_ms, bucket, made) => void dayOfUnit(hour_ms, bucket).set(hour_ms, made),
  }
}
