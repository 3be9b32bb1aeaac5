import { type IntervalSet, intervalSet, subtract } from '../../contract/interval.ts'
import { type Ranges, streamKey } from '../../ingest/ranges.ts'
import type { Evidence, Invariant } from '../evidence.ts'
import type { Row } from '../row-encoder.ts'

/** What the ranges say was received is what the table holds, no more and no less: now, and as of each kept snapshot. */
export const rangesEqualRows: Invariant = {
  name: 'ranges equal rows',
  check({ ranges, rows, snapshots, sourceKey }) {
    return [
      ...differences([...ranges.values()], rows, sourceKey),
      ...snapshots.flatMap((one) =>
        differences([one.ranges], one.rows, sourceKey).map((what) => `as of version ${one.version}: ${what}`),
      ),
    ]
  },
}

function differences(
  buckets: readonly Ranges[],
  rows: readonly Row[],
  sourceKey: Evidence['sourceKey'],
): readonly string[] {
  const events = rows.filter((row) => row.seq >= 0 || row.claim)
  const numbers = (dead: boolean) =>
    numbersIn(
      events.filter((row) => (row.kind === 'dead') === dead),
      sourceKey,
    )
  const stored = numbers(false)
  const dead = numbers(true)
  for (const [key, set] of dead) dead.set(key, subtract(set, stored.get(key) ?? []))
  return Object.entries({ stored, dead }).flatMap(([kind, found]) => {
    const told = new Map(
      buckets.flatMap((streams) =>
        [...streams].flatMap(([key, { boots }]) =>
          [...boots].map(([boot, one]) => [`${key} ${boot}`, kind === 'dead' ? one.dead : one.stored] as const),
        ),
      ),
    )
    return [...new Set([...told.keys(), ...found.keys()])].flatMap((key) => {
      const [a, b] = [told, found].map((sets) => JSON.stringify(sets.get(key) ?? []))
      return a === b ? [] : [`${key} ${kind}: the ranges say ${a}, the rows ${b}`]
    })
  })
}

function numbersIn(rows: readonly Row[], sourceKey: Evidence['sourceKey']): Map<string, IntervalSet> {
  const found = new Map<string, [number, number][]>()
  for (const { source, stream, boot, seq, claim = [seq, seq + 1] } of rows) {
    const key = `${streamKey(sourceKey(source), stream)} ${boot}`
    const list = found.get(key) ?? []
    list.push([claim[0] ?? seq, claim[1] ?? seq])
    found.set(key, list)
  }
  return new Map([...found].map(([key, list]) => [key, intervalSet(list)]))
}
