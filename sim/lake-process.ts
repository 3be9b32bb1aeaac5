import type { ObjectStore } from '../lake/object-store.ts'
import { openTable, type Table } from '../lake/table.ts'
import { plainCheckpoints } from './plain-checkpoints.ts'
import type { Plant } from './plant.ts'
import { type Committer, simStore } from './sim-store.ts'
import type { Witness } from './witness.ts'
import type { Life, World } from './world.ts'

/** Often enough that runs begin from several of them, and clean-up finds something to do. */
const CHECKPOINT_INTERVAL = 4

/** What all processes of the data plane work on. */
export type Lakeside = {
  readonly world: World
  readonly store: ObjectStore
  readonly witness: Witness
  readonly plant: Plant | undefined
}

/** The store and the events table as one process sees them. */
export function openEvents(
  { world, plant, witness, ...lakeside }: Lakeside,
  life: Life,
  committer: Committer,
): { readonly store: ObjectStore; readonly table: Table } {
  const simulated = simStore(world, life, lakeside.store, committer)
  const store = plant?.store?.(simulated) ?? simulated
  const checkpoints = plant?.checkpoints?.(plainCheckpoints) ?? plainCheckpoints
  const environment = { store, clock: life.clock, checkpoints, checkpoint_interval: CHECKPOINT_INTERVAL }
  const table = openTable(environment, 'events')
  return { store, table: witness.table(life, plant?.table?.(table, store) ?? table) }
}
