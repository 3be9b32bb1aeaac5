import type { UnitHash } from '../../jobs/bench.ts'
import type { Plant } from '../plant.ts'

/** What stands of a unit has another hash than it should. */
export function hashed(change: (hash: UnitHash) => UnitHash): NonNullable<Plant['benches']> {
  return (benches) => ({
    ...benches,
    of(day, signal) {
      const bench = benches.of(day, signal)
      const open = async () => {
        const result = await bench.open()
        const hashes: typeof result.hashes = async (step) =>
          new Map([...(await result.hashes(step))].map(([unit, hash]) => [unit, change(hash)]))
        return { ...result, hashes }
      }
      return { ...bench, open }
    },
  })
}
