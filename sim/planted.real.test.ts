import { afterAll, expect, test } from 'vitest'
import { INVARIANTS, RELAYS_INVARIANTS } from './invariants/all.ts'
import { PLANTS } from './planted/all.ts'
import { catchLine, caughtAt, KNOWN_SEEDS } from './planted/caught-at.ts'

/** Each planted bug must be seen within so many seeds, by the invariants that watch every run. */
const SEEDS_MAX = 500

const table: string[] = []
afterAll(() => console.log(table.join('\n')))

test.each(PLANTS.map((plant) => [plant.name, plant] as const))('the planted bug "%s" is caught', async (_, plant) => {
  const promises = plant.among_relays ? RELAYS_INVARIANTS : INVARIANTS
  expect(promises.map(({ name }) => name)).toContain(plant.breaks)
  const seed = await caughtAt(plant, SEEDS_MAX, KNOWN_SEEDS[plant.name])
  table.push(catchLine(plant, seed))
  expect(seed).toBeDefined()
})
