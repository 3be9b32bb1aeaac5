import { eventKey, type Invariant } from '../evidence.ts'

/** (source, boot, stream, seq) names one event, and one that is dead beside it; a replay may bring a dead one again. */
export const nothingIsDoubled: Invariant = {
  name: 'nothing is doubled',
  check({ rows, log }) {
    const seen = new Set<string>()
    const doubled: string[] = []
    for (const row of rows) {
      if (row.seq < 0) continue
      const again = row.kind === 'dead' && log[row.bucket]?.[row.position - 1]?.replay
      const key = `${eventKey(row)}${row.kind === 'dead' ? ' dead' : ''}${again ? ` of ${row.position}` : ''}`
      if (seen.has(key)) doubled.push(`${key} is in the table twice`)
      seen.add(key)
    }
    return doubled
  },
}
