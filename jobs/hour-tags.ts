import { z } from 'zod'
import { DAY_MS } from './day.ts'
import type { HourRecord } from './ledger.ts'
import { HOUR_MS } from './limits.ts'

/**
 * The records of a cell as text, short since each version of a table's log keeps that of every file: hours in a row that were
 * made of the same are one group, and what an hour goes on from is left out where it is what the one before leaves.
 */
const group = z.object({
  /** Hour of the day of the first. */
  from: z.number().int().min(0).max(23),
  inputs: z.record(z.string(), z.number().int()),
  revision: z.number().int(),
  definition: z.string(),
  open: z.boolean().optional(),
  /** By hour: rows, out and carry, `.` between; out and carry may be absent. */
  hours: z.array(z.string()).min(1),
})
const groups = z.array(group)
type Group = z.infer<typeof group>

/** What hashes are cut to: they tell apart what one unit was from what it is. */
export const HASH_DIGITS = 16

export function encodeHours(hours: ReadonlyMap<number, HourRecord>): string {
  const made: Group[] = []
  let before: { readonly hour_ms: number; readonly record: HourRecord } | undefined
  for (const [hour_ms, record] of [...hours].sort(([a], [b]) => a - b)) {
    const follows = before?.hour_ms === hour_ms - HOUR_MS ? before.record : undefined
    const carry = record.carry === (follows?.out ?? '') ? undefined : record.carry
    const texts =
      carry !== undefined ? [record.rows, record.out, carry] : record.out ? [record.rows, record.out] : [record.rows]
    const { inputs, revision, definition, open } = record
    const last = made.at(-1)
    if (follows && last && isSame(last, record)) last.hours.push(texts.join('.'))
    else {
      const from = (hour_ms - Math.floor(hour_ms / DAY_MS) * DAY_MS) / HOUR_MS
      made.push({ from, inputs: { ...inputs }, revision, definition, ...(open && { open }), hours: [texts.join('.')] })
    }
    before = { hour_ms, record }
  }
  return JSON.stringify(made)
}

function isSame(group: Group, record: HourRecord): boolean {
  const tables = Object.keys(record.inputs)
  return (
    group.revision === record.revision &&
    group.definition === record.definition &&
    (group.open ?? false) === record.open &&
    tables.length === Object.keys(group.inputs).length &&
    tables.every((table) => group.inputs[table] === record.inputs[table])
  )
}

/** Of the cell whose day begins at `day_ms`; undefined for what is not of this form. */
export function decodeHours(text: string, day_ms: number): ReadonlyMap<number, HourRecord> | undefined {
  const parsed = groups.safeParse(jsonOf(text))
  if (!parsed.success) return undefined
  const hours = new Map<number, HourRecord>()
  for (const { from, inputs, revision, definition, open = false, hours: texts } of parsed.data) {
    for (const [i, hash] of texts.entries()) {
      const hour_ms = day_ms + (from + i) * HOUR_MS
      const [rows = '', out = '', carry = hours.get(hour_ms - HOUR_MS)?.out ?? ''] = hash.split('.')
      hours.set(hour_ms, { inputs, carry, out, rows, open, revision, definition })
    }
  }
  return hours
}

/** The form before, with all of each record; undefined for what is not of it. */
const wide = z.record(
  z.string(),
  z.object({
    ...{ inputs: group.shape.inputs, revision: group.shape.revision, definition: z.string(), open: z.boolean() },
    ...{ carry: z.string(), out: z.string(), rows: z.string() },
  }),
)
export function decodeWideHours(text: string): ReadonlyMap<number, HourRecord> | undefined {
  const parsed = wide.safeParse(jsonOf(text))
  if (!parsed.success) return undefined
  const cut = (hash: string) => hash.slice(0, HASH_DIGITS)
  return new Map(
    Object.entries(parsed.data).map(([hour, { carry, out, rows, ...rest }]) => [
      Date.parse(hour),
      { ...rest, carry: cut(carry), out: cut(out), rows: cut(rows) },
    ]),
  )
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
