import { type IntervalSet, intervalSet, subtract } from '../../contract/interval.ts'
import { type BootRanges, type Ranges, streamKey } from '../../ingest/ranges.ts'
import type { Evidence, Invariant } from '../evidence.ts'
import type { Row } from '../row-encoder.ts'

/**
 * What the ranges say was received and is not gone is what the table holds: now, and as of each kept snapshot. What an
 * erasure is to take away may count as gone before: a dead event that is replayed after the mark.
 */
export const rangesEqualRows: Invariant = {
  name: 'ranges equal rows',
  check({ ranges, rows, snapshots, sourceKey, erased }) {
    const leaving = new Set([...erased].map(sourceKey))
    return [
      ...differences([...ranges.values()], rows, sourceKey, new Set()),
      ...snapshots.flatMap((one) =>
        differences([one.ranges], one.rows, sourceKey, leaving).map((what) => `as of version ${one.version}: ${what}`),
      ),
    ]
  },
}

function differences(
  buckets: readonly Ranges[],
  rows: readonly Row[],
  sourceKey: Evidence['sourceKey'],
  leaving: ReadonlySet<string>,
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
  const boots = new Map<string, BootRanges>(
    buckets.flatMap((streams) =>
      [...streams].flatMap(([key, stream]) => [...stream.boots].map(([boot, one]) => [`${key} ${boot}`, one] as const)),
    ),
  )
  return Object.entries({ stored, dead }).flatMap(([kind, found]) =>
    [...new Set<string>([...boots.keys(), ...found.keys()])].flatMap((key) => {
      const one = boots.get(key)
      const told = subtract((kind === 'dead' ? one?.dead : one?.stored) ?? [], one?.gone ?? [])
      const isLeaving = leaving.has(key.slice(0, key.indexOf(' ')))
      const held = subtract(found.get(key) ?? [], (isLeaving && one?.gone) || [])
      const [a, b] = [told, held].map((set) => JSON.stringify(set))
      return a === b ? [] : [`${key} ${kind}: the ranges say ${a}, the rows ${b}`]
    }),
  )
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
