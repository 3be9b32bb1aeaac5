import type { DuckDBConnection } from '@duckdb/node-api'
import type { Layout } from '../contract/bucket.ts'
import { add, type Interval, type IntervalSet, intervalSet, size, subtract, union } from '../contract/interval.ts'
import { damageIn } from '../lake/damage.ts'
import { openDuckDb, rowsOf } from '../lake/duckdb.ts'
import type { Lake } from '../lake/lake.ts'
import type { HeldTable, LocalFiles } from '../lake/local-files.ts'
import { scanSql } from '../lake/scan.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import { accountOf, addTotals, NO_TOTALS, type Totals } from './account.ts'
import { eventFiles } from './event-files.ts'
import type { EventLog } from './event-log.ts'
import { LOG_READ_BYTES } from './limits.ts'
import { readClaim } from './payload.ts'
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
  readonly totals: Totals & { readonly duplicates: number; readonly in_log: number; readonly gone: number }
  readonly streams: readonly VerifiedStream[]
  readonly acknowledged?: {
    readonly journal: number
    readonly found: number
    readonly missing: readonly Acks[]
  }
}

type Rows = { stored: IntervalSet; dead: IntervalSet; doubled: IntervalSet; duplicates: number }
const NO_ROWS: Rows = { stored: [], dead: [], doubled: [], duplicates: 0 }
/** Source id, boot, stream. */
const nameOf = (source: string, boot: string, stream: string) => `${source} ${boot} ${stream}`

/**
 * Proves completeness from the tables: the account of each (source, boot, stream) from the received ranges, those
 * against the rows that are there, and both against a journal of acknowledgements where one is given.
 * `ok` is false when anything is lost or doubled, a promise is broken, or an acknowledged number is nowhere.
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
  const { lake, layout, log, key, now_ms } = options
  const table = await lake.table('events')
  // The log before the table: what the writer commits in between is then in both, and never in neither.
  const inLog = log ? await readLog(log, layout) : new Map<string, IntervalSet>()
  const snapshot = await table.snapshot()
  const buckets = Array.from({ length: layout.buckets }, (_, bucket) => bucket)
  const loaded = await loadRanges({ store: lake.store, table, layout }, buckets, snapshot.version)
  const rows = await readRows(snapshot, options)
  const ids = new Map(
    [...rows.keys(), ...inLog.keys()].map((name) => name.split(' ')[0] ?? '').map((id) => [sourceKey(key, id), id]),
  )

  const streams: VerifiedStream[] = []
  const known = new Map<string, StreamRanges>()
  let totals = NO_TOTALS
  for (const { ranges } of loaded.values()) {
    for (const [name, stream] of ranges) {
      known.set(name, stream)
      totals = addTotals(totals, stream.forgotten)
      const source = ids.get(stream.source) ?? stream.source
      for (const [boot, one] of stream.boots) {
        const name = nameOf(source, boot, stream.stream)
        const found = rows.get(name) ?? NO_ROWS
        rows.delete(name)
        const account = accountOf(one, now_ms)
        totals = addTotals(totals, account)
        streams.push({
          ...{
            source,
            boot,
            stream: stream.stream,
            ...account,
            duplicates: found.duplicates,
            rows_doubled: found.doubled,
          },
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
  }
  for (const [name, found] of rows) {
    const [source = '', boot = '', stream = ''] = name.split(' ')
    if (isForgotten(known.get(streamKey(sourceKey(key, source), stream)), boot)) continue
    streams.push({
      ...{ source, boot, stream, ...accountOf(EMPTY, now_ms), duplicates: found.duplicates, in_log: 0 },
      ...{ rows_missing: [], rows_doubled: found.doubled, rows_unknown: found.stored, gone: 0 },
    })
  }
  const acknowledged = options.acks && checkAcks(options.acks, known, inLog, key)
  const sum = (pick: (stream: VerifiedStream) => number) => streams.reduce((total, one) => total + pick(one), 0)
  return {
    version: snapshot.version,
    ok: totals.lost === 0 && totals.broken === 0 && !streams.some(isWrong) && (acknowledged?.missing.length ?? 0) === 0,
    totals: {
      ...totals,
      duplicates: sum((one) => one.duplicates),
      in_log: sum((one) => one.in_log),
      gone: sum((one) => one.gone),
    },
    streams,
    ...(acknowledged ? { acknowledged } : {}),
  }
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
  known: ReadonlyMap<string, StreamRanges>,
  inLog: ReadonlyMap<string, IntervalSet>,
  key: Uint8Array,
): NonNullable<Verification['acknowledged']> {
  let journal = 0
  const missing: Acks[] = []
  for (const one of acks.values()) {
    journal += size(one.numbers)
    const stream = known.get(streamKey(sourceKey(key, one.source), one.stream))
    if (isForgotten(stream, one.boot)) continue
    const boot = stream?.boots.get(one.boot)
    const kept = union(
      union(boot?.stored ?? [], boot?.dead ?? []),
      inLog.get(nameOf(one.source, one.boot, one.stream)) ?? [],
    )
    const numbers = subtract(one.numbers, kept)
    if (numbers.length > 0) missing.push({ ...one, numbers })
  }
  return { journal, found: journal - missing.reduce((sum, { numbers }) => sum + size(numbers), 0), missing }
}

/** What the rows say, by (source, boot, stream). Numbers as ranges, found by their distance from their rank. */
async function readRows(
  snapshot: Snapshot,
  { local, scratch_folder }: { readonly local: LocalFiles; readonly scratch_folder: string },
): Promise<Map<string, Rows>> {
  await using held = await eventFiles(local, snapshot)
  await using database = await openDuckDb({ temp_folder: scratch_folder })
  if (held.files.length === 0) return new Map()
  return await countRows(database.connection, snapshot, held).catch(async (error: unknown) => {
    throw (await damageIn(database.connection, [held])) ?? error
  })
}

async function countRows(
  connection: DuckDBConnection,
  snapshot: Snapshot,
  { files }: HeldTable,
): Promise<Map<string, Rows>> {
  const rows = new Map<string, Rows>()
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
    if (row['kind'] === 'dead') found.dead = union(found.dead, spansOf(row['firsts'], row['counts']))
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

function spansOf(firsts: unknown, counts: unknown): IntervalSet {
  if (!Array.isArray(firsts) || !Array.isArray(counts)) return []
  return intervalSet(firsts.map((first, i): Interval => [Number(first), Number(first) + Number(counts[i] ?? 0)]))
}

/** What is durable in the log; some of it may be in the table as well. */
async function readLog(log: EventLog, layout: Layout): Promise<Map<string, IntervalSet>> {
  const numbers = new Map<string, IntervalSet>()
  for (let bucket = 0; bucket < layout.buckets; bucket++) {
    for (let from = 1; ; ) {
      const records = await log.read(bucket, from, LOG_READ_BYTES)
      for (const { record } of records) {
        const claim = await readClaim(record.value, record.codec)
        if (!claim) continue
        const name = nameOf(record.source, claim.boot, claim.stream)
        numbers.set(name, add(numbers.get(name) ?? [], claim.first, claim.first + claim.count))
      }
      const last = records.at(-1)
      if (!last) break
      from = last.position + 1
    }
  }
  return numbers
}
