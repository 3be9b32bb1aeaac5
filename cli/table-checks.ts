/** What `hearth lake doctor` looks at in each table: its log, its checkpoint, its data files. Nothing is changed. */
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../contract/clock.ts'
import { isProblem, messageOf } from '../contract/problem.ts'
import type { AddFile } from '../lake/action.ts'
import { openCheckpoints } from '../lake/checkpoint.ts'
import { openDuckDb, rowsOf } from '../lake/duckdb.ts'

import { CHECKPOINT_INTERVAL, CHECKPOINT_VERSIONS_MAX, PARTITION_FILES_MAX } from '../lake/limits.ts'

import { checkpointPath, entryPath, hintPath, type Log, openLog } from '../lake/log.ts'
import type { ObjectMeta, ObjectStore } from '../lake/object-store.ts'
import { literal } from '../lake/schema.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import { decodeStatistics } from '../lake/statistics.ts'
import { openTable } from '../lake/table.ts'
import { rowsIn, shapeOf } from '../lake/table-shape.ts'
import type { Finding } from './doctor.ts'
import { DOCTOR_SAMPLE } from './limits.ts'
import { shortTime } from './text-table.ts'

export type Looking = { readonly store: ObjectStore; readonly clock: Clock; readonly all: boolean }

const NAMED_MAX = 3
/** Past this the one that was due by CHECKPOINT_VERSIONS_MAX was not written, at some of the versions that may have one. */
const CHECKPOINT_BEHIND_MAX = CHECKPOINT_VERSIONS_MAX + 5 * CHECKPOINT_INTERVAL
/** What no version has and is so old is of no commit under way, and was not needed by anybody for a retention. */
const LEFT_BEHIND_MS = 8 * 86_400_000
/** The footer of most data files is in their last bytes of this number. */
const FOOTER_BYTES = 256 * 1024

/** Some of a long list, evenly; all of it when asked. */
export function sampleOf<T>(list: readonly T[], all: boolean): readonly T[] {
  if (all || list.length <= DOCTOR_SAMPLE) return list
  return Array.from(
    { length: DOCTOR_SAMPLE },
    (_, index) => list[Math.floor((index * list.length) / DOCTOR_SAMPLE)],
  ).filter((one) => one !== undefined)
}

/** The first few, and how many more. */
export function named(list: readonly string[]): string {
  const more = list.length > NAMED_MAX ? ` and ${list.length - NAMED_MAX} more` : ''
  return `${list.slice(0, NAMED_MAX).join('; ')}${more}`
}

export async function examineTable(looking: Looking, name: string): Promise<readonly Finding[]> {
  const { store, clock, all } = looking
  const finding = (check: string, state: Finding['state'], found: string, advice?: string): Finding => {
    return { check: `${name}: ${check}`, state, found, ...(advice !== undefined && { advice }) }
  }
  const log = openLog(store, name)
  const { entries, checkpoints } = await log.list(0)
  const findings = [
    finding('log', ...gapsIn(entries, checkpoints)),
    finding('log entries', ...(await unreadable(log, name, entries, checkpoints.at(-1) ?? -1, all))),
    finding('checkpoint', ...(await checkpointState(store, log, name, entries, checkpoints))),
    finding('_last_checkpoint', ...(await hintState(store, log, name, checkpoints))),
  ]
  let snapshot: Snapshot
  try {
    snapshot = await openTable({ store, clock, checkpoints: undefined }, name).snapshot()
  } catch (error) {
    if (!isProblem(error)) throw error
    return [...findings, finding('table', 'bad', error.message, 'what is said above of its log comes first')]
  }
  const objects = new Map<string, ObjectMeta>()
  for await (const object of store.list(`${name}/`)) objects.set(object.path, object)
  const folder = await mkdtemp(join(tmpdir(), 'hearth-lake-doctor-'))
  try {
    findings.push(
      finding('data files', ...presence(name, snapshot, objects)),
      finding('Parquet', ...(await footers(store, name, sampleOf([...snapshot.files.values()], all), folder))),
    )
  } finally {
    await rm(folder, { recursive: true })
  }
  const oldest = entries[0] === undefined ? undefined : await log.read(entries[0]).catch(() => undefined)
  return [
    ...findings,
    finding('left behind', ...leftBehind(name, snapshot, objects, clock.now())),
    finding('small files', ...smallFiles(snapshot)),
    finding('versions', ...versions(snapshot, entries, oldest?.info?.timestamp)),
  ]
}

