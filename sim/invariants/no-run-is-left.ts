import type { Invariant } from '../evidence.ts'

/** What drivers have calculated elsewhere is ended once it is committed, or never can be. */
export const noRunIsLeft: Invariant = {
  name: 'no run is left',
  check: ({ jobs }) => jobs.left.map((run) => `${run} is not over`),
}
