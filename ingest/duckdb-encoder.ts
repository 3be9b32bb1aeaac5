import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBAppender, DuckDBConnection } from '@duckdb/node-api'
import { bucketOf } from '../contract/bucket.ts'
import { type Clock, type Random, randomHex } from '../contract/clock.ts'
import { EVENTS_COLUMNS, EVENTS_SORT, EVENTS_TABLE } from '../contract/events-table.ts'
import { type Interval, type IntervalSet, intervalSet } from '../contract/interval.ts'
import { assert } from '../contract/problem.ts'
import type { Touched } from '../contract/touched.ts'
import { openDuckDb, problemOf, rowsOf } from '../lake/duckdb.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { promotedOf, promoteSql, withColumns } from '../lake/promoted.ts'
import { writeFile } from '../lake/write.ts'
import * as sql from './encode-sql.ts'
import {
  batchKey,
  type Encoded,
  type EncodedFile,
  type Encoder,
  type EncoderBatch,
  type Encoding,
  type EventsShape,
} from './encoder.ts'
import type { ErasedHub } from './erased-hubs.ts'
import {
  ATTEMPT_DATES_MAX,
  DEAD_TEXT_MAX_BYTES,
  ENCODER_MEMORY_LIMIT,
  ENCODER_THREADS,
  SPOOL_BATCH_NUMBERS,
  SPOOL_PART_BYTES,
} from './limits.ts'
import { textIn } from './row.ts'
import { openSpool, type Spool } from './spool.ts'

export type DuckDbEncoderOptions = {
  readonly store: ObjectStore
  /** The event log that batches are read from; may change when the log is minted anew. */
  readonly logId: () => string
  readonly buckets: number
  readonly clock: Clock
  readonly random: Random
  /** Its own: emptied at the start. */
  readonly scratch_folder: string
  readonly threads?: number
  readonly memory_limit?: string
  /** Lines that are judged in one go; SPOOL_PART_BYTES when absent. */
  readonly part_bytes?: number
}

/**
 * Encodes in bulk with DuckDB: lines are never parsed in JavaScript. While batches still come, DuckDB judges those that
 * have come (docs/decisions/025). Raises `internal` when
 * DuckDB refuses, `unavailable` when the scratch folder or memory does not suffice.
 */
export async function openDuckDbEncoder(options: DuckDbEncoderOptions): Promise<Encoder> {
  // What a killed process left behind.
  await rm(options.scratch_folder, { recursive: true, force: true })
  await mkdir(options.scratch_folder, { recursive: true })
  const threads = options.threads ?? ENCODER_THREADS
  const database = await openDuckDb({
    threads,
    memory_limit: options.memory_limit ?? ENCODER_MEMORY_LIMIT,
    temp_folder: options.scratch_folder,
  })
  await database.connection.run('SET preserve_insertion_order = false')
  // Each statement is worked at by the thread that waits for it: beside a thread of DuckDB's own it would only spin.
  await database.connection.run(`SET external_threads = ${threads}`)
  const workers = await Promise.all(Array.from({ length: threads }, () => database.connect()))
  return {
    begin: (erasedHub) => guarded(() => beginEncoding(options, database.connection, workers, erasedHub)),
    async close() {
      for (const worker of workers) worker.disconnectSync()
      await database[Symbol.asyncDispose]()
    },
  }
}