type Found = readonly [state: Finding['state'], found: string, advice?: string]

function gapsIn(entries: readonly number[], checkpoints: readonly number[]): Found {
  const [first, last] = [entries[0], entries.at(-1)]
  if (first === undefined || last === undefined) return ['bad', 'it has no entry', 'restore _delta_log from a backup']
  const present = new Set(entries)
  const missing: number[] = []
  for (let version = first; version < last; version++) if (!present.has(version)) missing.push(version)
  const restore = 'restore these entries of _delta_log from a backup'
  if (missing.length > 0) {
    const needed = missing.some((version) => version > (checkpoints.at(-1) ?? -1))
    const found = `missing ${named(missing.map((version) => `v${version}`))} of v${first} to v${last}`
    return [needed ? 'bad' : 'warning', found, needed ? restore : `${restore}; older versions cannot be read else`]
  }
  if (first > 0 && !checkpoints.some((version) => version >= first - 1)) {
    return ['bad', `it begins at v${first}, and no checkpoint covers what was before`, restore]
  }
  return ['good', `v${first} to v${last}, none missing`]
}

/** Entries that readers need are all read; of the older ones a sample. */
async function unreadable(
  log: Log,
  name: string,
  entries: readonly number[],
  checkpoint: number,
  all: boolean,
): Promise<Found> {
  const looked = [
    ...sampleOf(
      entries.filter((version) => version <= checkpoint),
      all,
    ),
    ...entries.filter((version) => version > checkpoint),
  ]
  const faults: string[] = []
  for (const version of looked) {
    try {
      await log.read(version)
    } catch (error) {
      if (!isProblem(error)) throw error
      faults.push(`${entryPath(name, version)}: ${error.message}`)
    }
  }
  if (faults.length === 0) return ['good', `${looked.length} of ${entries.length} read`]
  return ['bad', named(faults), 'restore them from a backup; never delete an entry']
}

async function checkpointState(
  store: ObjectStore,
  log: Log,
  name: string,
  entries: readonly number[],
  checkpoints: readonly number[],
): Promise<Found> {
  const newest = checkpoints.at(-1)
  const behind = (entries.at(-1) ?? 0) - (newest ?? 0)
  const late = behind > CHECKPOINT_BEHIND_MAX
  const why = `one is written with a commit, after ${CHECKPOINT_VERSIONS_MAX} versions at the latest: the log of who commits tells why not`
  if (newest === undefined)
    return late ? ['warning', `none after ${behind} versions`, why] : ['good', 'none is due yet']
  try {
    await openCheckpoints(store, name, log, undefined).read(newest)
  } catch (error) {
    if (!isProblem(error)) throw error
    const whole = entries[0] === 0
    const advice = whole
      ? 'move it out of _delta_log: the log is there from v0 on, and the next checkpoint is made from it'
      : 'restore it from a backup: readers begin with it'
    return ['bad', `${checkpointPath(name, newest)}: ${error.message}`, advice]
  }
  const found = `v${newest} can be read, ${behind} versions behind`
  return late ? ['warning', found, why] : ['good', found]
}

async function hintState(store: ObjectStore, log: Log, name: string, checkpoints: readonly number[]): Promise<Found> {
  const newest = checkpoints.at(-1) ?? 0
  const hint = await openCheckpoints(store, name, log, undefined).hint()
  if (hint === newest) return ['good', newest === 0 ? 'not there yet' : `names v${hint}`]
  const advice = 'only a hint: Hearth lists the log all the same; the next checkpoint writes it anew'
  return [
    'warning',
    `${hintPath(name)} ${hint === 0 ? 'cannot be read' : `names v${hint}`}, the newest is v${newest}`,
    advice,
  ]
}

function presence(name: string, { files }: Snapshot, objects: ReadonlyMap<string, ObjectMeta>): Found {
  const faults: string[] = []
  for (const { path, size } of files.values()) {
    const object = objects.get(`${name}/${decodeURIComponent(path)}`)
    if (!object) faults.push(`${name}/${path} is missing`)
    else if (object.size_bytes !== size)
      faults.push(`${name}/${path} has ${object.size_bytes} bytes, ${size} in the log`)
  }
  if (faults.length > 0)
    return ['bad', named(faults), 'restore them from a backup: queries of these days fail until then']
  const { bytes } = shapeOf({ files })
  return ['good', `${files.size} files, ${bytes} bytes, ${rowsIn(files.values())} rows; each is there with its size`]
}

