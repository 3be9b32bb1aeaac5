import type { Layout } from '../contract/bucket.ts'
import { markErased } from '../ingest/erase.ts'
import { sourceKey } from '../ingest/ranges-form.ts'
import { rangesKey } from '../ingest/ranges-store.ts'
import { removeRows } from '../lake/removal.ts'
import { type Lakeside, openEvents } from './lake-process.ts'
import type { Machine } from './machine.ts'
import { periodic } from './periodic.ts'
import { plainRemover } from './plain-remover.ts'

/** One that nobody commands, and that is to be erased. */
export const ERASED = 'hub-d'
const FIRST_MS = 10_000
const LAST_MS = 80_000
const AGAIN_MS = 1_000

/** Somebody has a hub erased while it goes on sending: its mark, then its rows (cli/erasure.ts), until it is done. */
export class Eraser {
  readonly machine: Machine<boolean>
  done = false
  readonly #lakeside: Lakeside

  constructor(lakeside: Lakeside, layout: Layout, hub: string) {
    this.#lakeside = lakeside
    this.machine = periodic(lakeside.world, 'eraser', AGAIN_MS, async (life) => {
      const events = openEvents(lakeside, life, 'erase')
      const { store, table } = events
      const { clock, random } = life
      return async () => {
        if (this.done) return
        const key = await rangesKey(store, random)
        await markErased(table, sourceKey(key, hub), 1, random)
        const openRemover = async () => plainRemover({ store, layout, key, clock, random, hub })
        await removeRows({ ...events, random, kind: 'erase', may: () => true, openRemover })
        await table.checkpoint()
        this.done = true
      }
    })
  }

  start(): void {
    const { world } = this.#lakeside
    world.scheduler.after(world.between(FIRST_MS, LAST_MS), () => this.machine.start())
  }

  atRest(): boolean {
    return this.done
  }
}
