import type { Coverage } from './coverage.ts'
import type { Invariant } from './evidence.ts'
import { FAULTS } from './faults/all.ts'
import { INVARIANTS, RELAYS_INVARIANTS } from './invariants/all.ts'
import type { Plant } from './plant.ts'
import { runRelays } from './relays.ts'
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

/**
 * One run from a seed: of the whole system, and of several relays; with a planted bug, of the world that it is planted in. The
 * same seed gives the same run, to the last step.
 */
export async function simulate(seed: number, coverage: Coverage, plant?: Plant): Promise<Run> {
  const runs: Run[] = []
  if (!plant?.among_relays) runs.push(await runOf(seed, coverage, INVARIANTS, (world) => runSystem(world, plant)))
  if (!plant || plant.among_relays)
    runs.push(await runOf(seed, coverage, RELAYS_INVARIANTS, (world) => runRelays(world, plant)))
  return {
    seed,
    failures: runs.flatMap(({ failures }) => failures),
    trace_hash: runs.map(({ trace_hash }) => trace_hash).join('-'),
    steps: runs.reduce((sum, { steps }) => sum + steps, 0),
    lines: runs.flatMap(({ lines }) => lines),
  }
}

async function runOf<E>(
  seed: number,
  coverage: Coverage,
  invariants: readonly Invariant<E>[],
  run: (world: World) => Promise<E>,
): Promise<Run> {
  const world = new World({ seed, faults: FAULTS, coverage })
  const evidence = await run(world)
  const failures = invariants.flatMap((invariant) =>
    invariant
      .check(evidence)
      .slice(0, 5)
      .map((what) => `${invariant.name}: ${what}`),
  )
  return { seed, failures, trace_hash: world.traceHash(), steps: world.steps, lines: world.lines }
}
