import type { Clock, Random } from '../contract/clock.ts'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import { isProblem, Problem } from '../contract/problem.ts'
import { dropAdditions, keepAllRanges, vacuumRanges } from '../ingest/ranges-upkeep.ts'
import { foldTouched } from '../jobs/touched-fold.ts'
import { type CleanedLog, cleanLog } from '../lake/clean-log.ts'
import { type Compaction, compact } from '../lake/compact.ts'
import { openFileJoiner } from '../lake/file-joiner.ts'
import type { Lake } from '../lake/lake.ts'
import type { ObjectMeta } from '../lake/object-store.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import type { Table } from '../lake/table.ts'
import { type Vacuum, vacuum } from '../lake/vacuum.ts'
import type { Config } from './config.ts'
import { type Retained, retain } from './retention.ts'

const HOUR_MS = 3_600_000
/** Set to false at every table that Hearth makes: nobody else cleans its log. */
const OWN_KEY = 'delta.enableExpiredLogCleanup'

export type UpkeepOptions = {
  readonly lake: Lake
  readonly clock: Clock
  readonly random: Random
  /** Its own, for one compaction at a time. */
  readonly scratch_folder: string
  readonly config: Config['upkeep']
  readonly retention: Config['retention']
  /** The shortest retention, and when small files are joined, where an hour is too long: for tests. */
  readonly hour_ms?: number
}

export type UpkeepRun = {
  readonly dry_run?: boolean
  readonly signal?: AbortSignal | undefined
  progress?(done: number, total: number): void
}

/** The upkeep of a lake, table by table, as the configuration has it. Where others are at work too, it goes on over them. */
export type Upkeep = {
  /** The tables that Hearth made: only they are looked after. */
  tables(): Promise<readonly string[]>
  /** See lake/compact.ts. */
  compact(table: string, run?: UpkeepRun): Promise<Compaction>
  /** See retention.ts. */
  retain(table: string, run?: UpkeepRun): Promise<Retained>
  /** See lake/vacuum.ts. */
  vacuum(table: string, run?: UpkeepRun): Promise<Vacuum>
  /** See lake/clean-log.ts. What only the log tells is kept first: ranges, and which hours were touched. */
  cleanLog(table: string, run?: UpkeepRun): Promise<CleanedLog>
  /** See ingest/ranges-upkeep.ts. */
  vacuumRanges(run?: UpkeepRun): Promise<readonly ObjectMeta[]>
}

export function openUpkeep(options: UpkeepOptions): Upkeep {
  const { lake, clock, random, scratch_folder, config, retention, hour_ms } = options
  const { store } = lake
  const retention_ms = config.retention_hours * HOUR_MS
  // A version within the retention needs its entry too.
  const log_retention_ms = Math.max(retention_ms, config.log_retention_hours * HOUR_MS)
  const shortest = hour_ms === undefined ? {} : { retention_min_ms: hour_ms }

  /** Raises `invalid` for a table that another engine made: its writers know nothing of floors, and upkeep is its own. */
  async function ownTable(name: string): Promise<Table> {
    const table = await lake.table(name)
    if (isOwn(await table.snapshot())) return table
    throw new Problem(
      'invalid',
      `${name} was made by another engine, which looks after it itself. To have Hearth do it, and nobody else, set its property ${OWN_KEY} to false`,
    )
  }

  return {
    tables: () => ownTables(lake),

    async compact(name, run = {}) {
      const closed_after_ms = config.closed_after_hours * HOUR_MS
      const table = await ownTable(name)
      const common = { store, table, clock, random }
      const openJoiner = () => openFileJoiner({ ...common, scratch_folder })
      return await compact({ ...run, ...common, openJoiner, closed_after_ms, join_after_ms: hour_ms })
    },

    async retain(name, run = {}) {
      return await retain({ ...run, lake, table: await ownTable(name), clock, random, scratch_folder, retention })
    },

    async vacuum(name, run = {}) {
      return await vacuum({ ...run, ...shortest, store, table: await ownTable(name), clock, random, retention_ms })
    },

    async cleanLog(name, run = {}) {
      const table = await ownTable(name)
      return await cleanLog({
        ...{ ...run, ...shortest, store, table, clock, retention_ms: log_retention_ms },
        async before(version) {
          await foldTouched(table, store)
          if (name === EVENTS_TABLE) await keepAllRanges(lake, version)
        },
        ...(name === EVENTS_TABLE && { removing: (info) => dropAdditions(lake, info) }),
      })
    },

    vacuumRanges: (run = {}) => vacuumRanges({ ...run, lake, clock }),
  }
}

/** Names of the tables that Hearth made. */
export async function ownTables(lake: Lake): Promise<readonly string[]> {
  const own: string[] = []
  for (const name of await lake.tables()) {
    try {
      if (isOwn(await (await lake.table(name)).snapshot())) own.push(name)
    } catch (error) {
      // One that Hearth does not read is another engine's. One that is damaged is told of by its own tasks.
      if (!isProblem(error, 'invalid')) own.push(name)
    }
  }
  return own
}

function isOwn({ configuration }: Snapshot): boolean {
  return configuration[OWN_KEY] === 'false'
}
