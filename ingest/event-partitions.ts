import type { EventAttempt } from './event-attempt.ts'
import { isTransport } from './event-rows.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

export type Partition = { readonly bucket: number; readonly date: string; readonly rows: Uint32Array }

/** Which batches go into the files, and their rows by file. */
export type Partitions = {
  /** By bucket: position of the last batch. */
  readonly through: ReadonlyMap<number, number>
  /** By batch. */
  readonly chosen: readonly boolean[]
  /** By bucket, then date; rows in the order in which they came. */
  readonly partitions: readonly Partition[]
  /** (hour in ms, bucket) of the events. */
  readonly hours: readonly (readonly [number, number])[]
}

/** Takes batches in order while they open no more dates than an attempt may; a bucket ends where it would. */
export function partitionRows(attempt: EventAttempt, gone: ReadonlySet<number>, dates_max: number): Partitions {
  const hours = hoursOf(attempt, gone)
  const dates = new Set<number>()
  const through = new Map<number, number>()
  const ended = new Set<number>()
  const touched = new Map<string, [number, number]>()
  const chosen = attempt.batches.map((batch, number) => {
    const { bucket } = batch
    if (ended.has(bucket)) return false
    const mine = [...(hours[number] ?? [])].map((hour) => hour * HOUR_MS)
    // What is no event, and the row of the batch itself, is dated by its receipt.
    const days = batch.erased ? [] : [...new Set([batch.received_ms, ...mine].map((ms) => Math.floor(ms / DAY_MS)))]
    const opens = days.filter((day) => !dates.has(day))
    if (dates.size > 0 && dates.size + opens.length > dates_max) {
      ended.add(bucket)
      return false
    }
    for (const day of opens) dates.add(day)
    for (const hour_ms of mine) touched.set(`${bucket} ${hour_ms}`, [hour_ms, bucket])
    through.set(bucket, batch.position)
    return true
  })
  const partitions = divided(attempt, chosen, gone)
  return { through, chosen, partitions, hours: [...touched.values()].sort(([a, x], [b, y]) => a - b || x - y) }
}

/** By batch: hours since 1970 of its events. */
function hoursOf({ rows, batches }: EventAttempt, gone: ReadonlySet<number>): readonly ReadonlySet<number>[] {
  const { batch, at, kind } = rows.columns()
  const hours = batches.map(() => new Set<number>())
  let last_batch = -1
  let last_hour = Number.NaN
  for (let row = 0; row < rows.count(); row++) {
    if (isTransport(kind[row] as number) || gone.has(row)) continue
    const hour = Math.floor((at[row] as number) / (HOUR_MS * 1000))
    if (batch[row] === last_batch && hour === last_hour) continue
    last_batch = batch[row] as number
    last_hour = hour
    hours[last_batch]?.add(hour)
  }
  return hours
}

/** The rows of the chosen batches by bucket and date. */
function divided(
  { rows, values }: EventAttempt,
  chosen: readonly boolean[],
  gone: ReadonlySet<number>,
): readonly Partition[] {
  const { batch, at } = rows.columns()
  const count = rows.count()
  /** By row: its partition, from 1; 0 for none. */
  const partOf = new Uint32Array(count)
  const parts: { readonly number: number; readonly bucket: number; readonly day: number; count: number }[] = []
  const known = new Map<string, (typeof parts)[number]>()
  let part: (typeof parts)[number] | undefined
  for (let row = 0; row < count; row++) {
    const number = batch[row] as number
    if (!chosen[number] || gone.has(row)) continue
    const bucket = values[number]?.bucket ?? 0
    const day = Math.floor((at[row] as number) / (DAY_MS * 1000))
    if (!part || part.bucket !== bucket || part.day !== day) {
      const key = `${bucket} ${day}`
      part = known.get(key)
      if (!part) {
        part = { number: parts.length + 1, bucket, day, count: 0 }
        parts.push(part)
        known.set(key, part)
      }
    }
    part.count++
    partOf[row] = part.number
  }
  const lists = parts.map((one) => new Uint32Array(one.count))
  const filled = new Uint32Array(parts.length)
  for (let row = 0; row < count; row++) {
    const number = partOf[row] as number
    if (number === 0) continue
    const place = filled[number - 1] as number
    const list = lists[number - 1]
    if (list) list[place] = row
    filled[number - 1] = place + 1
  }
  return parts
    .map(({ bucket, day }, i) => ({ bucket, date: dateOf(day), rows: lists[i] ?? new Uint32Array(0) }))
    .sort((a, b) => a.bucket - b.bucket || a.date.localeCompare(b.date))
}

/** A UTC date as a partition's value. */
function dateOf(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10)
}
