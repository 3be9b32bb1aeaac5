import { eventKey, type Invariant } from '../evidence.ts'

/** (source, boot, stream, seq) names one row. */
export const nothingIsDoubled: Invariant = {
  name: 'nothing is doubled',
  check({ rows }) {
    const seen = new Set<string>()
    const doubled: string[] = []
    for (const row of rows) {
      if (row.seq < 0) continue
      const key = eventKey(row)
      if (seen.has(key)) doubled.push(`${key} is in the table twice`)
      seen.add(key)
    }
    return doubled
  },
}
