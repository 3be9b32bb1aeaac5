/** What the lake holds in the end, read as any reader would, from outside of the process that wrote it. */
import { join } from 'node:path'
import { machineClock as clock, machineRandom as random } from '../../cli/machine.ts'
import { FIRST_EPOCH } from '../../contract/bucket.ts'
import { eventFiles } from '../../ingest/event-files.ts'
import { positionTxn } from '../../ingest/position.ts'
import { textIn } from '../../ingest/row.ts'
import { openSqliteLog } from '../../ingest/sqlite-log.ts'
import { openDuckDb, rowsOf } from '../../lake/duckdb.ts'
import { openFolderStore } from '../../lake/folder-store.ts'
import { openLake } from '../../lake/lake.ts'
import { openLocalFiles } from '../../lake/local-files.ts'
import { pause } from '../server.ts'
import { CHECKSUM_SQL } from '../workload.ts'

const LOOK_MS = 50

/** Resolves when everything that the log has taken is in the table. */
export async function untilCommitted(home: string, limit_ms: number): Promise<void> {
  const lake = await openLake({ store: openFolderStore(join(home, 'lake')), clock, random })
  const buckets = lake.layouts[0]?.buckets ?? 0
  const layout = { epoch: FIRST_EPOCH, buckets }
  const log = await openSqliteLog(join(home, 'log.db'), { buckets, clock, random })
  const table = await lake.table('events')
  try {
    const ends = new Map<string, number>()
    for (let bucket = 0; bucket < buckets; bucket++) {
      ends.set(positionTxn(log.id, layout, bucket), (await log.bounds(bucket)).next - 1)
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
}

/** The workload's events, dead ones apart; what the registry told of its hubs is left out. */
export async function whatIsThere(home: string): Promise<Found> {
  const lake = await openLake({ store: openFolderStore(join(home, 'lake')), clock, random })
  const snapshot = await (await lake.table('events')).snapshot()
  await using local = await openLocalFiles(lake.store, { cache: undefined, clock })
  await using held = await eventFiles(local, snapshot)
  const { files } = held
  await using database = await openDuckDb()
  const list = files.map(({ path }) => `'${path}'`).join(', ')
  const rows = `read_parquet([${list}], union_by_name = true, hive_partitioning = false)`
  const [sum] = await rowsOf(
    database.connection,
    `${CHECKSUM_SQL} FROM ${rows} WHERE kind NOT IN ('batch', 'dead', 'registry')`,
  )
  const [counts] = await rowsOf(
    database.connection,
    `SELECT count(*) FILTER (kind = 'dead') AS dead, coalesce(sum(batch_duplicates), 0)::BIGINT AS duplicates FROM ${rows}`,
  )
  return {
    checksum: textIn(sum ?? {}, 'checksum') ?? 'none',
    dead: Number(counts?.['dead']),
    duplicates: Number(counts?.['duplicates']),
    commits: snapshot.version,
  }
}
