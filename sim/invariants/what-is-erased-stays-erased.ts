import type { Invariant } from '../evidence.ts'
import { decodeRows } from '../row-encoder.ts'

/**
 * Nothing that an erased hub sent is in the table, whatever its outbox sends again, and no ingest commit after its mark
 * brings it back even for a while (docs/decisions/036).
 */
export const whatIsErasedStaysErased: Invariant = {
  name: 'what is erased stays erased',
  check({ archive, erased, rows }) {
    const { entries } = archive
    const mark = entries.findIndex(({ commit }) => commit.info?.hearth?.kind === 'erase')
    const later = mark < 0 ? [] : entries.slice(mark).map(({ commit }) => commit)
    const brought = later
      .filter(({ info }) => info?.hearth?.kind === 'ingest')
      .filter(({ adds }) => adds.some(({ path }) => holds(decodeRows(archive.read(`events/${path}`)), erased)))
    return [
      ...brought.map(({ version }) => `version ${version} brought events of an erased hub, after its mark, ${mark}`),
      ...(holds(rows, erased) ? ['the table has rows of an erased hub'] : []),
    ]
  },
}

function holds(rows: readonly { readonly source: string }[], erased: ReadonlySet<string>): boolean {
  return rows.some(({ source }) => erased.has(source))
}