/** Can the footer of these files be read, and has it the rows that the log says? */
async function footers(store: ObjectStore, name: string, files: readonly AddFile[], folder: string): Promise<Found> {
  const faults: string[] = []
  await using duckdb = await openDuckDb({ threads: 1 })
  for (const { path, size, stats } of files) {
    const object = `${name}/${decodeURIComponent(path)}`
    try {
      const local = store.localPath?.(object) ?? (await tailOf(store, object, size, join(folder, 'tail.parquet')))
      const [row] = await rowsOf(duckdb.connection, `SELECT num_rows FROM parquet_file_metadata(${literal(local)})`)
      const rows = Number(row?.['num_rows'])
      const told = decodeStatistics(stats)?.numRecords
      if (told !== undefined && rows !== told) faults.push(`${object}: ${rows} rows, ${told} in the log`)
    } catch (error) {
      faults.push(`${object}: ${messageOf(error).split('\n')[0]}`)
    }
  }
  if (faults.length > 0) return ['bad', named(faults), 'restore them from a backup: their rows cannot be read']
  return ['good', `the footers of ${files.length} files can be read, and have the rows that the log says`]
}

/** The end of an object at its own place of a file that is empty before it: what a reader of footers looks at. */
async function tailOf(store: ObjectStore, object: string, size: number, path: string): Promise<string> {
  const file = await open(path, 'w')
  try {
    const start = Math.max(0, size - FOOTER_BYTES)
    const tail = Buffer.from(await store.get(object, { start, end: size }))
    const footer = 8 + (tail.length >= 8 ? tail.readUInt32LE(tail.length - 8) : 0)
    const whole = footer <= tail.length || footer > size
    const bytes = whole ? tail : Buffer.from(await store.get(object, { start: size - footer, end: size }))
    await file.write('PAR1', 0)
    await file.write(bytes, 0, bytes.length, size - bytes.length)
  } finally {
    await file.close()
  }
  return path
}

function leftBehind(
  name: string,
  { files, removed }: Snapshot,
  objects: ReadonlyMap<string, ObjectMeta>,
  now_ms: number,
): Found {
  const known = new Set([...files.keys(), ...removed.keys()].map((path) => `${name}/${decodeURIComponent(path)}`))
  const others = [...objects.values()].filter(({ path }) => !known.has(path) && !/\/[_.]/.test(path.slice(name.length)))
  const old = others.filter(({ modified_ms }) => now_ms - modified_ms > LEFT_BEHIND_MS)
  const bytes = (some: readonly ObjectMeta[]) => some.reduce((sum, { size_bytes }) => sum + size_bytes, 0)
  const found = `${others.length} files that no version needs, ${bytes(others)} bytes`
  if (old.length === 0) return ['good', found]
  return [
    'warning',
    `${found}; ${old.length} of them (${bytes(old)} bytes) for more than 8 days`,
    'vacuum deletes them: see that upkeep runs',
  ]
}

function smallFiles(snapshot: Snapshot): Found {
  const { small_files, fullest_partition } = shapeOf(snapshot)
  const found = `${small_files} below 16 MiB, ${fullest_partition} of them in one partition`
  if (fullest_partition <= PARTITION_FILES_MAX) return ['good', found]
  return ['warning', `${found}; the bound is ${PARTITION_FILES_MAX}`, 'compaction joins them: see that upkeep runs']
}

function versions({ version, txns, timestamp_ms }: Snapshot, entries: readonly number[], oldest_ms?: number): Found {
  const floor = txns.get('vacuum')
  const since = oldest_ms === undefined ? '' : ` of ${shortTime(oldest_ms)}`
  const vacuumed = floor === undefined ? 'never vacuumed' : `vacuumed up to v${floor}`
  return [
    'good',
    `v${version} of ${shortTime(timestamp_ms)}; the log begins at v${entries[0] ?? 0}${since}; ${vacuumed}`,
  ]
}
