import { isProblem } from '../contract/problem.ts'
import type { Snapshot } from '../lake/snapshot.ts'
import type { Table } from '../lake/table.ts'
import type { Life, World } from './world.ts'

/** What one who commits was told of his commit. */
export type Claim = {
  readonly id: string
  readonly who: string
  /** `refused`: by the table (fenced, conflict), or by a Problem that says that it did not happen. */
  readonly told: 'committed' | 'refused' | 'unknown'
  readonly version: number | undefined
}

/** What one who read the table was told of it. */
export type Reading = {
  readonly who: string
  readonly began_ms: number
  readonly snapshot: Snapshot
  /** A file that was not there any more, though nobody has had the time to vacuum it. */
  gone: string | undefined
}

/** Notes what tables tell to living processes; it passes on everything as it is. */
export class Witness {
  readonly claims: Claim[] = []
  readonly readings: Reading[] = []
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  table(life: Life, table: Table): Table {
    const note = (id: string, told: Claim['told'], version?: number) => {
      if (life.alive) this.claims.push({ id, who: life.name, told, version })
    }
    return {
      ...table,
      commit: async (request) => {
        try {
          const outcome = await table.commit(request)
          if (outcome.kind === 'committed') note(request.id, 'committed', outcome.version)
          else note(request.id, 'refused')
          return outcome
        } catch (error) {
          note(request.id, isProblem(error) && error.outcome === 'did-not-happen' ? 'refused' : 'unknown')
          throw error
        }
      },
      snapshot: async (at) => {
        const began_ms = this.#world.scheduler.now_ms
        const snapshot = await table.snapshot(at)
        if (at === undefined && life.alive) {
          this.readings.push({ who: life.name, began_ms, snapshot, gone: undefined })
        }
        return snapshot
      },
    }
  }
}
