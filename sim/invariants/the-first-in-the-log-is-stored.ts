import { readPayload } from '../../ingest/payload.ts'
import { eventKey, type Invariant } from '../evidence.ts'
import type { Row } from '../row-encoder.ts'

type Sent = { readonly position: number; readonly line: string | undefined }

/**
 * Of several transmissions the first in the log is the one stored, as it came. One that is dead is followed by its
 * replays, in their order, until one of them is an event.
 */
export const theFirstInTheLogIsStored: Invariant = {
  name: 'the first in the log is stored',
  check({ log, rows }) {
    const sent = new Map<string, Sent[]>()
    for (const bucket of log) {
      for (const [i, { source, value, replay }] of bucket.entries()) {
        const { header, lines } = readPayload(Buffer.from(value))
        const each = lines.toString().split('\n')
        for (let ordinal = 0; ordinal < header.count; ordinal++) {
          const key = eventKey({ source, boot: header.boot, stream: header.stream, seq: header.first + ordinal })
          const before = sent.get(key)
          const one = { position: i + 1, line: each[ordinal] }
          if (!before) sent.set(key, [one])
          else if (replay) before.push(one)
        }
      }
    }
    const found = Map.groupBy(
      rows.filter((row) => row.seq >= 0),
      eventKey,
    )
    return [
      ...[...found].filter(([key]) => !sent.has(key)).map(([key]) => `${key} is in the table and was never in the log`),
      ...[...sent].flatMap(([key, transmissions]) => difference(key, transmissions, found.get(key) ?? [])),
    ]
  },
}

function difference(key: string, transmissions: readonly Sent[], rows: readonly Row[]): readonly string[] {
  const ordered = rows.toSorted((a, b) => a.position - b.position)
  const living = ordered.findIndex((row) => row.kind !== 'dead')
  const expected = living < 0 ? transmissions : transmissions.slice(0, living + 1)
  const [a, b] = [expected, ordered].map((list) => list.map(({ position }) => position).join(', '))
  if (a !== b) return [`${key} was stored from position ${b}, and was in the log at ${a}`]
  return ordered.some((row, i) => row.line !== expected[i]?.line) ? [`${key} was stored otherwise than it came`] : []
}
