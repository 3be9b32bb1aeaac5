import { type Clock, sleep } from '../contract/clock.ts'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import type { Lake } from '../lake/lake.ts'
import type { Log } from './log.ts'
import type { Upkeep } from './upkeep.ts'
import type { UpkeepFigures } from './upkeep-figures.ts'

export const UPKEEP_TASKS = ['compact', 'retain', 'vacuum', 'clean-log'] as const
export type UpkeepTask = (typeof UPKEEP_TASKS)[number]

export type UpkeepScheduleOptions = {
  readonly lake: Lake
  readonly upkeep: Upkeep
  readonly clock: Clock
  readonly compact_ms: number
  readonly vacuum_ms: number
  readonly signal: AbortSignal
  /** Is it this scheduler, of several, that does a task in this period? It always is where there is one. */
  readonly isMine?: ((task: UpkeepTask, period_ms: number, signal: AbortSignal) => Promise<boolean>) | undefined
  readonly figures: UpkeepFigures
  readonly log: Pick<Log, 'info' | 'failed'>
}

/** A process that has just started deletes nothing before this: who restarts it again and again still comes to it. */
const FIRST_VACUUM_MS = 600_000

/**
 * Looks after the tables until the signal aborts: one task at a time, table by table, beside ingest and queries. What
 * fails is told and tried again at its next time; it stops neither the other tables nor the other tasks.
 */
export async function runUpkeepSchedule(options: UpkeepScheduleOptions): Promise<void> {
  const { clock, compact_ms, vacuum_ms, signal, figures, isMine = async () => true } = options
  const started_ms = clock.monotonic()
  let compact_at_ms = started_ms + compact_ms
  let vacuum_at_ms = started_ms + Math.min(vacuum_ms, FIRST_VACUUM_MS)
  while (!signal.aborted) {
    try {
      await sleep(clock, Math.max(0, Math.min(compact_at_ms, vacuum_at_ms) - clock.monotonic()), signal)
    } catch (error) {
      if (signal.aborted) return
      throw error
    }
    if (clock.monotonic() >= compact_at_ms) {
      if (await isMine('compact', compact_ms, signal)) {
        await runTask(options, 'compact', (table) => compactTable(options, table))
      } else figures.lookedElsewhere()
      compact_at_ms = clock.monotonic() + compact_ms
    }
    if (clock.monotonic() >= vacuum_at_ms) {
      if (await isMine('vacuum', vacuum_ms, signal)) {
        await runTask(options, 'retain', (table) => retainOf(options, table))
        await runTask(options, 'vacuum', (table) => vacuumTable(options, table))
        await runTask(options, 'clean-log', (table) => cleanLogOf(options, table))
      }
      vacuum_at_ms = clock.monotonic() + vacuum_ms
    }
  }
}

async function runTask(
  { upkeep, signal, figures, log }: UpkeepScheduleOptions,
  task: UpkeepTask,
  work: (table: string) => Promise<void>,
): Promise<void> {
  let outcome: 'done' | 'failed' = 'done'
  const attempt = async <T>(one: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await one()
    } catch (error) {
      if (signal.aborted) return undefined
      outcome = 'failed'
      log.failed('upkeep-failed', error)
      return undefined
    }
  }
  for (const table of (await attempt(() => upkeep.tables())) ?? []) {
    if (signal.aborted) return
    await attempt(() => work(table))
  }
  if (!signal.aborted) figures.ended(task, outcome)
}

async function compactTable(
  { lake, upkeep, signal, figures, log }: UpkeepScheduleOptions,
  table: string,
): Promise<void> {
  const { joined, bytes, groups } = await upkeep.compact(table, { signal })
  figures.looked(table, await (await lake.table(table)).snapshot())
  if (joined === 0) return
  figures.joined(joined, bytes)
  log.info('compacted', `joined ${joined} files of ${table} to ${groups.length}`, { table, files: joined, bytes })
}

async function retainOf({ upkeep, signal, log }: UpkeepScheduleOptions, table: string): Promise<void> {
  const { files, bytes, floor } = await upkeep.retain(table, { signal })
  if (files > 0) log.info('retained', `removed what ${table} had from before ${floor}`, { table, files, bytes, floor })
}

async function vacuumTable({ upkeep, signal, figures, log }: UpkeepScheduleOptions, table: string): Promise<void> {
  const { files, bytes, floor } = await upkeep.vacuum(table, { signal })
  // Once for all tables: the ranges are those of the events.
  const spare = table === EVENTS_TABLE ? await upkeep.vacuumRanges({ signal }) : []
  const deleted = [...files, ...spare]
  if (deleted.length === 0) return
  figures.deleted(deleted.length, bytes + spare.reduce((sum, { size_bytes }) => sum + size_bytes, 0))
  log.info('vacuumed', `deleted ${files.length} files of ${table}`, { table, files: files.length, bytes, floor })
}

async function cleanLogOf({ upkeep, signal, figures, log }: UpkeepScheduleOptions, table: string): Promise<void> {
  const { first, objects, bytes } = await upkeep.cleanLog(table, { signal })
  if (objects.length === 0) return
  figures.deleted(objects.length, bytes)
  log.info('log-cleaned', `the log of ${table} begins at version ${first} now`, {
    table,
    first,
    objects: objects.length,
  })
}
