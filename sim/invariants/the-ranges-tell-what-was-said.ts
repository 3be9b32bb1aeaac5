import { type IntervalSet, intervalSet, union } from '../../contract/interval.ts'
import { readPayload } from '../../ingest/payload.ts'
import { bootName, type Invariant, recordsOf } from '../evidence.ts'

type Said = { next: number; acked: number; dropped: IntervalSet; closed: boolean }

/** Whatever the log's batches say of a boot is in the ranges: the highest, all that was dropped, and that it was closed. */
export const theRangesTellWhatWasSaid: Invariant = {
  name: 'the ranges tell what was said',
  check(evidence) {
    const said = new Map<string, Said>()
    for (const { source, value, replay } of recordsOf(evidence)) {
      if (replay) continue
      const { header } = readPayload(Buffer.from(value))
      for (const { boot, next, acked, dropped, held } of [{ ...header, held: true }, ...header.previous]) {
        const name = bootName(evidence.sourceKey(source), header.stream, boot)
        const one = said.get(name) ?? { next: 0, acked: 0, dropped: [], closed: false }
        said.set(name, {
          next: Math.max(one.next, next),
          acked: Math.max(one.acked, acked),
          dropped: union(one.dropped, intervalSet(dropped)),
          closed: one.closed || !held,
        })
      }
    }
    const known = new Map(
      [...evidence.ranges.values()].flatMap((streams) =>
        [...streams.values()].flatMap(({ source, stream, boots }) =>
          [...boots].map(([boot, one]) => [bootName(source, stream, boot), one] as const),
        ),
      ),
    )
    return [...said].flatMap(([name, { next, acked, dropped, closed }]) => {
      const one = known.get(name)
      const told = one && [one.acked, one.dropped, one.closed]
      const [a, b] = [[acked, dropped, closed], told].map((parts) => JSON.stringify(parts))
      // Batches that could not be read use numbers up as well.
      return a === b && (one?.next ?? 0) >= next
        ? []
        : [`${name}: ${next} ${a} was said, the ranges have ${one?.next} ${b}`]
    })
  },
}
