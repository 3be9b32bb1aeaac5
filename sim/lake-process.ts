import { type Lake, openLake } from '../lake/lake.ts'
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
  lakeside: Lakeside,
  life: Life,
  committer: Committer,
): { readonly store: ObjectStore; readonly table: Table } {
  const { store, table } = openTableAs(lakeside, life, committer, 'events')
  return { store, table: lakeside.witness.table(life, table) }
}

/** The store and a table as one process sees them. */
export function openTableAs(
  lakeside: Lakeside,
  life: Life,
  committer: Committer,
  name: string,
): { readonly store: ObjectStore; readonly table: Table } {
  const environment = environmentOf(lakeside, life, committer)
  const { store } = environment
  const table = openTable(environment, name)
  return { store, table: lakeside.plant?.table?.(table, store, committer) ?? table }
}

/** The lake as one process sees it. */
export async function openLakeAs(lakeside: Lakeside, life: Life, committer: Committer): Promise<Lake> {
  const environment = environmentOf(lakeside, life, committer)
  const { store } = environment
  const lake = await openLake({ ...environment, random: life.random })
  const seen = (table: Table) => lakeside.plant?.table?.(table, store, committer) ?? table
  return {
    ...lake,
    table: async (name) => seen(await lake.table(name)),
    ensureTable: async (name, definition) => seen(await lake.ensureTable(name, definition)),
  }
}

function environmentOf({ world, plant, ...lakeside }: Lakeside, life: Life, committer: Committer) {
  const simulated = simStore(world, life, lakeside.store, committer)
  const store = plant?.store?.(simulated) ?? simulated
  const checkpoints = plant?.checkpoints?.(plainCheckpoints) ?? plainCheckpoints
  return { store, clock: life.clock, checkpoints, checkpoint_interval: CHECKPOINT_INTERVAL }
}
