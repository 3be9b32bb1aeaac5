import type { Layout } from '../contract/bucket.ts'
import { positionTxn } from '../ingest/position.ts'
import type { Archive } from './archive.ts'
import type { SimLog } from './sim-log.ts'
import type { World } from './world.ts'

const DAYS_MS = [15_000, 45_000, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
const LOOK_MS = 100

/** Somebody has the log deleted and made anew under its name, as in a move to another cluster, once the table has all of it. */
export class TopicOwner {
  quiet = false
  readonly #world: World
  readonly #log: SimLog
  readonly #archive: Archive
  readonly #layout: Layout

  constructor(world: World, log: SimLog, archive: Archive, layout: Layout) {
    this.#world = world
    this.#log = log
    this.#archive = archive
    this.#layout = layout
  }

  start(): void {
    const day_ms = this.#world.pick(DAYS_MS)
    if (Number.isFinite(day_ms)) this.#world.scheduler.after(day_ms, () => this.#look())
  }

  #look() {
    if (this.quiet) return
    const { txns } = this.#archive.snapshot()
    const { id, everything } = this.#log.topic
    const isDrained = everything.every(
      (records, bucket) => (txns.get(positionTxn(id, this.#layout, bucket)) ?? 0) === records.length,
    )
    if (!isDrained) {
      this.#world.scheduler.after(LOOK_MS, () => this.#look())
      return
    }
    this.#world.trace('owner', 'deletes the log, and makes it anew')
    this.#log.makeAnew()
  }
}
