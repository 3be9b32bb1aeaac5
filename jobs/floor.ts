import type { Snapshot } from '../lake/snapshot.ts'
import { floorOf } from '../lake/table-floor.ts'
import type { Floor } from './plan.ts'

export type Named = readonly [table: string, snapshot: Snapshot]

/** The highest floor among tables; undefined when all have every row. Of the whole-history tables none has one. */
export function highestFloor(tables: readonly Named[]): Floor | undefined {
  let highest: Floor | undefined
  for (const [table, snapshot] of tables) {
    const date = floorOf(snapshot)
    if (date === undefined) continue
    const from_ms = Date.parse(`${date}T00:00:00Z`)
    if (!highest || from_ms > highest.from_ms) highest = { table, from_ms }
  }
  return highest
}
