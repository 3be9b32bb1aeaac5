import { isProblem } from '../contract/problem.ts'
import type { Lake } from '../lake/lake.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import { floorOf } from '../lake/table-floor.ts'
import type { Metric } from './metric.ts'
import type { Floor } from './plan.ts'

type Named = readonly [table: string, snapshot: Snapshot]

/** The input tables of a metric that there are, as they are now. */
export async function inputSnapshots(lake: Lake, metric: Metric): Promise<readonly Named[]> {
  const named: Named[] = []
  for (const { table } of metric.inputs) {
    try {
      named.push([table, await (await lake.table(table)).snapshot()])
    } catch (error) {
      if (!isProblem(error, 'missing')) throw error
    }
  }
  return named
}

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
