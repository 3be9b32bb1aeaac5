import { join } from 'node:path'
import { machineClock as clock, machineRandom as random } from '../../cli/machine.ts'
import { randomHex, uuid } from '../../contract/clock.ts'
import { EVENTS_STATISTICS, EVENTS_TABLE } from '../../contract/events-table.ts'
import type { AddFile } from '../../lake/action.ts'
import { openFolderStore } from '../../lake/folder-store.ts'
import { createLake, openLake } from '../../lake/lake.ts'
import { CHECKPOINT_INTERVAL } from '../../lake/limits.ts'
import { parquetCheckpoints } from '../../lake/parquet-checkpoint.ts'
import type { Table } from '../../lake/table.ts'
import type { Benchmark, BenchmarkOptions, Findings } from '../benchmark.ts'
import { type Figure, median, percentile } from '../figure.ts'

export const lake: Benchmark = {
  name: 'lake',
  description: 'commits, checkpoints and opening of a table of 10,000 and 100,000 live files',
  rounds: 1,
  run,
}

const SIZES = [10_000, 100_000] as const
const BUCKETS = 16
/** Files of one ingest commit: one a bucket. */
const FILES_A_COMMIT = BUCKETS
/** So many that a checkpoint is due of the largest, too. */
const COMMITS = 320
const ADDED_AT_ONCE = 2_000

async function run({ folder, note }: BenchmarkOptions): Promise<Findings> {
  const figures: Figure[] = []
  const rounds: unknown[] = []
  for (const files of SIZES) {
    const found = await measure(join(folder, String(files)), files)
    note(`${files} files: ${JSON.stringify(found)}`)
    rounds.push({ files, ...found })
    const at = (name: string, value: number, unit: string) =>
      figures.push({ name: `${name}, ${files} files`, value, unit })
    at('commit without checkpoint, p50', found.commit_p50_ms, 'ms')
    at('commit without checkpoint, p99', found.commit_p99_ms, 'ms')
    at('commits a second, checkpoints included', found.commits_per_second, '1/s')
    at('checkpoint made and written', found.checkpoint_ms, 'ms')
    at('checkpoint', found.checkpoint_bytes / 1e6, 'MB')
    at('log entry of a commit', found.entry_bytes / 1e3, 'kB')
    at('open the table anew', found.open_ms, 'ms')
    at('see one more commit', found.refresh_ms, 'ms')
  }
  const notes = [
    `A folder store on local disk, no data files: what the log costs by itself. A commit adds ${FILES_A_COMMIT} files with the statistics that a writer keeps. A checkpoint is written once entries name a twentieth of the table's files: after 40 and 320 commits.`,
  ]
  return { workloads: [], rounds, figures, notes, faults: [] }
}

async function measure(folder: string, files: number) {
  const store = openFolderStore(join(folder, 'lake'))
  const environment = { store, clock, random }
  const made = await createLake({ ...environment, fleet: 'bench', region: 'local', buckets: BUCKETS })
  const table = await made.table(EVENTS_TABLE)
  for (let have = 0; have < files; have += ADDED_AT_ONCE)
    await commit(table, Math.min(ADDED_AT_ONCE, files - have), have)
  const plain: number[] = []
  const begun_ms = clock.monotonic()
  for (let i = 0; i < COMMITS; i++) {
    const { version, ms } = await commit(table, FILES_A_COMMIT, files + i)
    if (version % CHECKPOINT_INTERVAL !== 0) plain.push(ms)
  }
  const commits_per_second = COMMITS / ((clock.monotonic() - begun_ms) / 1000)
  const snapshot = await table.snapshot()
  const [bytes, checkpoint_ms] = await timed(() => parquetCheckpoints.encode(snapshot))
  const [other, open_ms] = await timed(async () => (await openLake(environment)).table(EVENTS_TABLE))
  const { version } = await commit(table, FILES_A_COMMIT, 0)
  const [, refresh_ms] = await timed(() => other.snapshot())
  const entry = await store.head(`${EVENTS_TABLE}/_delta_log/${String(version).padStart(20, '0')}.json`)
  return {
    ...{ commit_p50_ms: median(plain), commit_p99_ms: percentile(plain, 0.99), commits_per_second, checkpoint_ms },
    ...{ checkpoint_bytes: bytes.length, open_ms, refresh_ms, entry_bytes: entry?.size_bytes ?? 0 },
  }
}

async function timed<T>(work: () => Promise<T>): Promise<readonly [T, number]> {
  const begun_ms = clock.monotonic()
  return [await work(), clock.monotonic() - begun_ms]
}

async function commit(table: Table, count: number, day: number) {
  const base = await table.snapshot()
  const adds = Array.from({ length: count }, (_, i) => addOf(day + i, i % BUCKETS))
  const request = { id: uuid(random), kind: 'ingest' as const, base, adds, removes: [], txns: [], info: {} }
  const [outcome, ms] = await timed(() => table.commit(request))
  if (outcome.kind !== 'committed') throw new Error(`not committed: ${JSON.stringify(outcome)}`)
  return { version: outcome.version, ms }
}

/** As the writer makes them, with statistics of the columns that the table keeps some for. */
function addOf(index: number, bucket: number): AddFile {
  const event_date = new Date(Date.UTC(2026, 0, 1 + (Math.floor(index / 2_000) % 365))).toISOString().slice(0, 10)
  const of = (value: (name: string) => unknown) =>
    Object.fromEntries(EVENTS_STATISTICS.map((name) => [name, value(name)]))
  const stats = {
    numRecords: 40_000,
    minValues: of((name) => `${name}-${randomHex(random, 4)}`),
    maxValues: of((name) => `${name}-${randomHex(random, 4)}`),
    nullCount: of(() => index % 40_000),
  }
  return {
    path: `event_date=${event_date}/bucket=${bucket}/part-${randomHex(random, 16)}.parquet`,
    partitionValues: { event_date, bucket: String(bucket) },
    ...{ size: 1_000_000 + index, modificationTime: clock.now(), dataChange: true, stats: JSON.stringify(stats) },
  }
}