async function beginEncoding(
  options: DuckDbEncoderOptions,
  connection: DuckDBConnection,
  workers: readonly DuckDBConnection[],
  erasedHub: ((hub: string) => ErasedHub | undefined) | undefined,
): Promise<Encoding> {
  for (const statement of [sql.BATCHES_TABLE, sql.MISFITS_TABLE, sql.CHOSEN_TABLE, sql.JUDGED_TABLE])
    await connection.run(statement)
  const openPart = () => openSpool(join(options.scratch_folder, `${randomHex(options.random, 8)}.lines`))
  const batches: EncoderBatch[] = []
  const rows = await connection.createAppender('batches')
  const misfits = await connection.createAppender('misfits')
  let appending = [rows, misfits]
  let part = await openPart()
  const spools = [part]
  let part_bytes = 0
  /** A part is read by one thread, so that each worker has a part of its own. */
  const lanes = workers.map((worker) => ({ worker, judged: Promise.resolve() }))
  let parts = 0
  /** Erased hubs that services spoke about. */
  const erased = new Map<string, ErasedHub>()

  function subjectOf(hub: string): number {
    const known = erasedHub?.(hub)
    if (known) erased.set(hub, known)
    return bucketOf(hub, options.buckets)
  }

  function judgePart(): void {
    const spool = part
    rows.flushSync()
    const lane = lanes[parts++ % lanes.length]
    assert(lane, 'a worker for each thread')
    lane.judged = lane.judged.then(() => judge(lane.worker, spool, subjectOf))
    // Told when it is awaited, in `finish`.
    lane.judged.catch(() => undefined)
  }

  return {
    add: (batch) => guarded(() => add(batch)),
    finish: (shape) => guarded(() => finish(shape)),
    async close() {
      await Promise.allSettled(lanes.map(({ judged }) => judged))
      // Left open, they would be flushed when they are collected: into the tables of the attempt that runs then.
      for (const appender of appending) {
        appender.clear()
        appender.closeSync()
      }
      for (const spool of spools) await spool.close()
    },
  }

  async function add(batch: EncoderBatch): Promise<void> {
    const number = batches.length
    if (batch.erased) {
      batches.push({ ...batch, lines: NO_LINES })
      return
    }
    appendBatch(rows, number, batch)
    for (const { ordinal, reason, line } of await part.add(number * SPOOL_BATCH_NUMBERS, batch.lines, batch.take)) {
      misfits.appendBigInt(BigInt(number * SPOOL_BATCH_NUMBERS + ordinal))
      misfits.appendVarchar(reason)
      misfits.appendVarchar(line)
      misfits.endRow()
    }
    batches.push({ ...batch, lines: NO_LINES })
    part_bytes += batch.lines.length
    if (part_bytes < (options.part_bytes ?? SPOOL_PART_BYTES)) return
    judgePart()
    part = await openPart()
    spools.push(part)
    part_bytes = 0
  }

  async function finish(shape: EventsShape): Promise<Encoded> {
    judgePart()
    for (const { judged } of lanes) await judged
    for (const appender of appending) appender.closeSync()
    appending = []
    const left = await leaveOut(connection, batches, erased)
    return { ...(await encode(options, connection, workers, batches, shape)), ...left }
  }
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw problemOf('events could not be turned into rows', error)
  }
}

/** Adds a part of the spool to the judged lines. */
async function judge(worker: DuckDBConnection, spool: Spool, bucketOfHub: (hub: string) => number): Promise<void> {
  await spool.finish()
  await worker.run(sql.parseSql(spool.path))
  await worker.run(sql.SUBJECTS_TABLE)
  await fillSubjects(worker, bucketOfHub)
  const twice = await rowsOf(worker, sql.ANY_TWICE)
  await worker.run(sql.judgeSql(twice.length > 0))
  await worker.run('DROP TABLE parsed')
}

const NO_LINES = Buffer.alloc(0)

