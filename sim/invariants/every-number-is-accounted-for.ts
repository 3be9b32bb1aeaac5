import { intersect, size, subtract, union } from '../../contract/interval.ts'
import { bootName, type Invariant, lostWithDisks, numbersOf } from '../evidence.ts'

/**
 * What a source numbered is stored, dead or dropped in the account, unless a power cut took it from the disk before it
 * was synced, or a disk was lost. And what a power cut took never left its source: a batch is synced before it is sent for the first time.
 */
export const everyNumberIsAccountedFor: Invariant = {
  name: 'every number is accounted for',
  check(evidence) {
    const { ranges, numbered, taken, sourceKey } = evidence
    const known = new Map(
      [...ranges.values()].flatMap((streams) =>
        [...streams.values()].flatMap(({ source, stream, boots }) =>
          [...boots].map(([boot, one]) => [bootName(source, stream, boot), one] as const),
        ),
      ),
    )
    const unsynced = numbersOf(taken, sourceKey)
    const gone = lostWithDisks(evidence)
    return [...numbersOf(numbered, sourceKey)].flatMap(([name, numbers]) => {
      const one = known.get(name)
      const received = one ? union(one.stored, one.dead) : []
      const lost = gone.get(name) ?? []
      const missing = subtract(subtract(numbers, union(received, one?.dropped ?? [])), lost)
      const early = intersect(received, unsynced.get(name) ?? [])
      return [
        ...(size(missing) > 0 ? [`${name}: ${JSON.stringify(missing)} were numbered and are in no account`] : []),
        ...(size(early) > 0 ? [`${name}: ${JSON.stringify(early)} were sent before they were synced`] : []),
      ]
    })
  },
}
