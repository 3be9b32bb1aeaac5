import { type Random, uuid } from '../contract/clock.ts'
import type { Metadata } from './action.ts'
import type { Snapshot } from './snapshot.ts'
import type { Table } from './table.ts'

/**
 * Commits a change of a table's schema or configuration, made anew from the newest version until no other change comes
 * between. False when `change` has nothing to change. Raises what `change` and the commit raise.
 */
export async function changeMetadata(
  table: Table,
  random: Random,
  change: (
    base: Snapshot,
  ) => { readonly info: Readonly<Record<string, unknown>>; readonly metadata: Metadata } | undefined,
): Promise<boolean> {
  for (;;) {
    const base = await table.snapshot()
    const changed = change(base)
    if (!changed) return false
    const nothing = { adds: [], removes: [], txns: [] }
    const outcome = await table.commit({ id: uuid(random), kind: 'metadata', base, ...nothing, ...changed })
    if (outcome.kind === 'committed') return true
  }
}