function appendBatch(rows: DuckDBAppender, number: number, batch: EncoderBatch): void {
  const { header } = batch
  const named = header ?? batch.claim
  const whole = (value: number | undefined) =>
    value === undefined ? rows.appendNull() : rows.appendBigInt(BigInt(value))
  const double = (value: number | undefined) => (value === undefined ? rows.appendNull() : rows.appendDouble(value))
  const text = (value: string | undefined) => (value === undefined ? rows.appendNull() : rows.appendVarchar(value))
  whole(number)
  rows.appendInteger(batch.bucket)
  whole(batch.position)
  text(batch.source)
  rows.appendBoolean(batch.role === 'service')
  text(batch.listener)
  double(batch.received_ms)
  text(named?.boot)
  text(named?.stream)
  for (const value of [named?.first, named?.count, header?.next, header?.acked]) whole(value)
  double(header?.now)
  double(header?.wall)
  text(header?.firmware)
  text(header?.agent)
  text(header && JSON.stringify({ dropped: header.dropped, previous: header.previous }))
  text(header?.crc)
  whole(header && batch.duplicates)
  text(batch.dead)
  text(header ? undefined : textOf(batch.lines))
  rows.endRow()
}

/** The first bytes of what could not be read; what is no UTF-8 shows as replacement characters. */
function textOf(bytes: Buffer): string {
  return bytes.subarray(0, DEAD_TEXT_MAX_BYTES).toString('utf8').replaceAll('\0', '\ufffd')
}

async function encode(
  options: DuckDbEncoderOptions,
  connection: DuckDBConnection,
  workers: readonly DuckDBConnection[],
  batches: readonly EncoderBatch[],
  shape: EventsShape,
): Promise<Omit<Encoded, 'erased' | 'enrolled_ms'>> {
  const { through, partitions, hours } = await choose(connection, batches)
  await connection.run(sql.DEAD_COUNTS_TABLE)
  await connection.run(sql.rowsSql(options.logId()))
  const dead = await linesOf(connection, batches, sql.DEAD_LINES)
  const touched = { hours, ...(await touchedBesides(connection)) }
  const promoted = promotedOf(shape)
  const left = partitions.entries()
  const files: EncodedFile[] = []
  /** A file is sorted by several threads, but encoded by one. */
  const writeFiles = async (worker: DuckDBConnection) => {
    for (const [i, [bucket, date]] of left) {
      const { rows, ...add } = await writeFile({
        connection: worker,
        select: promoteSql(
          withColumns(`SELECT * FROM rows WHERE bucket = ${bucket} AND event_date = DATE '${date}'`, promoted),
          promoted,
        ),
        store: options.store,
        prefix: EVENTS_TABLE,
        columns: [...EVENTS_COLUMNS, ...promoted],
        configuration: shape.configuration,
        partitionValues: { event_date: date, bucket: String(bucket) },
        sort: EVENTS_SORT,
        random: options.random,
        clock: options.clock,
        scratch_folder: options.scratch_folder,
      })
      files[i] = { bucket, add, rows }
    }
  }
  const ended = await Promise.allSettled(workers.map(writeFiles))
  for (const end of ended) if (end.status === 'rejected') throw end.reason
  return { files, through, dead, touched }
}

/** DuckDB has no xxh64 with our bytes, so the few distinct subjects are hashed here. */
async function fillSubjects(connection: DuckDBConnection, bucketOfHub: (hub: string) => number): Promise<void> {
  const spokenOf = await rowsOf(connection, sql.SPOKEN_OF)
  const subjects = await connection.createAppender('subjects')
  for (const row of spokenOf) {
    const hub = textIn(row, 'hub') ?? ''
    subjects.appendVarchar(hub)
    subjects.appendInteger(bucketOfHub(hub))
    subjects.endRow()
  }
  subjects.closeSync()
}

type Choice = {
  readonly through: ReadonlyMap<number, number>
  /** (bucket, date) of each file. */
  readonly partitions: readonly (readonly [number, string])[]
  /** (hour in ms, bucket) of the events. */
  readonly hours: [number, number][]
}

