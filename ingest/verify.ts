import type { DuckDBConnection } from '@duckdb/node-api'
import { bucketOf, type Layout, parseServiceStream } from '../contract/bucket.ts'
import {
  add,
  type Interval,
  type IntervalSet,
  intersect,
  intervalSet,
  size,
  subtract,
  union,
} from '../contract/interval.ts'
import { damageIn } from '../lake/damage.ts'
import { openDuckDb, rowsOf } from '../lake/duckdb.ts'
import type { Lake } from '../lake/lake.ts'
import type { HeldTable, LocalFiles } from '../lake/local-files.ts'
import { scanSql } from '../lake/scan.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import {
  type AcceptedRange,
  type Arrival,
  acceptedNumbers,
  acceptedRanges,
  type Doubt,
  leftLogs,
} from './accepted-losses.ts'
import { accountOf, addTotals, NO_TOTALS, type Totals } from './account.ts'
import { eventFiles } from './event-files.ts'
import type { EventLog } from './event-log.ts'
import { logRecords } from './log-records.ts'
import { openGaps } from './losses.ts'
import { readClaim } from './payload.ts'
import { positionTxn } from './position.ts'
import { isForgotten, type StreamRanges, streamKey } from './ranges.ts'
import { sourceKey } from './ranges-form.ts'
import { loadRanges } from './ranges-store.ts'

/** Numbers of one (source, boot, stream) that some journal says were acknowledged. */
export type Acks = { readonly source: string; readonly boot: string; readonly stream: string; numbers: IntervalSet }

/** One (source, boot, stream): its account, and how the rows of the table compare with it. Ranges are [from, to). */
export type VerifiedStream = Totals & {
  /** The id where any row names it, else its key in the ranges. */
  readonly source: string
  readonly boot: string
  readonly stream: string
  readonly missing: IntervalSet
  readonly broken_numbers: IntervalSet
  /** Promised, and given up with an accepted range of the log: none of the other counts has it. */
  readonly accepted: IntervalSet
  /** Duplicates that were removed on the way into the table. */
  readonly duplicates: number
  /** Received as stored or dead, but there is no such row. */
  readonly rows_missing: IntervalSet
  /** Numbers with more than one row. */
  readonly rows_doubled: IntervalSet
  /** Rows that were never received. */
  readonly rows_unknown: IntervalSet
  /** Received, and without a row since retention or erasure took it. */
  readonly gone: number
  /** Durable in the log, and not in the table yet. */
  readonly in_log: number
}

export type Verification = {
  readonly version: number
  readonly ok: boolean
  /** `sent` is the sum of stored, dead, dropped, accepted, pending and lost. */
  readonly totals: Totals & {
    readonly accepted: number
    readonly duplicates: number
    readonly in_log: number
    readonly gone: number
  }
  /** Records of the log that the table has not read and that cannot be: what is in them is not known. */
  readonly unreadable: readonly { readonly bucket: number; readonly position: number; readonly reason: string }[]
  /** Buckets whose log and table do not join up: what lay between is not known, and nobody accepted that it is lost. */
  readonly stopped: readonly { readonly bucket: number; readonly reason: string }[]
  /** Of other logs, which this one took the place of: whatever they held past the table is not known either. */
  readonly left_logs: readonly { readonly bucket: number; readonly reason: string }[]
  /** What of the log somebody gave up. */
  readonly accepted: readonly AcceptedRange[]
  readonly streams: readonly VerifiedStream[]
  readonly acknowledged?: {
    readonly journal: number
    readonly found: number
    readonly missing: readonly Acks[]
    /** Not found, and given up with an accepted range of the log. */
    readonly accepted: readonly Acks[]
  }
}

type Rows = { stored: IntervalSet; dead: IntervalSet; doubled: IntervalSet; duplicates: number }
const NO_ROWS: Rows = { stored: [], dead: [], doubled: [], duplicates: 0 }
/** Source id, boot, stream. */
const nameOf = (source: string, boot: string, stream: string) => `${source} ${boot} ${stream}`

/**
 * Proves completeness from the tables: the account of each (source, boot, stream) from the received ranges, those
 * against the rows that are there, and both against a journal of acknowledgements where one is given.
 * `ok` is false when anything is lost or doubled, a promise is broken, an acknowledged number is nowhere, a record of the
 * log cannot be read, or a bucket's log and table do not join up. What somebody accepted as lost is told apart, and leaves it
 * true.
 */
