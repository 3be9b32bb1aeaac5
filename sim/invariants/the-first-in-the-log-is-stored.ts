import { readPayload } from '../../ingest/payload.ts'
import { eventKey, type Invariant } from '../evidence.ts'

/** Of several transmissions the first in the log is the one stored, as it came. */
export const theFirstInTheLogIsStored: Invariant = {
  name: 'the first in the log is stored',
  check({ log, rows }) {
    const first = new Map<string, { readonly position: number; readonly line: string | undefined }>()
    for (const bucket of log) {
      for (const [i, { source, value }] of bucket.entries()) {
        const { header, lines } = readPayload(Buffer.from(value))
        const each = lines.toString().split('\n')
        for (let ordinal = 0; ordinal < header.count; ordinal++) {
          const key = eventKey({ source, boot: header.boot, stream: header.stream, seq: header.first + ordinal })
          if (!first.has(key)) first.set(key, { position: i + 1, line: each[ordinal] })
        }
      }
    }
    return rows.flatMap((row) => {
      if (row.seq < 0) return []
      const there = first.get(eventKey(row))
      if (!there) return [`${eventKey(row)} is in the table and was never in the log`]
      if (there.position !== row.position) {
        return [`${eventKey(row)} was stored from position ${row.position}, and was in the log at ${there.position}`]
      }
      return there.line === row.line ? [] : [`${eventKey(row)} was stored otherwise than it came`]
    })
  },
}
