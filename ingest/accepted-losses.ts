import type { DuckDBConnection, Json } from '@duckdb/node-api'
import { type IntervalSet, intervalSet, union } from '../contract/interval.ts'
import { rowsOf } from '../lake/duckdb.ts'
import type { Lake } from '../lake/lake.ts'
import type { LocalFiles } from '../lake/local-files.ts'
import { scanSql } from '../lake/scan.ts'
import { literal } from '../lake/schema.ts'
import { LOSSES_TABLE } from './losses.ts'
import { numberIn, textIn } from './row.ts'

/** What somebody gave up of a bucket's log: positions [from, to), or all past from where `to` is not known. */
export type AcceptedRange = {
  readonly log_id: string
  readonly bucket: number
  readonly from: number
  readonly to: number | undefined
  readonly reason: string
}

/** Where the numbers [first, next) of a stream came in. */
export type Arrival = {
  readonly first: number
  readonly next: number
  readonly log_id: string
  readonly position: number
  readonly received_ms: number
}

type Losses = { readonly lake: Lake; readonly local: LocalFiles }

async function lossRows(connection: DuckDBConnection, { lake, local }: Losses, where: string) {
  if (!(await lake.tables()).includes(LOSSES_TABLE)) return []
  const snapshot = await (await lake.table(LOSSES_TABLE)).snapshot()
  await using held = await local.hold(LOSSES_TABLE, [...snapshot.files.values()])
  const from = scanSql(snapshot, held.files)
  return await rowsOf(connection, `SELECT * FROM (${from}) WHERE ${where} ORDER BY time, bucket`)
}

/** Logs that the table read before this one, and that may have held more: nobody can read it any more, nor accept it. */
export async function leftLogs(connection: DuckDBConnection, losses: Losses, log_id: string | undefined) {
  const gap = log_id === undefined ? '' : ` OR kind = 'gap' AND log_id <> ${literal(log_id)}`
  const rows = await lossRows(connection, losses, `kind = 'replaced'${gap}`)
  return rows.map((row) => ({ bucket: Number(row['bucket']), reason: textIn(row, 'reason') ?? '' }))
}

/** What the table `losses` says was accepted. */
export async function acceptedRanges(connection: DuckDBConnection, losses: Losses): Promise<readonly AcceptedRange[]> {
  const rows = await lossRows(connection, losses, `kind = 'accepted'`)
  return rows.map((row) => {
    const from = Number(row['table_position']) + 1
    // A row of before the column says it by what the log held.
    const next = numberIn(row, 'goes_on_from') ?? Math.max(from + 1, Number(row['log_first']))
    return {
      ...{ log_id: textIn(row, 'log_id') ?? '', bucket: Number(row['bucket']), from },
      ...{ to: next > from ? next : undefined, reason: textIn(row, 'reason') ?? '' },
    }
  })
}

/**
 * Those of `missing` that may have lain in an accepted range: by where the nearest numbers came in that are there, since a
 * source sends in order. A neighbour that no row tells of any more says nothing against it. `known_ms`: receipt of what was
 * last read before a range whose end is not known. Pure.
 */
export function inAcceptedRange(
  range: AcceptedRange & { readonly known_ms?: number | undefined },
  { missing, kept, arrivals }: { missing: IntervalSet; kept: IntervalSet; arrivals: readonly Arrival[] },
): IntervalSet {
  const { log_id, from, to, known_ms } = range
  return intervalSet(
    missing.filter(([low, high]) => {
      const below = kept.findLast(([, end]) => end <= low)
      const above = kept.find(([start]) => start >= high)
      const before = below && firstArrival(arrivals, below[1] - 1)
      const after = above && firstArrival(arrivals, above[0])
      // Two of one other log: so was what lay between.
      if (before && after && before.log_id === after.log_id && before.log_id !== log_id) return false
      if (to === undefined)
        return (
          known_ms === undefined ||
          (!(before && before.received_ms > known_ms) && !(after && after.received_ms <= known_ms))
        )
      const isBefore = !before || before.log_id !== log_id || before.position < from
      const isAfter = !after || after.log_id !== log_id || after.position >= to
      return isBefore && isAfter
    }),
  )
}

