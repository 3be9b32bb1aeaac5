import { createHmac } from 'node:crypto'
import { z } from 'zod'
import { eventsCrc } from '../contract/batch.ts'
import type { IntervalSet } from '../contract/interval.ts'
import { assert, messageOf, Problem } from '../contract/problem.ts'
import type { Addition, BootRanges, Ranges, StreamRanges } from './ranges.ts'
import { streamKey } from './ranges.ts'

/** How ranges are written down: additions in a commit, and snapshots as objects. Both begin with their version. */
export const RANGES_VERSION = 2

/**
 * A lake may have a commit of a Hearth that took what a refused batch claimed past what counts exactly: no source gives out
 * such numbers, and they end at the bound.
 */
const whole = z
  .number()
  .refine((number) => Number.isInteger(number) && number >= 0, 'expected a whole number')
  .transform((number) => Math.min(number, Number.MAX_SAFE_INTEGER))
const intervals = z
  .array(z.tuple([whole, whole]))
  .transform((set): IntervalSet => set.filter(([from, to]) => from < to))
const totals = z.object({
  ...{
    boots: whole,
    sent: whole,
    stored: whole,
    dead: whole,
    dropped: whole,
    pending: whole,
    lost: whole,
    broken: whole,
  },
})
/** source, stream, boot, next, acked, closed, heard_ms, stored, dead, dropped; from form 2 on gone, where there is any */
const additionRow = z.tuple(
  [
    ...[z.string(), z.string(), z.string(), whole, whole, z.boolean(), z.number(), intervals, intervals, intervals],
  ] as const,
  intervals,
)

export const additionRows = z.array(additionRow)

/** What is written is what is read back: a number that no reader takes is a bug, which ends here and not at each later start. */
function assertReadable(one: BootRanges, what: string): void {
  const sets = [[[one.next, one.acked]], one.stored, one.dead, one.dropped, one.gone]
  const good = Number.isFinite(one.heard_ms) && sets.every((set) => set.every((pair) => pair.every(isWhole)))
  assert(good, `ranges of ${what} that can be read back`)
}
const isWhole = (number: number) => Number.isSafeInteger(number) && number >= 0

export function formatAddition(one: Addition): z.input<typeof additionRow> {
  assertReadable(one, `boot ${one.boot}`)
  const sets = [one.stored, one.dead, one.dropped, one.gone].map((set) =>
    set.map(([from, to]): [number, number] => [from, to]),
  )
  const [stored = [], dead = [], dropped = [], gone = []] = sets
  const { source, stream, boot, next, acked, closed, heard_ms } = one
  const taken = gone.length > 0 ? [gone] : []
  return [source, stream, boot, next, acked, closed, heard_ms, stored, dead, dropped, ...taken]
}

export function parseAddition(row: z.infer<typeof additionRow>): Addition {
  const [source, stream, boot, next, acked, closed, heard_ms, stored, dead, dropped, gone = []] = row
  return { source, stream, boot, next, acked, closed, heard_ms, stored, dead, dropped, gone }
}

const head = z.object({
  hearth_ranges: z.number().int(),
  epoch: whole,
  bucket: whole,
  version: whole,
  crc: z.string(),
})
const bootRow = z.tuple([z.string(), whole, whole, z.boolean(), z.number(), intervals, intervals, intervals], intervals)
const streamRow = z.object({
  source: z.string(),
  stream: z.string(),
  floor: z.string().optional(),
  forgotten: totals,
  boots: z.array(bootRow),
})

export type SnapshotName = { readonly epoch: number; readonly bucket: number; readonly version: number }

/** A snapshot's bytes: a function of the ranges alone, whoever writes it. */
export function encodeRanges(name: SnapshotName, ranges: Ranges): Uint8Array {
  const body = [...ranges]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, stream]) => `${JSON.stringify(streamLine(stream))}\n`)
    .join('')
  return Buffer.from(`${JSON.stringify({ hearth_ranges: RANGES_VERSION, ...name, crc: eventsCrc(body) })}\n${body}`)
}

function streamLine({ source, stream, floor, forgotten, boots }: StreamRanges) {
  assert(Object.values(forgotten).every(isWhole), `sums of ${source} ${stream} that can be read back`)
  for (const [boot, one] of boots) assertReadable(one, `${source} ${stream} ${boot}`)
  const rows = [...boots].map(([boot, one]) => [
    ...[boot, one.next, one.acked, one.closed, one.heard_ms, one.stored, one.dead, one.dropped],
    ...(one.gone.length > 0 ? [one.gone] : []),
  ])
  return { source, stream, floor, forgotten, boots: rows }
}

/** Raises `corrupt` for a newer version, another name or a wrong checksum. */
export function decodeRanges(name: SnapshotName, bytes: Uint8Array): Ranges {
  const text = Buffer.from(bytes).toString('utf8')
  const end = text.indexOf('\n') + 1
  const bad = (what: string, cause?: unknown) =>
    new Problem('corrupt', `the ranges of bucket ${name.bucket} at version ${name.version} ${what}`, { cause })
  try {
    const found = head.parse(JSON.parse(text.slice(0, end)))
    if (found.hearth_ranges > RANGES_VERSION) {
      throw bad(`are of form ${found.hearth_ranges}; this Hearth reads up to ${RANGES_VERSION}: use a newer Hearth`)
    }
    if (found.epoch !== name.epoch || found.bucket !== name.bucket || found.version !== name.version) {
      throw bad(`are those of epoch ${found.epoch}, bucket ${found.bucket}, version ${found.version}`)
    }
    if (eventsCrc(text.slice(end)) !== found.crc) throw bad('do not match their checksum')
    const lines = text.slice(end).split('\n').slice(0, -1)
    return new Map(lines.map((line) => streamOf(streamRow.parse(JSON.parse(line)))))
  } catch (error) {
    if (error instanceof Problem) throw error
    throw bad(`cannot be read: ${messageOf(error)}`, error)
  }
}

function streamOf(row: z.infer<typeof streamRow>): [string, StreamRanges] {
  const boots = row.boots.map(
    ([boot, next, acked, closed, heard_ms, stored, dead, dropped, gone = []]): [string, BootRanges] => [
      boot,
      { next, acked, closed, heard_ms, stored, dead, dropped, gone },
    ],
  )
  const { source, stream, floor, forgotten } = row
  return [streamKey(source, stream), { source, stream, floor, forgotten, boots: new Map(boots) }]
}

/** The name of a source inside ranges: a keyed hash of its id. */
export function sourceKey(key: Uint8Array, source: string): string {
  return createHmac('sha256', key).update(source).digest('hex').slice(0, 24)
}
