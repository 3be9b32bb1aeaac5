import type { Layout } from '../contract/bucket.ts'
import { isProblem } from '../contract/problem.ts'
import { dropAdditions, keepAllRanges } from '../ingest/ranges-upkeep.ts'
import { JOB_RUNS_TABLE } from '../jobs/job-runs.ts'
import { foldTouched } from '../jobs/touched-fold.ts'
import { cleanLog } from '../lake/clean-log.ts'
import { compact } from '../lake/compact.ts'
import { vacuum } from '../lake/vacuum.ts'
import { type Lakeside, openEvents, openTableAs } from './lake-process.ts'
import type { Machine } from './machine.ts'
import { periodic } from './periodic.ts'
import { plainJoiner } from './plain-joiner.ts'
import { NEW_METRICS } from './plain-metrics.ts'
import type { Life } from './world.ts'

const COMPACT_EVERY_MS = 4_000
const VACUUM_EVERY_MS = 4_000
const CLEAN_EVERY_MS = 3_000
const READ_EVERY_MS = 5_000
const READ_FILES = 3
/** A question takes its time from file to file. */
const READ_PAUSE_MS = 1_500
/** Files are joined when they are so old, and a day as a whole so long after its end. */
const JOIN_AFTER_MS = 3_000
const CLOSED_AFTER_MS = 5_000
/** A file is kept for so long after it left the table, by the store's clock … */
const RETENTION_MS = 5_000
/** … which that of a vacuum may be ahead of by so much. */
const CLOCK_SLACK_MS = 500
const LOG_RETENTION_MS = 6_000
const FRESH_CHANCE = 0.5
/** What the jobs make and tell: a run of theirs takes longer than a commit of ingest. */
const TABLES_OF_JOBS = [...NEW_METRICS.map(({ name }) => name), JOB_RUNS_TABLE]
const JOBS_RETENTION_MS = 20_000

/** Those who work on the table beside the writers: two compactors, a vacuum, a cleaner of its log, and a reader. */
export function upkeep(lakeside: Lakeside, layout: Layout): readonly Machine<boolean>[] {
  const { world } = lakeside
  const compactor = (name: string) =>
    periodic(world, name, COMPACT_EVERY_MS, async (life) => {
      const events = openEvents(lakeside, life, 'compact')
      const { clock, random } = life
      const openJoiner = async () => plainJoiner({ store: events.store, clock, random })
      const options = { ...events, clock, random, openJoiner }
      return async () => {
        await compact({ ...options, closed_after_ms: CLOSED_AFTER_MS, join_after_ms: JOIN_AFTER_MS })
      }
    })
  return [
    compactor('compactor-1'),
    compactor('compactor-2'),
    periodic(world, 'vacuum', VACUUM_EVERY_MS, async (life) => {
      const events = openEvents(lakeside, life, 'floor')
      const { clock, random } = life
      const shortest = { retention_min_ms: RETENTION_MS, clock_slack_ms: CLOCK_SLACK_MS }
      return async () => {
        await vacuum({ ...events, clock, random, ...shortest, retention_ms: RETENTION_MS })
      }
    }),
    periodic(world, 'cleaner', CLEAN_EVERY_MS, async (life) => {
      const events = openEvents(lakeside, life, 'ingest')
      const lake = { layouts: [layout], store: events.store, table: async () => events.table }
      return async () => {
        await cleanLog({
          ...events,
          clock: life.clock,
          ...{ retention_ms: LOG_RETENTION_MS, retention_min_ms: LOG_RETENTION_MS, clock_slack_ms: CLOCK_SLACK_MS },
          async before(version) {
            await foldTouched(events.table, events.store)
            await keepAllRanges(lake, version)
          },
          removing: (info) => dropAdditions(lake, info),
        })
      }
    }),
    periodic(world, 'analyst-1', READ_EVERY_MS, async (life) => {
      let events = openEvents(lakeside, life, 'ingest')
      return async () => {
        if (world.random.float() < FRESH_CHANCE) events = openEvents(lakeside, life, 'ingest')
        await read(lakeside, life, events)
      }
    }),
  ]
}

/** Vacuums the tables of the jobs, and cleans their logs. */
export function janitor(lakeside: Lakeside): Machine<boolean> {
  const { world } = lakeside
  return periodic(world, 'janitor', VACUUM_EVERY_MS, async (life) => {
    const { clock, random } = life
    const tables = TABLES_OF_JOBS.map((name) => openTableAs(lakeside, life, 'floor', name))
    const shortest = { retention_min_ms: JOBS_RETENTION_MS, clock_slack_ms: CLOCK_SLACK_MS }
    return async () => {
      const { store, table } = world.pick(tables)
      const options = { store, table, clock, random, ...shortest, retention_ms: JOBS_RETENTION_MS }
      await vacuum(options)
      await cleanLog({ ...options, before: async () => void (await foldTouched(table, store)) })
    }
  })
}

/** Asks for the newest version, and reads some of its files. */
async function read(
  { world, witness }: Lakeside,
  life: Life,
  { store, table }: ReturnType<typeof openEvents>,
): Promise<void> {
  const { files } = await table.snapshot()
  const reading = witness.readings.findLast(({ who }) => who === life.name)
  if (!reading || files.size === 0) return
  for (let i = 0; i < READ_FILES; i++) {
    const path = world.pick([...files.keys()])
    await world.pause(life, world.between(0, READ_PAUSE_MS))
    try {
      await store.get(`events/${path}`)
    } catch (error) {
      if (!isProblem(error, 'missing')) throw error
      if (world.scheduler.now_ms - reading.began_ms < RETENTION_MS - CLOCK_SLACK_MS) reading.gone = path
      return
    }
  }
}
