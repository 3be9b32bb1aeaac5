import { expect, test } from 'vitest'
import { PLANTS } from './planted/all.ts'
import { simulate } from './simulate.ts'

/** Each planted bug must be seen within so many seeds, by the invariants that watch every run. */
const SEEDS_MAX = 200

/** Which promise each bug breaks: caught by accident of another one does not count. */
const BROKEN: Readonly<Record<string, string>> = {
  'ack before sync': 'nothing acknowledged is missing',
  'high-water mark': 'nothing acknowledged is missing',
  'offset outside the commit': 'positions are contiguous',
  'late called failed': 'each command has one outcome, and a true one',
  'executed again after a resend': 'a command is executed at most once',
}

test.each(PLANTS.map((plant) => [plant.name, plant] as const))(
  'the planted bug "%s" is caught',
  async (name, plant) => {
    const expected = BROKEN[name]
    expect(expected).toBeDefined()
    let caught: number | undefined
    for (let seed = 1; seed <= SEEDS_MAX && caught === undefined; seed++) {
      const { failures } = await simulate(seed, new Map(), plant)
      if (failures.some((failure) => failure.startsWith(`${expected}:`))) caught = seed
    }
    expect(caught).toBeDefined()
  },
)
