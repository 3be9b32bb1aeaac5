import { type IntervalSet, intervalSet } from '../../contract/interval.ts'
import { streamKey } from '../../ingest/ranges.ts'
import type { Invariant } from '../evidence.ts'

/** What the ranges say was received is what the table holds, no more and no less. */
export const rangesEqualRows: Invariant = {
  name: 'ranges equal rows',
  check({ ranges, rows, sourceKey }) {
    const wrong: string[] = []
    for (const kind of ['stored', 'dead'] as const) {
      const told = new Map<string, IntervalSet>()
      for (const streams of ranges.values()) {
        for (const [key, stream] of streams) {
          for (const [boot, one] of stream.boots) if (one[kind].length > 0) told.set(`${key} ${boot}`, one[kind])
        }
      }
      const found = new Map<string, [number, number][]>()
      for (const row of rows) {
        if (row.seq < 0 || (row.kind === 'dead') !== (kind === 'dead')) continue
        const key = `${streamKey(sourceKey(row.source), row.stream)} ${row.boot}`
        const list = found.get(key) ?? []
        list.push([row.seq, row.seq + 1])
        found.set(key, list)
      }
      for (const key of new Set([...told.keys(), ...found.keys()])) {
        const [a, b] = [JSON.stringify(told.get(key) ?? []), JSON.stringify(intervalSet(found.get(key) ?? []))]
        if (a !== b) wrong.push(`${key} ${kind}: the ranges say ${a}, the rows ${b}`)
      }
    }
    return wrong
  },
}
