import type { Clock, Random } from '../contract/clock.ts'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import { assert } from '../contract/problem.ts'
import { rangesKey } from '../ingest/ranges-store.ts'
import { rangesWithout, TOUCHED_NOTHING } from '../ingest/taken-rows.ts'
import { METRIC_DATE } from '../jobs/ledger.ts'
import type { AddFile } from '../lake/action.ts'
import type { Lake } from '../lake/lake.ts'
import { type Removal, removeRows } from '../lake/removal.ts'
import { openRowRemover, type RowRemoverOptions } from '../lake/row-remover.ts'
import { decodeStatistics } from '../lake/statistics.ts'
import type { Table } from '../lake/table.ts'
import { raiseFloor } from '../lake/table-floor.ts'
import type { Config } from './config.ts'
import type { UpkeepRun } from './upkeep.ts'

const DAY_MS = 86_400_000
/** Events that the table keeps for ever: what the fleet consists of is calculated from all of them. */
const KEPT_KIND = 'registry'

export type Retained = Removal & {
  /** The first date whose rows are kept; undefined when the table keeps all. */
  readonly floor: string | undefined
}

export type RetentionOptions = UpkeepRun & {
  readonly lake: Lake
  readonly table: Table
  readonly clock: Clock
  readonly random: Random
  readonly scratch_folder: string
  readonly retention: Config['retention']
}

/**
 * Removes the days of a table that are older than it keeps. Its floor moves first, so that nothing is calculated any more
 * whose input is about to go. A late event from below the floor is stored, and removed by the next run.
 */
export async function retain(options: RetentionOptions): Promise<Retained> {
  const { lake, table, clock, random, retention, dry_run } = options
  const isEvents = table.name === EVENTS_TABLE
  const column = isEvents ? 'event_date' : METRIC_DATE.name
  const days = isEvents ? retention.events_days : retention.metrics_days
  const { partition } = await table.snapshot()
  if (days === 0 || !partition.includes(column)) return { floor: undefined, files: 0, rows: 0, bytes: 0, commits: 0 }
  const floor = new Date(clock.now() - days * DAY_MS).toISOString().slice(0, 10)
  if (!dry_run) await raiseFloor(table, floor, random)
  const layout = lake.layouts.at(-1)
  assert(layout, 'a lake has a layout')
  const key = isEvents && !dry_run ? await rangesKey(lake.store, random) : Buffer.alloc(0)
  const common = { ...options, store: lake.store }
  const told: RowRemoverOptions['told'] = async (connection, taken) => ({
    touched: TOUCHED_NOTHING,
    ...(isEvents && { ranges: await rangesWithout({ store: lake.store, layout, key }, connection, taken) }),
  })
  const where = isEvents ? `kind <> '${KEPT_KIND}'` : undefined
  const removal = await removeRows({
    ...{ ...common, kind: 'retain' },
    may: (add) => isBelow(add, column, floor) && !(isEvents && isKept(add)),
    openRemover: () => openRowRemover({ ...common, where, told }),
  })
  return { floor, ...removal }
}

/** A file without a date is never below. */
function isBelow({ partitionValues }: AddFile, column: string, floor: string): boolean {
  const date = partitionValues[column]
  return typeof date === 'string' && date !== '' && date < floor
}

/** Nothing but kept events, so that it is not looked into again. */
function isKept({ stats }: AddFile): boolean {
  const statistics = decodeStatistics(stats)
  return statistics?.minValues['kind'] === KEPT_KIND && statistics.maxValues['kind'] === KEPT_KIND
}