export async function verify(options: {
  readonly lake: Lake
  readonly layout: Layout
  /** To tell what is durable and not in the table yet. */
  readonly log?: EventLog
  readonly acks?: ReadonlyMap<string, Acks>
  readonly now_ms: number
  /** `rangesKey` of the lake. */
  readonly key: Uint8Array
  /** Of the lake's store. */
  readonly local: LocalFiles
  readonly scratch_folder: string
}): Promise<Verification> {
  const { lake, layout, log, key, now_ms, acks = new Map<string, Acks>() } = options
  const table = await lake.table('events')
  // The log before the table: what the writer commits in between is then in both, and never in neither.
  const { arrivals, unreadable } = log ? await readLog(log, layout) : { arrivals: new Map(), unreadable: [] }
  const inLog = new Map([...arrivals].map(([name, list]) => [name, spansOf(list)]))
  const snapshot = await table.snapshot()
  const buckets = Array.from({ length: layout.buckets }, (_, bucket) => bucket)
  const loaded = await loadRanges({ store: lake.store, table, layout }, buckets, snapshot.version)
  await using held = await eventFiles(options.local, snapshot)
  await using database = await openDuckDb({ temp_folder: options.scratch_folder })
  const { connection } = database
  const rows = await orDamage(connection, held, () => countRows(connection, snapshot, held))
  const named = [...[...rows.keys(), ...inLog.keys()].map((name) => name.split(' ')[0] ?? ''), ...sourcesOf(acks)]
  const ids = new Map(named.map((id) => [sourceKey(key, id), id]))
  const known = new Map([...loaded.values()].flatMap(({ ranges }) => [...ranges]))

  const accepted = await acceptedRanges(connection, options)
  const stopped = log ? await openGaps(lake, log, layout, { now: () => now_ms }) : []
  const givenUp = await orDamage(connection, held, async () => {
    if (accepted.length === 0) return new Map<string, IntervalSet>()
    const doubts = doubtsOf({ known, ids, inLog, acks, key, layout, now_ms })
    return await acceptedNumbers(connection, scanSql(snapshot, held.files), accepted, doubts, arrivals)
  })
  const streams: VerifiedStream[] = []
  let totals = NO_TOTALS
  for (const stream of known.values()) {
    totals = addTotals(totals, stream.forgotten)
    const source = ids.get(stream.source) ?? stream.source
    for (const [boot, one] of stream.boots) {
      const name = nameOf(source, boot, stream.stream)
      const found = rows.get(name) ?? NO_ROWS
      rows.delete(name)
      const account = accountWithout(one, givenUp.get(name) ?? [], now_ms)
      totals = addTotals(totals, account)
      streams.push({
        ...{ source, boot, stream: stream.stream, ...account },
        ...{ duplicates: found.duplicates, rows_doubled: found.doubled },
        rows_missing: subtract(
          union(subtract(one.stored, found.stored), subtract(one.dead, union(found.dead, found.stored))),
          one.gone,
        ),
        gone: size(one.gone),
        rows_unknown: subtract(found.stored, one.stored),
        in_log: size(subtract(inLog.get(name) ?? [], union(one.stored, one.dead))),
      })
    }
  }
  for (const [name, found] of rows) {
    const [source = '', boot = '', stream = ''] = name.split(' ')
    if (isForgotten(known.get(streamKey(sourceKey(key, source), stream)), boot)) continue
    streams.push({
      ...{ source, boot, stream, ...accountWithout(EMPTY, [], now_ms), duplicates: found.duplicates, in_log: 0 },
      ...{ rows_missing: [], rows_doubled: found.doubled, rows_unknown: found.stored, gone: 0 },
    })
  }
  const acknowledged = options.acks && checkAcks(acks, { known, inLog, key, givenUp })
  const sum = (pick: (stream: VerifiedStream) => number) => streams.reduce((total, one) => total + pick(one), 0)
  const positionOf = (bucket: number) => (log && snapshot.txns.get(positionTxn(log.id, layout, bucket))) ?? 0
  const unread = unreadable.filter(({ bucket, position }) => position > positionOf(bucket))
  const isWhole = totals.lost === 0 && totals.broken === 0 && unread.length === 0 && stopped.length === 0
  return {
    version: snapshot.version,
    ok: isWhole && !streams.some(isWrong) && (acknowledged?.missing.length ?? 0) === 0,
    totals: {
      ...totals,
      accepted: sum((one) => size(one.accepted)),
      duplicates: sum((one) => one.duplicates),
      in_log: sum((one) => one.in_log),
      gone: sum((one) => one.gone),
    },
    unreadable: unread,
    stopped: stopped.map(({ bucket, reason }) => ({ bucket, reason })),
    left_logs: await leftLogs(connection, options, log?.id),
    accepted,
    streams,
    ...(acknowledged ? { acknowledged } : {}),
  }
}

