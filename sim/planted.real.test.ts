import { expect, test } from 'vitest'
import { INVARIANTS } from './invariants/all.ts'
import { PLANTS } from './planted/all.ts'
import { caughtAt } from './planted/caught-at.ts'

/** Each planted bug must be seen within so many seeds, by the invariants that watch every run. */
const SEEDS_MAX = 200

test.each(PLANTS.map((plant) => [plant.name, plant] as const))('the planted bug "%s" is caught', async (_, plant) => {
  expect(INVARIANTS.map(({ name }) => name)).toContain(plant.breaks)
  expect(await caughtAt(plant, SEEDS_MAX)).toBeDefined()
})
