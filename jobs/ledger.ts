import { z } from 'zod'
import { Problem } from '../contract/problem.ts'
import type { AddFile, Tags } from '../lake/action.ts'
import { UNIT_TAG } from '../lake/conflict.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import type { Metric } from './metric.ts'
import { unitKey } from './touched.ts'

const record = z.object({
  /** Version of each input that it was made from. */
  inputs: z.record(z.string(), z.number().int()),
  /** Hash of what the hour before left. */
  carry: z.string(),
  /** Hash of what it leaves. */
  out: z.string(),
  /** Hash of its rows. */
  rows: z.string(),
  /** It was still running. */
  open: z.boolean(),
  revision: z.number().int(),
  definition: z.string(),
})

/** What one hour of one bucket was made from. Kept in the tags of the file that holds its rows: the table is the ledger. */
export type HourRecord = z.infer<typeof record>

/** A file of a metric: one day of one bucket. Its tags keep the record of each hour in it. */
export type Cell = { readonly add: AddFile; readonly hours: ReadonlyMap<number, HourRecord> }

const hoursTag = z.record(z.string(), record)

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
  const sorted = [...hours]
    .sort(([a], [b]) => a - b)
    .map(([hour_ms, entry]) => [new Date(hour_ms).toISOString(), entry])
  return { [UNIT_TAG]: cell, hours: JSON.stringify(Object.fromEntries(sorted)) }
}

/** The cells that stand in a table, by name. Raises `corrupt` for a file whose tags are not a ledger's. */
export function cellsOf(metric: Metric, snapshot: Snapshot): ReadonlyMap<string, Cell> {
  const cells = new Map<string, Cell>()
  for (const add of snapshot.files.values()) {
    const name = add.tags?.[UNIT_TAG]
    const parsed = hoursTag.safeParse(JSON.parse(add.tags?.['hours'] ?? 'null'))
    if (name === undefined || !parsed.success) {
      throw new Problem(
        'corrupt',
        `${add.path} of ${metric.name} says not what it was made from: expected the tags unit and hours. Another engine wrote it; remove it`,
      )
    }
    cells.set(name, {
      add,
      hours: new Map(Object.entries(parsed.data).map(([hour, entry]) => [Date.parse(hour), entry])),
    })
  }
  return cells
}

/**
 * Names of the cells in which a higher revision has made an hour. They are not this definition's to write: it would copy
 * the other hours without the columns that it does not know, and undo what the newer one did, for ever and again.
 */
export function cellsAhead(metric: Metric, cells: ReadonlyMap<string, Cell>): ReadonlySet<string> {
  const ahead = [...cells].filter(([, { hours }]) => hours.values().some(({ revision }) => revision > metric.revision))
  return new Set(ahead.map(([name]) => name))
}

/** All records of a table by unit. */
export function recordsOf(cells: ReadonlyMap<string, Cell>): ReadonlyMap<string, HourRecord> {
  const records = new Map<string, HourRecord>()
  for (const [name, { hours }] of cells) {
    const bucket = Number(name.slice(name.indexOf('/') + 1))
    for (const [hour_ms, entry] of hours) records.set(unitKey(hour_ms, bucket), entry)
  }
  return records
}