function firstArrival(arrivals: readonly Arrival[], number: number): Arrival | undefined {
  const all = arrivals.filter(({ first, next }) => first <= number && number < next)
  return all.reduce<Arrival | undefined>((a, b) => (a && a.received_ms <= b.received_ms ? a : b), undefined)
}

/** Numbers of one (source, boot, stream) that are missing, and those that are there. */
export type Doubt = {
  readonly source: string
  readonly bucket: number
  readonly missing: IntervalSet
  readonly kept: IntervalSet
}

/**
 * By the same names as `doubts`: which of the missing numbers may have lain in an accepted range. `inLog`: what the log
 * holds and the table may not. `events` is a SELECT of all rows of the events table.
 */
export async function acceptedNumbers(
  connection: DuckDBConnection,
  events: string,
  ranges: readonly AcceptedRange[],
  doubts: ReadonlyMap<string, Doubt>,
  inLog: ReadonlyMap<string, readonly Arrival[]>,
): Promise<ReadonlyMap<string, IntervalSet>> {
  const asked = new Map([...doubts].filter(([, { bucket }]) => ranges.some((range) => range.bucket === bucket)))
  if (asked.size === 0) return new Map()
  const buckets = ranges.map(({ bucket }) => bucket)
  const batches = `SELECT bucket, source_id, boot_id, stream, log_id, log_position, batch_first, batch_count,
      epoch_ms(received_time) AS received_ms FROM (${events})
    WHERE kind IN ('batch', 'dead') AND ordinal = -1 AND bucket IN (${buckets.join(', ')})`
  const sources = new Set([...asked.values()].map(({ source }) => literal(source)))
  const arrivals = new Map<string, Arrival[]>([...inLog].map(([name, list]) => [name, [...list]]))
  const ofSources = `SELECT * FROM (${batches}) WHERE boot_id IS NOT NULL AND source_id IN (${[...sources].join(', ')})`
  for (const row of await rowsOf(connection, ofSources)) {
    const name = `${textIn(row, 'source_id')} ${textIn(row, 'boot_id')} ${textIn(row, 'stream')}`
    const list = arrivals.get(name) ?? []
    arrivals.set(name, list)
    list.push(arrivalOf(row))
  }
  const found = new Map<string, IntervalSet>()
  for (const range of ranges) {
    const known_ms = range.to === undefined ? await lastReceipt(connection, batches, range) : undefined
    for (const [name, doubt] of asked) {
      if (doubt.bucket !== range.bucket) continue
      const inRange = inAcceptedRange({ ...range, known_ms }, { ...doubt, arrivals: arrivals.get(name) ?? [] })
      found.set(name, union(found.get(name) ?? [], inRange))
    }
  }
  return found
}

function arrivalOf(row: Readonly<Record<string, Json>>): Arrival {
  const first = Number(row['batch_first'])
  return {
    ...{ first, next: first + Number(row['batch_count']), log_id: textIn(row, 'log_id') ?? '' },
    ...{ position: Number(row['log_position']), received_ms: Number(row['received_ms']) },
  }
}

/** Of the last batch that the table had read before the range; a log that was restored has another at its position. */
async function lastReceipt(
  connection: DuckDBConnection,
  batches: string,
  { bucket, log_id, from }: AcceptedRange,
): Promise<number | undefined> {
  const where = `bucket = ${bucket} AND log_id = ${literal(log_id)} AND log_position = ${from - 1}`
  const [row] = await rowsOf(connection, `SELECT min(received_ms) AS known_ms FROM (${batches}) WHERE ${where}`)
  return row && numberIn(row, 'known_ms')
}