const sourcesOf = (acks: ReadonlyMap<string, Acks>) => [...acks.values()].map(({ source }) => source)

type Looking = {
  readonly known: ReadonlyMap<string, StreamRanges>
  readonly inLog: ReadonlyMap<string, IntervalSet>
  readonly key: Uint8Array
}

/** What was promised or acknowledged and is not there, by (source, boot, stream). */
function doubtsOf(
  looking: Looking & {
    readonly ids: ReadonlyMap<string, string>
    readonly acks: ReadonlyMap<string, Acks>
    readonly layout: Layout
    readonly now_ms: number
  },
): ReadonlyMap<string, Doubt> {
  const { known, ids, inLog, acks, layout, now_ms } = looking
  const doubts = new Map<string, Doubt>()
  for (const { source: hashed, stream, boots } of known.values()) {
    for (const [boot, one] of boots) {
      const source = ids.get(hashed) ?? hashed
      const name = nameOf(source, boot, stream)
      const kept = union(union(one.stored, one.dead), inLog.get(name) ?? [])
      const missing = subtract(accountOf(one, now_ms).broken_numbers, kept)
      if (missing.length > 0) doubts.set(name, { source, bucket: bucketAt(source, stream, layout), missing, kept })
    }
  }
  for (const one of acks.values()) {
    const { source, boot, stream } = one
    const name = nameOf(source, boot, stream)
    const kept = keptOf(one, looking)
    const missing = subtract(union(one.numbers, doubts.get(name)?.missing ?? []), kept)
    if (missing.length > 0) doubts.set(name, { source, bucket: bucketAt(source, stream, layout), missing, kept })
  }
  return doubts
}

/** Where a source's batches go. */
function bucketAt(source: string, stream: string, { buckets }: Layout): number {
  return parseServiceStream(stream)?.bucket ?? bucketOf(source, buckets)
}

function keptOf({ source, boot, stream }: Acks, { known, inLog, key }: Looking): IntervalSet {
  const ranges = known.get(streamKey(sourceKey(key, source), stream))?.boots.get(boot)
  return union(union(ranges?.stored ?? [], ranges?.dead ?? []), inLog.get(nameOf(source, boot, stream)) ?? [])
}

/** The account of what is left when the numbers that were given up are told apart. */
function accountWithout(ranges: Parameters<typeof accountOf>[0], givenUp: IntervalSet, now_ms: number) {
  const whole = accountOf(ranges, now_ms)
  const accepted = intersect(whole.broken_numbers, givenUp)
  if (accepted.length === 0) return { ...whole, accepted }
  const account = accountOf({ ...ranges, dropped: union(ranges.dropped, accepted) }, now_ms)
  return { ...account, dropped: account.dropped - size(accepted), accepted }
}

const EMPTY = { next: 0, acked: 0, stored: [], dead: [], dropped: [], closed: true, heard_ms: 0 }

/** Is there anything about this stream that must not be? */
export function isWrong(one: VerifiedStream): boolean {
  return (
    one.lost > 0 ||
    one.broken > 0 ||
    one.rows_missing.length > 0 ||
    one.rows_doubled.length > 0 ||
    one.rows_unknown.length > 0
  )
}

function checkAcks(
  acks: ReadonlyMap<string, Acks>,
  looking: Looking & { readonly givenUp: ReadonlyMap<string, IntervalSet> },
): NonNullable<Verification['acknowledged']> {
  let [journal, found] = [0, 0]
  const missing: Acks[] = []
  const accepted: Acks[] = []
  for (const one of acks.values()) {
    journal += size(one.numbers)
    const stream = looking.known.get(streamKey(sourceKey(looking.key, one.source), one.stream))
    const absent = isForgotten(stream, one.boot) ? [] : subtract(one.numbers, keptOf(one, looking))
    found += size(one.numbers) - size(absent)
    const givenUp = intersect(absent, looking.givenUp.get(nameOf(one.source, one.boot, one.stream)) ?? [])
    const lost = subtract(absent, givenUp)
    if (givenUp.length > 0) accepted.push({ ...one, numbers: givenUp })
    if (lost.length > 0) missing.push({ ...one, numbers: lost })
  }
  return { journal, found, missing, accepted }
}

