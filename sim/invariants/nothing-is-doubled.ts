import { eventKey, type Invariant } from '../evidence.ts'

/** (source, boot, stream, seq) names one event, and one that is dead beside it; a replay may bring a dead one again. */
export const nothingIsDoubled: Invariant = {
  name: 'nothing is doubled',
  check({ rows, logs }) {
    const replayed = new Set(
      logs.flatMap(({ id, buckets }) =>
        buckets.flatMap((records, bucket) =>
          records.flatMap(({ replay }, i) => (replay ? [`${id} ${bucket} ${i + 1}`] : [])),
        ),
      ),
    )
    const seen = new Set<string>()
    const doubled: string[] = []
    for (const row of rows) {
      if (row.seq < 0) continue
      const place = `${row.log} ${row.bucket} ${row.position}`
      const again = row.kind === 'dead' && replayed.has(place)
      const key = `${eventKey(row)}${row.kind === 'dead' ? ' dead' : ''}${again ? ` of ${place}` : ''}`
      if (seen.has(key)) doubled.push(`${key} is in the table twice`)
      seen.add(key)
    }
    return doubled
  },
}
