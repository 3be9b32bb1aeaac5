import type { Plant } from '../plant.ts'
import { simulate } from '../simulate.ts'

/** A seed among the first so many whose run breaks the promise of the planted bug: by accident of another does not count. */
export async function caughtAt(plant: Plant, seeds: number): Promise<number | undefined> {
  const rest = Array.from({ length: seeds }, (_, i) => i + 1)
  for (const seed of plant.seed === undefined ? rest : [plant.seed, ...rest]) {
    const { failures } = await simulate(seed, new Map(), plant)
    if (failures.some((failure) => failure.startsWith(`${plant.breaks}:`))) return seed
  }
  return undefined
}

/** A line of the table of planted bugs. */
export function catchLine({ name, breaks }: Plant, seed: number | undefined): string {
  return `${name.padEnd(36)} ${seed === undefined ? 'not caught' : `seed ${String(seed).padStart(3)}`}   ${breaks}`
}
