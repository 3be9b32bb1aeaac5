import { type IntervalSet, intervalSet, size, subtract, union } from '../../contract/interval.ts'
import { readPayload } from '../../ingest/payload.ts'
import { bootName, type Invariant, lostWithDisks, recordsOf } from '../evidence.ts'

/**
 * A source closes a boot when it holds nothing of it any more: then all its numbers are in the log, or told as dropped.
 * Told too early, events that are on their way would count as lost.
 */
export const whatIsClosedIsComplete: Invariant = {
  name: 'what is closed is complete',
  check(evidence) {
    const { sourceKey } = evidence
    const wrong = new Set<string>()
    const gone = lostWithDisks(evidence)
    /** Numbers that the log has, or was told of as dropped, by then. */
    const known = new Map<string, IntervalSet>()
    const learn = (name: string, numbers: IntervalSet) => known.set(name, union(known.get(name) ?? [], numbers))
    for (const { source, value } of recordsOf(evidence)) {
      const { header } = readPayload(Buffer.from(value))
      const nameOf = (boot: string) => bootName(sourceKey(source), header.stream, boot)
      learn(nameOf(header.boot), [[header.first, header.first + header.count]])
      learn(nameOf(header.boot), intervalSet(header.dropped))
      for (const { boot, next, dropped, held } of header.previous) {
        const name = nameOf(boot)
        learn(name, intervalSet(dropped))
        const missing = subtract([[0, next]], union(known.get(name) ?? [], gone.get(name) ?? []))
        if (!held && size(missing) > 0) wrong.add(`${name}: was closed without ${JSON.stringify(missing)}`)
      }
    }
    return [...wrong]
  },
}
