import { intersect } from '../../contract/interval.ts'
import { readPayload } from '../../ingest/payload.ts'
import { eventKey, type Invariant, recordsOf } from '../evidence.ts'

/** The same numbers always come in the same batch, with the same lines, unless an old copy of a disk brought them back. */
export const aBatchIsNeverCutAnew: Invariant = {
  name: 'a batch is never cut anew',
  check(evidence) {
    const { broughtBack } = evidence
    const wrong: string[] = []
    const cuts = new Map<string, Map<number, { readonly count: number; readonly lines: string }>>()
    for (const record of recordsOf(evidence)) {
      const { header, lines } = readPayload(Buffer.from(record.value))
      if (header.count === 0 || record.replay) continue
      if (broughtBack.has(eventKey({ ...header, source: record.source, seq: header.first }))) continue
      const name = `${record.source} ${header.boot} ${header.stream}`
      const text = lines.toString()
      const known = cuts.get(name) ?? new Map<number, { readonly count: number; readonly lines: string }>()
      cuts.set(name, known)
      const before = known.get(header.first)
      if (before && before.lines !== text)
        wrong.push(`${name} ${header.first}: came with ${before.count} lines, then other`)
      known.set(header.first, { count: header.count, lines: text })
    }
    for (const [name, known] of cuts) {
      const spans = [...known]
        .map(([first, { count }]) => [first, first + count] as const)
        .toSorted(([a], [b]) => a - b)
      spans.forEach((span, i) => {
        const next = spans[i + 1]
        if (next && intersect([span], [next]).length > 0)
          wrong.push(`${name}: came as ${span.join('-')} and as ${next.join('-')}`)
      })
    }
    return wrong
  },
}
