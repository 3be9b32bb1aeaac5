import type { Plant } from '../plant.ts'
import { simulate } from '../simulate.ts'

/**
 * The seed that showed a planted bug, where the first two do not: it is looked for there first. Any change of what a
 * process writes moves it; `npm run sim -- --plants` finds it anew.
 */
export const KNOWN_SEEDS: Readonly<Record<string, number>> = {
  'a part of the newest versions': 3,
  'a stale hint trusted': 15,
  'any session is obeyed': 11,
  'commit where nobody reads': 3,
  'hop not counted': 9,
  'ingest over a mark': 36,
  'journal synced after the device': 9,
  'late called failed': 3,
  'made of the newest input': 4,
  'never claimed again': 5,
  'silence taken for away': 20,
  'topic anew under its id': 3,
  'unknown taken for refused': 12,
  'vacuum without a floor': 17,
}

/** The first of so many seeds, or the known one, whose run breaks the promise of the planted bug: by accident of another does not count. */
export async function caughtAt(plant: Plant, seeds: number, known?: number): Promise<number | undefined> {
  const all = Array.from({ length: seeds }, (_, i) => i + 1)
  for (const seed of known === undefined ? all : [known, ...all]) {
    const { failures } = await simulate(seed, new Map(), plant)
    if (failures.some((failure) => failure.startsWith(`${plant.breaks}:`))) return seed
  }
  return undefined
}

/** A line of the table of planted bugs. */
export function catchLine({ name, breaks }: Plant, seed: number | undefined): string {
  return `${name.padEnd(36)} ${seed === undefined ? 'not caught' : `seed ${String(seed).padStart(3)}`}   ${breaks}`
}
