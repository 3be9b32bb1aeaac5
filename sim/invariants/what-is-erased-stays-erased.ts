import { type Invariant, tellsOf } from '../evidence.ts'
import { decodeRows, type Row } from '../row-encoder.ts'

/**
 * Nothing that an erased hub sent, or that services tell of the time before it was enrolled anew, is in the table, whatever
 * outboxes send again, and no ingest commit after its mark brings it back even for a while (docs/decisions/036).
 */
export const whatIsErasedStaysErased: Invariant = {
  name: 'what is erased stays erased',
  check({ archive, erased, rows }) {
    const commits = archive.entries.map(({ commit }) => commit)
    const mark = commits.findIndex(({ info }) => info?.hearth?.kind === 'erase')
    const brought = commits
      .filter(({ info }) => info?.hearth?.kind === 'ingest')
      .map(
        ({ version, adds }) =>
          [version, adds.flatMap(({ path }) => decodeRows(archive.read(`events/${path}`)))] as const,
      )
    // An attempt may have read of the enrolment in a batch that only the next commit takes.
    const anew = brought.flatMap(([, of]) => of.filter((row) => erased.has(row.hub) && isAnew(row)))
    const since_us = Math.min(...anew.map(({ columns }) => Number(extraOf(columns)['valid_from_ms']) * 1000))
    const isErased = (row: Row) => {
      if (erased.has(row.source)) return true
      if (row.kind === 'dead') return tellsOf(erased, row.line)
      return erased.has(row.hub) && !isAnew(row) && (row.kind === 'registry' || timeOf(row) < since_us)
    }
    const wrong = brought
      .filter(([version, of]) => mark >= 0 && version > mark && of.some(isErased))
      .map(([version]) => `version ${version} brought events of an erased hub, after its mark, ${mark}`)
    return rows.some(isErased) ? [...wrong, 'the table has rows of an erased hub'] : wrong
  },
}

/** Is it of an enrolment after the erasure? */
function isAnew({ kind, columns }: Row): boolean {
  return kind === 'registry' && Number(extraOf(columns)['generation'] ?? 0) > 1
}

function timeOf({ columns }: Row): number {
  return Number(columns['event_time'])
}

function extraOf({ extra }: Row['columns']): Readonly<Record<string, string | null>> {
  return typeof extra === 'object' ? extra : {}
}
