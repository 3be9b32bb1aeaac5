import { type Random, uuid } from '../contract/clock.ts'
import { Problem } from '../contract/problem.ts'
import type { Snapshot } from './snapshot.ts'
import type { Table } from './table.ts'

/** Property of a table: the first date that it still has all rows of. Set before the first row below it goes. */
const FLOOR_KEY = 'hearth.floor'
const DATE = /^\d{4}-\d{2}-\d{2}$/

/** The first date whose rows are all kept, `2026-11-01`; undefined when nothing was ever taken away for its age. */
export function floorOf({ configuration }: Pick<Snapshot, 'configuration'>): string | undefined {
  const floor = configuration[FLOOR_KEY]
  if (floor === undefined || DATE.test(floor)) return floor
  throw new Problem('corrupt', `the table property ${FLOOR_KEY} is to be a date, as 2026-11-01; found ${floor}`)
}

/** Moves a floor up to `date`, and never down. Raises what a commit raises. */
export async function raiseFloor(table: Table, date: string, random: Random): Promise<void> {
  for (;;) {
    const base = await table.snapshot()
    if ((floorOf(base) ?? '') >= date) return
    const configuration = { ...base.configuration, [FLOOR_KEY]: date }
    const outcome = await table.commit({
      ...{ id: uuid(random), kind: 'metadata', base, adds: [], removes: [], txns: [], info: { floor: date } },
      metadata: { ...base.metadata, configuration },
    })
    if (outcome.kind === 'committed') return
  }
}
