import type { Layout } from '../contract/bucket.ts'
import { isProblem } from '../contract/problem.ts'
import { cleanLog } from './clean-log.ts'
import { compact } from './compact.ts'
import { type Lakeside, openEvents } from './lake-process.ts'
import type { Machine } from './machine.ts'
import { periodic } from './periodic.ts'
import { VACUUM_RETENTION_MS, vacuum } from './vacuum.ts'
import type { Life } from './world.ts'

const COMPACT_EVERY_MS = 4_000
const VACUUM_EVERY_MS = 4_000
const CLEAN_EVERY_MS = 3_000
const READ_EVERY_MS = 5_000
const READ_FILES = 3
const FRESH_CHANCE = 0.5

/** Those who work on the table beside the writers: two compactors, a vacuum, a cleaner of its log, and a reader. */
export function upkeep(lakeside: Lakeside, layout: Layout): readonly Machine<boolean>[] {
  const { world } = lakeside
  const compactor = (name: string) =>
    periodic(world, name, COMPACT_EVERY_MS, async (life) => {
      const events = openEvents(lakeside, life, 'compact')
      return () => compact({ ...events, random: life.random })
    })
  return [
    compactor('compactor-1'),
    compactor('compactor-2'),
    periodic(world, 'vacuum', VACUUM_EVERY_MS, async (life) => {
      const events = openEvents(lakeside, life, 'floor')
      return () => vacuum({ ...events, random: life.random })
    }),
    periodic(world, 'cleaner', CLEAN_EVERY_MS, async (life) => {
      const events = openEvents(lakeside, life, 'ingest')
      return () => cleanLog({ ...events, layout })
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
    try {
      await store.get(`events/${path}`)
    } catch (error) {
      if (!isProblem(error, 'missing')) throw error
      if (world.scheduler.now_ms - reading.began_ms < VACUUM_RETENTION_MS) reading.gone = path
      return
    }
  }
}
