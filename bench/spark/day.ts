/** Workload D in a lake in a folder: as ingest has filled and upkeep has joined it, a file a bucket. */
import { join } from 'node:path'
import type { Clock, Random } from '../../contract/clock.ts'
import { EVENTS_TABLE } from '../../contract/events-table.ts'
import { openDuckDb } from '../../lake/duckdb.ts'
import { openFolderStore } from '../../lake/folder-store.ts'
import { createLake } from '../../lake/lake.ts'
import { writeDay } from '../day.ts'

export const DAY = '2026-11-20'
export const DAY_MS = Date.parse(DAY)
/** By then the day is over, and all of its commands too. */
export const AFTER_MS = DAY_MS + 25 * 3_600_000
const BUCKETS = 4
const HUBS = 500

export type DayFacts = { readonly events: number; readonly bytes: number }

/** Makes the lake in a folder, about so many events, always the same. */
export async function makeDay(options: {
  readonly folder: string
  readonly scratch_folder: string
  readonly events: number
  readonly clock: Clock
  readonly random: Random
}): Promise<DayFacts> {
  const { clock, folder, random, scratch_folder } = options
  const lake = await createLake({
    ...{ store: openFolderStore(folder), clock, random, fleet: 'bench', region: 'local', buckets: BUCKETS },
  })
  await using duck = await openDuckDb({ threads: 2, temp_folder: join(scratch_folder, 'temp') })
  const day = { day_ms: DAY_MS, hubs: HUBS, events_a_hub: Math.round(options.events / HUBS) }
  const events = await writeDay({ lake, duck, clock, random, scratch_folder }, day)
  const { files } = await (await lake.table(EVENTS_TABLE)).snapshot()
  return { events, bytes: [...files.values()].reduce((sum, { size }) => sum + size, 0) }
}
