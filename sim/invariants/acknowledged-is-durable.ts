import { type IntervalSet, intervalSet, subtract, union } from '../../contract/interval.ts'
import { readPayload } from '../../ingest/payload.ts'
import { bootName, type Invariant, lostWithDisks, recordsOf } from '../evidence.ts'

/** What a source says that it was promised is in the log before it says so, or was told as dropped. */
export const acknowledgedIsDurable: Invariant = {
  name: 'what counts as acknowledged is durable',
  check(evidence) {
    const { sourceKey } = evidence
    const wrong = new Set<string>()
    const gone = lostWithDisks(evidence)
    const known = new Map<string, IntervalSet>()
    for (const { source, value, replay } of recordsOf(evidence)) {
      const { header } = readPayload(Buffer.from(value))
      if (replay) continue
      const { boot, first, count, acked, dropped, previous } = header
      const nameOf = (of: string) => bootName(sourceKey(source), header.stream, of)
      for (const one of [{ boot, acked, dropped }, ...previous]) {
        const name = nameOf(one.boot)
        known.set(name, union(known.get(name) ?? [], intervalSet(one.dropped)))
        const missing = subtract([[0, one.acked]], union(known.get(name) ?? [], gone.get(name) ?? []))
        if (missing.length > 0)
          wrong.add(`${name}: ${JSON.stringify(missing)} were not in the log when told as promised`)
      }
      known.set(nameOf(boot), union(known.get(nameOf(boot)) ?? [], [[first, first + count]]))
    }
    return [...wrong]
  },
}
