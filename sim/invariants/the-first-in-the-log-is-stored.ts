import { intersect } from '../../contract/interval.ts'
import { readPayload } from '../../ingest/payload.ts'
import { bootName, eventKey, type Invariant, tellsOf } from '../evidence.ts'
import type { Row } from '../row-encoder.ts'

/** `place`: which log, and where in it, so that it sorts. */
type Sent = { readonly place: number; readonly line: string | undefined }
const LOG = 1e6

/**
 * Of several transmissions the first in the log is the one stored, as it came. One that is dead is followed by its
 * replays, in their order, until one of them is an event.
 */
export const theFirstInTheLogIsStored: Invariant = {
  name: 'the first in the log is stored',
  check({ logs, rows, erased, ranges, sourceKey }) {
    const gone = new Map(
      [...ranges.values()].flatMap((streams) =>
        [...streams.values()].flatMap(({ source, stream, boots }) =>
          [...boots].map(([boot, one]) => [bootName(source, stream, boot), one.gone] as const),
        ),
      ),
    )
    const sent = new Map<string, Sent[]>()
    for (const [at, bucket] of logs.flatMap(({ buckets }, i) => buckets.map((one) => [i, one] as const))) {
      for (const [i, { source, role, value, replay, dead }] of bucket.entries()) {
        if (dead !== undefined || erased.has(source)) continue
        const { header, lines } = readPayload(Buffer.from(value))
        const known = gone.get(bootName(sourceKey(source), header.stream, header.boot)) ?? []
        const each = lines.toString().split('\n')
        for (let ordinal = 0; ordinal < header.count; ordinal++) {
          const seq = header.first + ordinal
          const isGone = intersect(known, [[seq, seq + 1]]).length > 0
          if (isGone && role === 'service' && tellsOf(erased, each[ordinal] ?? '')) continue
          const key = eventKey({ source, boot: header.boot, stream: header.stream, seq })
          const before = sent.get(key)
          const one = { place: at * LOG + i + 1, line: each[ordinal] }
          if (!before) sent.set(key, [one])
          else if (replay) before.push(one)
        }
      }
    }
    const order = new Map(logs.map(({ id }, i) => [id, i * LOG]))
    const placed = rows.map((row) => ({ ...row, place: (order.get(row.log) ?? Number.NaN) + row.position }))
    const found = Map.groupBy(
      placed.filter((row) => row.seq >= 0 && !erased.has(row.source)),
      eventKey,
    )
    return [
      ...[...found].filter(([key]) => !sent.has(key)).map(([key]) => `${key} is in the table and was never in the log`),
      ...[...sent].flatMap(([key, transmissions]) => difference(key, transmissions, found.get(key) ?? [])),
    ]
  },
}

function difference(
  key: string,
  transmissions: readonly Sent[],
  rows: readonly (Row & { readonly place: number })[],
): readonly string[] {
  const ordered = rows.toSorted((a, b) => a.place - b.place)
  const living = ordered.findIndex((row) => row.kind !== 'dead')
  const expected = living < 0 ? transmissions : transmissions.slice(0, living + 1)
  const [a, b] = [expected, ordered].map((list) => list.map(({ place }) => place).join(', '))
  if (a !== b) return [`${key} was stored from position ${b}, and was in the log at ${a}`]
  return ordered.some((row, i) => row.line !== expected[i]?.line) ? [`${key} was stored otherwise than it came`] : []
}