/** A damaged data file is told by its name. */
async function orDamage<T>(connection: DuckDBConnection, held: HeldTable, work: () => Promise<T>): Promise<T> {
  return await work().catch(async (error: unknown) => {
    throw (await damageIn(connection, [held])) ?? error
  })
}

/** What the rows say, by (source, boot, stream). Numbers as ranges, found by their distance from their rank. */
async function countRows(
  connection: DuckDBConnection,
  snapshot: Snapshot,
  { files }: HeldTable,
): Promise<Map<string, Rows>> {
  const rows = new Map<string, Rows>()
  if (files.length === 0) return rows
  await connection.run(
    `CREATE VIEW numbered AS SELECT source_id, boot_id, stream, seq, kind = 'dead' AS dead FROM (${scanSql(snapshot, files)})
     WHERE kind <> 'batch' AND seq IS NOT NULL`,
  )
  const of = (row: Record<string, unknown>): Rows => {
    const name = nameOf(String(row['source_id']), String(row['boot_id']), String(row['stream']))
    const found = rows.get(name) ?? { ...NO_ROWS }
    rows.set(name, found)
    return found
  }
  for (const row of await islands(connection)) {
    const span: Interval = [Number(row['low']), Number(row['high']) + 1]
    const found = of(row)
    if (row['dead'] === true) found.dead = add(found.dead, ...span)
    else found.stored = add(found.stored, ...span)
  }
  const doubled = `SELECT source_id, boot_id, stream, seq FROM numbered WHERE NOT dead GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL`
  for (const row of await rowsOf(connection, doubled)) {
    const found = of(row)
    found.doubled = add(found.doubled, Number(row['seq']), Number(row['seq']) + 1)
  }
  const transport = `SELECT source_id, boot_id, stream, kind, CAST(sum(batch_duplicates) AS BIGINT) AS duplicates,
      list(batch_first) AS firsts, list(batch_count) AS counts
    FROM (${scanSql(snapshot, files)}) WHERE kind IN ('batch', 'dead') AND ordinal = -1 AND boot_id IS NOT NULL GROUP BY ALL`
  for (const row of await rowsOf(connection, transport)) {
    const found = of(row)
    found.duplicates += Number(row['duplicates'] ?? 0)
    // A batch that was refused as a whole is one row for all of its numbers.
    if (row['kind'] === 'dead') found.dead = union(found.dead, refusedSpans(row['firsts'], row['counts']))
  }
  return rows
}

function islands(connection: DuckDBConnection) {
  return rowsOf(
    connection,
    `SELECT source_id, boot_id, stream, dead, min(seq) AS low, max(seq) AS high FROM (
       SELECT *, seq - row_number() OVER (PARTITION BY source_id, boot_id, stream, dead ORDER BY seq) AS island
       FROM (SELECT DISTINCT * FROM numbered))
     GROUP BY source_id, boot_id, stream, dead, island ORDER BY ALL`,
  )
}

function refusedSpans(firsts: unknown, counts: unknown): IntervalSet {
  if (!Array.isArray(firsts) || !Array.isArray(counts)) return []
  return intervalSet(firsts.map((first, i): Interval => [Number(first), Number(first) + Number(counts[i] ?? 0)]))
}

const spansOf = (arrivals: readonly Arrival[]) =>
  intervalSet(arrivals.map(({ first, next }): Interval => [first, next]))

/** What is durable in the log; some of it may be in the table as well. And what of it cannot be read. */
async function readLog(log: EventLog, layout: Layout) {
  const arrivals = new Map<string, Arrival[]>()
  const unreadable: Verification['unreadable'][number][] = []
  for (let bucket = 0; bucket < layout.buckets; bucket++) {
    for await (const one of logRecords(log, bucket)) {
      const { position } = one
      if ('unreadable' in one) {
        unreadable.push({ bucket, position, reason: one.unreadable })
        continue
      }
      const { source, value, codec, received_ms } = one.record
      const claim = await readClaim(value, codec)
      if (!claim) continue
      const name = nameOf(source, claim.boot, claim.stream)
      const list = arrivals.get(name) ?? []
      arrivals.set(name, list)
      list.push({ first: claim.first, next: claim.first + claim.count, log_id: log.id, position, received_ms })
    }
  }
  return { arrivals, unreadable }
}
