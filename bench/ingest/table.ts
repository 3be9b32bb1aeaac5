/** What the lake holds in the end, read as any reader would, from outside of the process that wrote it. */

import type { CliContext } from '../../cli/context.ts'
import { openEventLog } from '../../cli/event-log.ts'
import { existingLake, layoutOf } from '../../cli/fleet.ts'
import { lakeCache } from '../../cli/lake-store.ts'
import { loadConfig } from '../../cli/load-config.ts'
import { machineClock as clock, machineRandom as random } from '../../cli/machine.ts'
import { EVENTS_TABLE } from '../../contract/events-table.ts'
import { eventFiles } from '../../ingest/event-files.ts'
import { positionTxn } from '../../ingest/position.ts'
import { textIn } from '../../ingest/row.ts'
import { openDuckDb, rowsOf } from '../../lake/duckdb.ts'
import { openLocalFiles } from '../../lake/local-files.ts'
import { openLog } from '../../lake/log.ts'
import type { ObjectStore } from '../../lake/object-store.ts'
import { pause } from '../server.ts'
import { CHECKSUM_SQL } from '../workload.ts'

const LOOK_MS = 50
export const COMMIT_LIMIT_MS = 300_000

/** A state folder, with the settings of the processes that run on it. */
export type Place = Pick<CliContext, 'home' | 'config' | 'clock' | 'random'>

export function openPlace(home: string, settings: NodeJS.ProcessEnv = {}): Place {
  return { home, config: loadConfig(home, settings, home), clock, random }
}

/** Resolves when everything that the log has taken is in the table. */
export async function untilCommitted(place: Place, limit_ms: number): Promise<void> {
  const lake = await existingLake(place)
  const table = await lake.table(EVENTS_TABLE)
  const log = await openEventLog(place, lake)
  try {
    const ends = new Map<string, number>()
    for (let bucket = 0; bucket < log.buckets; bucket++) {
      ends.set(positionTxn(log.id, layoutOf(place), bucket), (await log.bounds(bucket)).next - 1)
    }
    const begun_ms = performance.now()
    for (;;) {
      const { txns } = await table.snapshot()
      if ([...ends].every(([name, end]) => (txns.get(name) ?? 0) >= end)) return
      if (performance.now() - begun_ms > limit_ms) throw new Error(`not committed within ${limit_ms} ms`)
      await pause(LOOK_MS)
    }
  } finally {
    await log.close()
  }
}

export type Found = {
  readonly checksum: string
  readonly dead: number
  readonly duplicates: number
  readonly commits: number
  readonly files: number
  /** Of each batch, from its receipt to the commit that has it. */
  readonly freshness_ms: readonly number[]
}

/** The workload's events, dead ones apart; what the registry told of its hubs is left out. */
export async function whatIsThere(place: Place): Promise<Found> {
  const lake = await existingLake(place)
  const snapshot = await (await lake.table(EVENTS_TABLE)).snapshot()
  await using local = await openLocalFiles(lake.store, { cache: lakeCache(place), clock })
  await using held = await eventFiles(local, snapshot)
  await using database = await openDuckDb()
  const list = held.files.map(({ path }) => `'${path}'`).join(', ')
  const from = `FROM read_parquet([${list}], union_by_name = true, hive_partitioning = false, filename = true)`
  const [sum] = await rowsOf(
    database.connection,
    `${CHECKSUM_SQL} ${from} WHERE kind NOT IN ('batch', 'dead', 'registry')`,
  )
  const [counts] = await rowsOf(
    database.connection,
    `SELECT count(*) FILTER (kind = 'dead') AS dead, coalesce(sum(batch_duplicates), 0)::BIGINT AS duplicates ${from}`,
  )
  const received = await rowsOf(
    database.connection,
    `SELECT filename AS file, epoch_ms(received_time) AS ms ${from} WHERE kind = 'batch' AND source_id LIKE 'hub-%'`,
  )
  const committed_ms = await commitTimes(lake.store, snapshot.version)
  const timeOf = new Map(held.files.map(({ path, add }) => [path, committed_ms.get(add.path) ?? Number.NaN]))
  return {
    checksum: textIn(sum ?? {}, 'checksum') ?? 'none',
    dead: Number(counts?.['dead']),
    duplicates: Number(counts?.['duplicates']),
    commits: snapshot.version,
    files: held.files.length,
    freshness_ms: received.map((row) => (timeOf.get(textIn(row, 'file') ?? '') ?? Number.NaN) - Number(row['ms'])),
  }
}

/** Of each data file, the time of the commit that has it. */
async function commitTimes(store: ObjectStore, newest: number): Promise<ReadonlyMap<string, number>> {
  const log = openLog(store, EVENTS_TABLE)
  const times = new Map<string, number>()
  for (let version = 1; version <= newest; version++) {
    const commit = await log.read(version)
    for (const { path } of commit?.adds ?? []) times.set(path, commit?.info?.timestamp ?? Number.NaN)
  }
  return times
}
