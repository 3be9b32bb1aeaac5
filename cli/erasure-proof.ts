import { existsSync } from 'node:fs'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { isProblem } from '../contract/problem.ts'
import { type ErasedHub, isErasedBoot } from '../ingest/erased-hubs.ts'
import type { EventLog, Positioned } from '../ingest/event-log.ts'
import { logRecords } from '../ingest/log-records.ts'
import { inflate, readClaim } from '../ingest/payload.ts'
import { textIn } from '../ingest/row.ts'
import { FLOOR_TXN } from '../lake/conflict.ts'
import { openDuckDb, rowsOf } from '../lake/duckdb.ts'
import type { Lake } from '../lake/lake.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { literal } from '../lake/schema.ts'
import type { Table } from '../lake/table.ts'
import { erasedRows, tablesOfHubs } from './erasure.ts'

/** One kind of place: how many were looked at, and in how many the hub was found. */
export type Place = {
  readonly place: string
  readonly looked: number
  readonly found: number
  /** Which could not be read, so that nobody knows. */
  readonly unread?: number
  /** When what was found will be gone by itself, ms since 1970; undefined when it will not, or nothing was found. */
  readonly until_ms: number | undefined
}

export type ProofOptions = {
  readonly lake: Lake
  readonly hub: string
  readonly mark: ErasedHub
  /** undefined when there is none yet. */
  readonly log: EventLog | undefined
  /** Of copies of data files of a lake in S3, where there is one. */
  readonly cache_folder: string
  readonly scratch_folder: string
  readonly retention_ms: number
  readonly log_retention_ms: number
}

type Search = Pick<ProofOptions, 'hub' | 'mark'> & {
  readonly connection: DuckDBConnection
  /** The id as a value of JSON, also inside of a text of JSON. */
  readonly quoted: string
}

/**
 * Looks for a hub, up to the generation that was erased, everywhere where it may be kept: rows of live files, of files that
 * older versions or none have, entries and checkpoints of the logs, what lies beside the tables, the event log, and copies.
 */
export async function proveErased(options: ProofOptions): Promise<readonly Place[]> {
  const { lake, scratch_folder } = options
  await using duckdb = await openDuckDb({ threads: 1, temp_folder: scratch_folder })
  const search = searchOf(options, duckdb.connection)
  const places: Place[] = []
  for (const table of await tablesOfHubs(lake)) places.push(...(await placesOf(options, search, table)))
  const beside = await inObjects(lake.store, '_hearth/', (bytes) => namesHub(search, bytes))
  places.push({ place: 'objects beside the tables (_hearth)', ...beside, until_ms: undefined })
  const copies = await copiesWith(options, search)
  places.push({
    place: 'copies on this machine',
    looked: copies.looked,
    found: copies.paths.length,
    until_ms: undefined,
  })
  if (options.log) places.push(await inEventLog(options.log, options))
  return summedUp(places)
}

function searchOf({ hub, mark }: ProofOptions, connection: DuckDBConnection): Search {
  return { hub, mark, connection, quoted: `"${hub}` }
}

/** The same place of several tables as one; what is found longest decides until when. */
function summedUp(places: readonly Place[]): readonly Place[] {
  const sums = new Map<string, Place>()
  for (const one of places) {
    const before = sums.get(one.place)
    const until_ms = one.found > 0 ? one.until_ms : undefined
    sums.set(one.place, {
      ...one,
      looked: one.looked + (before?.looked ?? 0),
      found: one.found + (before?.found ?? 0),
      until_ms: Math.max(until_ms ?? 0, before?.until_ms ?? 0) || undefined,
    })
  }
  return [...sums.values()]
}

async function placesOf(options: ProofOptions, search: Search, table: Table): Promise<readonly Place[]> {
  const { lake, retention_ms, log_retention_ms } = options
  const snapshot = await table.snapshot()
  const named = new Map<string, { readonly added: number; removed: number }>()
  const oldest = await table.oldest()
  let erased = { version: -1, time_ms: 0 }
  for await (const { version, timestamp_ms, info, adds, removes } of table.history(oldest)) {
    for (const { path } of removes) {
      const before = named.get(path) ?? { added: oldest, removed: version }
      named.set(path, { ...before, removed: version })
    }
    for (const { path } of adds) named.set(path, { added: version, removed: snapshot.version + 1 })
    if (info?.kind === 'erase') erased = { version, time_ms: timestamp_ms }
  }
  const files: Record<'live' | 'older' | 'unnamed', [number, number]> = { live: [0, 0], older: [0, 0], unnamed: [0, 0] }
  let unnamed_ms = 0
  const versions = new Set<number>()
  const floor = Math.max(oldest, snapshot.txns.get(FLOOR_TXN) ?? 0)
  for await (const { path, modified_ms } of lake.store.list(`${table.prefix}/`)) {
    const own = path.slice(table.prefix.length + 1)
    if (/(^|\/)[_.]/.test(own)) continue
    const life = named.get(own)
    const kind = snapshot.files.has(own) ? 'live' : life ? 'older' : 'unnamed'
    files[kind][0]++
    if ((await countIn(options, lake.store, path, (local) => rowsIn(search, local))) === 0) continue
    files[kind][1]++
    if (kind === 'unnamed') unnamed_ms = Math.max(unnamed_ms, modified_ms)
    for (let version = Math.max(floor, life?.added ?? floor); version < (life?.removed ?? 0); version++)
      versions.add(version)
  }
  const entries = await logPlaces(options, search, table, erased.version)
  const place = (name: string, [looked = 0, found = 0]: readonly number[], until_ms?: number): Place => ({
    ...{ place: name, looked, found, until_ms },
  })
  return [
    place('live data files', files.live),
    place('versions within time travel', [snapshot.version + 1 - floor, versions.size], erased.time_ms + retention_ms),
    place('data files of older versions', files.older, erased.time_ms + retention_ms),
    place('data files that no version names', files.unnamed, unnamed_ms + retention_ms),
    place('log entries', entries.entries, erased.time_ms + log_retention_ms),
    place('checkpoints', entries.checkpoints, erased.time_ms + log_retention_ms),
  ]
}

