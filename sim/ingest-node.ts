import type { Layout } from '../contract/bucket.ts'
import { type Gateway, openGateway } from '../ingest/gateway.ts'
import { openWriter, type Writer } from '../ingest/writer.ts'
import { openLake } from '../lake/lake.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { Machine } from './machine.ts'
import { plainCheckpoints } from './plain-checkpoints.ts'
import type { Plant } from './plant.ts'
import { rowEncoder } from './row-encoder.ts'
import { SimLog } from './sim-log.ts'
import { simStore } from './sim-store.ts'
import type { Life, World } from './world.ts'

const FRESHNESS_MS = 2_000
/** Often enough that a run begins from several of them. */
const SNAPSHOT_COMMITS = 6
const TWO_WRITERS_CHANCE = 0.4

/** Gateway and writer, each a process of its own, over one log and one store. */
export class IngestNode {
  readonly log: SimLog
  readonly #gateway: Machine<Gateway>
  /** Two of them fence each other, as after a rebalance that one has not heard of. */
  readonly #writers: readonly Machine<Writer>[]

  constructor(options: {
    readonly world: World
    readonly layout: Layout
    readonly store: ObjectStore
    readonly plant: Plant | undefined
  }) {
    const { world, layout, plant } = options
    this.log = new SimLog('simulated-log', layout.buckets)
    this.#gateway = new Machine(world, 'gateway', async (life) => {
      const log = this.log.open(world, life)
      return openGateway({ log: plant?.gatewayLog?.(log) ?? log, layout, clock: life.clock })
    })
    const writer = (name: string) => {
      const machine: Machine<Writer> = new Machine(world, name, async (life) => {
        const { clock, random } = life
        const store = simStore(world, life, options.store)
        const lake = await openLake({ store, clock, random, checkpoints: plainCheckpoints })
        const table = await lake.table('events')
        const encoder = rowEncoder({ store, random, buckets: layout.buckets })
        const opened = await openWriter({
          log: this.log.open(world, life),
          table: plant?.table?.(table) ?? table,
          store,
          layout,
          encoder: plant?.encoder?.(encoder) ?? encoder,
          clock,
          random,
          freshness_ms: FRESHNESS_MS,
          snapshot_commits: SNAPSHOT_COMMITS,
          recordLoss: async (loss) => void world.bugs.push(`${name}: ${loss.reason}`),
          note: (fact) => world.trace(name, JSON.stringify(fact)),
        })
        opened.run(new AbortController().signal).catch((error: unknown) => machine.fail(life, error))
        return opened
      })
      return machine
    }
    const names = world.random.float() < TWO_WRITERS_CHANCE ? ['writer', 'writer-2'] : ['writer']
    this.#writers = names.map(writer)
  }

  start(): void {
    this.#gateway.start()
    for (const writer of this.#writers) writer.start()
  }

  gateway(): { readonly life: Life; readonly core: Gateway } | undefined {
    const up = this.#gateway.up
    return up && { life: up.life, core: up.process }
  }

  /** The table holds all that the log ever had. */
  atRest(): boolean {
    return this.#writers.some((writer) =>
      writer.up?.process.buckets().every(({ bucket, position }) => position === this.log.everything[bucket]?.length),
    )
  }
}