/** Takes batches in order while they open no more dates than an attempt may; a bucket ends where it would. */
async function choose(connection: DuckDBConnection, batches: readonly EncoderBatch[]): Promise<Choice> {
  const hoursOf = new Map<number, number[]>()
  for (const row of await rowsOf(connection, sql.HOURS_SQL)) {
    const batch = Number(row['batch'])
    const hour_ms = Number(row['hour']) * 3_600_000
    const known = hoursOf.get(batch)
    if (known) known.push(hour_ms)
    else hoursOf.set(batch, [hour_ms])
  }
  const dates = new Set<string>()
  const through = new Map<number, number>()
  const ended = new Set<number>()
  const partitions = new Map<string, readonly [number, string]>()
  const hours = new Map<string, [number, number]>()
  const chosen = await connection.createAppender('chosen')
  batches.forEach((batch, number) => {
    const { bucket } = batch
    if (ended.has(bucket)) return
    const touched = hoursOf.get(number) ?? []
    // What is no event, and the row of the batch itself, is dated by its receipt.
    const mine = batch.erased ? [] : [...new Set([batch.received_ms, ...touched].map(dateOf))]
    const opens = mine.filter((date) => !dates.has(date))
    if (dates.size > 0 && dates.size + opens.length > ATTEMPT_DATES_MAX) {
      ended.add(bucket)
      return
    }
    for (const date of mine) {
      dates.add(date)
      partitions.set(`${bucket} ${date}`, [bucket, date])
    }
    for (const hour_ms of touched) hours.set(`${bucket} ${hour_ms}`, [hour_ms, bucket])
    through.set(bucket, batch.position)
    chosen.appendBigInt(BigInt(number))
    chosen.endRow()
  })
  chosen.closeSync()
  const byBucket = [...partitions.values()].sort(([a, x], [b, y]) => a - b || x.localeCompare(y))
  return { through, partitions: byBucket, hours: [...hours.values()].sort(([a, x], [b, y]) => a - b || x - y) }
}

/** The UTC date of a time, as a partition's value. */
function dateOf(time_ms: number): string {
  return new Date(time_ms).toISOString().slice(0, 10)
}

/** Takes out of the judged lines what services told of erased hubs, and tells which lines that was. */
async function leaveOut(
  connection: DuckDBConnection,
  batches: readonly EncoderBatch[],
  hubs: ReadonlyMap<string, ErasedHub>,
): Promise<Pick<Encoded, 'erased' | 'enrolled_ms'>> {
  if (hubs.size === 0) return { erased: new Map(), enrolled_ms: new Map() }
  await connection.run(sql.erasedHubsTable(hubs))
  const anew = await rowsOf(connection, sql.ENROLLED_ANEW)
  for (const statement of [sql.KEEP_ENROLLED, sql.ERASED_TABLE, sql.WITHOUT_ERASED]) await connection.run(statement)
  const enrolled_ms = new Map(anew.map((row) => [textIn(row, 'hub') ?? '', Number(row['since_ms'])]))
  return { erased: await linesOf(connection, batches, sql.ERASED_LINES), enrolled_ms }
}

/** (batch, ordinal) as ordinals by batch. */
async function linesOf(
  connection: DuckDBConnection,
  batches: readonly EncoderBatch[],
  select: string,
): Promise<ReadonlyMap<string, IntervalSet>> {
  const lines = new Map<string, Interval[]>()
  for (const row of await rowsOf(connection, select)) {
    const batch = batches[Number(row['batch'])]
    if (!batch) continue
    const key = batchKey(batch.bucket, batch.position)
    const ordinal = Number(row['ordinal'])
    const list = lines.get(key) ?? []
    lines.set(key, list)
    list.push([ordinal, ordinal + 1])
  }
  return new Map([...lines].map(([key, list]) => [key, intervalSet(list)]))
}

async function touchedBesides(connection: DuckDBConnection): Promise<Omit<Touched, 'hours'>> {
  const touched: Record<'issued' | 'registry', [number, number][]> = { issued: [], registry: [] }
  for (const { what, at, bucket } of await rowsOf(connection, sql.TOUCHED_SQL)) {
    if (what === 'registry') touched.registry.push([Number(bucket), Number(at)])
    else touched.issued.push([Number(at), Number(bucket)])
  }
  return touched
}