/**
 * Names in the statistics of the log. Of a hub that was enrolled anew the entries after the erasure may name it again, and
 * not before: nothing is written of the erased generation after its mark.
 */
async function logPlaces(options: ProofOptions, search: Search, { prefix }: Table, erased: number) {
  const { store } = options.lake
  const entries = [0, 0] as [number, number]
  const checkpoints = [0, 0] as [number, number]
  for await (const { path } of store.list(`${prefix}/_delta_log/`)) {
    const version = Number(/(\d{20})\./.exec(path)?.[1] ?? -1)
    if (search.mark.since_ms !== undefined && version > erased) continue
    const sums = path.endsWith('.parquet') ? checkpoints : entries
    sums[0]++
    if (path.endsWith('.parquet')) {
      const rows = (local: string) => countOf(search, `read_parquet(${literal(local)}) t`, asText(search))
      if ((await countIn(options, store, path, rows)) > 0) sums[1]++
    } else if (namesHub(search, await bytesOf(store, path))) sums[1]++
  }
  return { entries, checkpoints }
}

const asText = ({ quoted }: Search) =>
  `regexp_matches(to_json(t), ${literal(`${quoted.replaceAll('.', '\\.')}\\\\?"`)})`

/** In UTF-8, as a JSON text or within one. */
function namesHub({ quoted }: Search, bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return text.includes(`${quoted}"`) || text.includes(`${quoted}\\"`)
}

async function inObjects(store: ObjectStore, prefix: string, holds: (bytes: Uint8Array) => boolean) {
  let [looked, found] = [0, 0]
  for await (const { path } of store.list(prefix)) {
    looked++
    if (holds(await bytesOf(store, path))) found++
  }
  return { looked, found }
}

/** Empty for what was deleted meanwhile. */
async function bytesOf(store: ObjectStore, path: string): Promise<Uint8Array> {
  try {
    return await store.get(path)
  } catch (error) {
    if (!isProblem(error, 'missing')) throw error
    return new Uint8Array()
  }
}

/** What `count` says of the object as a file of this machine; 0 of one that is deleted before or while it is read. */
async function countIn(
  { scratch_folder }: ProofOptions,
  store: ObjectStore,
  path: string,
  count: (local: string) => Promise<number>,
): Promise<number> {
  try {
    const local = store.localPath?.(path)
    if (local !== undefined) return await count(local)
    const copy = join(scratch_folder, 'proof.parquet')
    await writeFile(copy, await store.get(path))
    return await count(copy)
  } catch (error) {
    if (isProblem(error, 'missing') || !(await store.head(path))) return 0
    throw error
  }
}

/** Rows of the hub in a data file, of whichever table it is. */
async function rowsIn(search: Search, file: string): Promise<number> {
  const { connection, hub, mark } = search
  const described = await rowsOf(connection, `DESCRIBE SELECT * FROM read_parquet(${literal(file)})`)
  const columns = new Set(described.map((row) => textIn(row, 'column_name') ?? ''))
  const where = erasedRows(columns, hub, mark)
  return where === undefined ? 0 : await countOf(search, `read_parquet(${literal(file)}) t`, where)
}

async function countOf({ connection }: Search, from: string, where: string): Promise<number> {
  const [row] = await rowsOf(connection, `SELECT count(*) AS n FROM ${from} WHERE ${where}`)
  return Number(row?.['n'])
}

/** Copies of data files on this machine that hold the hub: a query of an older version may have fetched one. */
async function copiesWith({ cache_folder }: ProofOptions, search: Search) {
  const data = join(cache_folder, 'data')
  const names = existsSync(data) ? await readdir(data) : []
  const paths: string[] = []
  for (const name of names) if ((await rowsIn(search, join(data, name))) > 0) paths.push(join(data, name))
  return { looked: names.length, paths }
}

/** Removes these copies. Whoever uses one now has it until then. */
export async function forgetCopies(options: ProofOptions): Promise<void> {
  await using duckdb = await openDuckDb({ threads: 1, temp_folder: options.scratch_folder })
  const { paths } = await copiesWith(options, searchOf(options, duckdb.connection))
  for (const path of paths) await rm(path, { force: true })
}

async function inEventLog(log: EventLog, { hub, mark }: ProofOptions): Promise<Place> {
  let [looked, found, unread] = [0, 0, 0]
  for (let bucket = 0; bucket < log.buckets; bucket++) {
    for await (const one of logRecords(log, bucket)) {
      looked++
      if ('unreadable' in one) unread++
      else if (await isAbout(one, hub, mark)) found++
    }
  }
  return { place: 'records of the event log', looked, found, ...(unread > 0 && { unread }), until_ms: undefined }
}

async function isAbout({ record }: Positioned, hub: string, mark: ErasedHub): Promise<boolean> {
  const { value, codec, received_ms } = record
  if (record.source === hub) {
    const claim = await readClaim(value, codec)
    return claim ? isErasedBoot(mark, claim.boot) : record.generation <= mark.generation
  }
  if (mark.since_ms !== undefined && received_ms >= mark.since_ms) return false
  try {
    return (await inflate(value, codec)).includes(`"hub":"${hub}"`)
  } catch (error) {
    if (!isProblem(error, 'invalid')) throw error
    return false
  }
}
