import type { Coverage } from './coverage.ts'
import { FAULTS } from './faults/all.ts'
import { INVARIANTS } from './invariants/all.ts'
import type { Plant } from './plant.ts'
import { runSystem } from './system.ts'
import { World } from './world.ts'

export type Run = {
  readonly seed: number
  /** What was broken; empty when all promises held. */
  readonly failures: readonly string[]
  readonly trace_hash: string
  readonly steps: number
  /** The end of the trace. */
  readonly lines: readonly string[]
}

/** One run of the whole system from a seed. The same seed gives the same run, to the last step. */
export async function simulate(seed: number, coverage: Coverage, plant?: Plant): Promise<Run> {
  const world = new World({ seed, faults: FAULTS, coverage })
  const evidence = await runSystem(world, plant)
  const failures = [
    ...INVARIANTS.flatMap((invariant) =>
      invariant
        .check(evidence)
        .slice(0, 5)
        .map((what) => `${invariant.name}: ${what}`),
    ),
  ]
  return { seed, failures, trace_hash: world.traceHash(), steps: world.steps, lines: world.lines }
}
