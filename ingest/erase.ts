import { type Random, uuid } from '../contract/clock.ts'
import type { Table } from '../lake/table.ts'
import { erasedHubs, markTxns } from './erased-hubs.ts'

/**
 * Puts the mark of an erased hub (by its source key) on a table, unless one of that generation or a higher one stands.
 * What was planned before it, and would add files, is planned anew after it. Raises what a commit raises.
 */
export async function markErased(table: Table, key: string, generation: number, random: Random): Promise<void> {
  for (;;) {
    const base = await table.snapshot()
    if ((erasedHubs(base).get(key)?.generation ?? 0) >= generation) return
    const outcome = await table.commit({
      ...{ id: uuid(random), kind: 'erase', base, adds: [], removes: [], info: {} },
      txns: markTxns(base, key, generation),
    })
    if (outcome.kind === 'committed') return
  }
}
