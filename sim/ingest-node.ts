import type { Layout } from '../contract/bucket.ts'
import { isProblem, Problem, type ProblemKind } from '../contract/problem.ts'
import type { EventLog } from '../ingest/event-log.ts'
import { type Gateway, openGateway } from '../ingest/gateway.ts'
import type { Loss } from '../ingest/loss.ts'
import { openWriter, type Writer } from '../ingest/writer.ts'
import { type Lakeside, openEvents } from './lake-process.ts'
import { Machine } from './machine.ts'
import { rowEncoder } from './row-encoder.ts'
import { SimLog } from './sim-log.ts'
import type { Life } from './world.ts'

const FRESHNESS_MS = 500
/** Often enough that a run begins from several of them. */
const SNAPSHOT_COMMITS = [3, 6]
const LASTING: readonly ProblemKind[] = ['corrupt', 'invalid', 'missing', 'unauthorized']

/** Gateways and writers, each a process of its own, over one log and one store. */
export class IngestNode {
  readonly log: SimLog
  readonly losses: Loss[] = []
  readonly #lakeside: Lakeside
  readonly #layout: Layout
  readonly #gateways: readonly Machine<Gateway>[]
  /** All of them own all buckets, and fence each other, as after a rebalance that one has not heard of. */
  readonly #writers: readonly Machine<Writer>[]
  readonly #shared = new Map<string, number>()

  constructor(lakeside: Lakeside, layout: Layout) {
    const { world } = lakeside
    this.#lakeside = lakeside
    this.#layout = layout
    this.log = new SimLog(layout.buckets)
    const count = () => world.pick([2, 2, 3])
    const names = (of: string) => Array.from({ length: count() }, (_, i) => `${of}-${i + 1}`)
    const snapshot_commits = world.pick(SNAPSHOT_COMMITS)
    this.#gateways = names('gateway').map((name) => this.#gateway(name))
    this.#writers = names('writer').map((name) => this.#writer(name, snapshot_commits))
  }

  get writers(): readonly Machine<unknown>[] {
    return this.#writers
  }

  start(): void {
    for (const machine of [...this.#gateways, ...this.#writers]) machine.start()
  }

  /** Whichever of them a balancer sends to now. */
  gateway(): { readonly life: Life; readonly core: Gateway } | undefined {
    const up = this.#gateways.flatMap(({ up }) => (up ? [up] : []))
    const chosen = up.length > 0 ? this.#lakeside.world.pick(up) : undefined
    return chosen && { life: chosen.life, core: chosen.process }
  }

  openLog(life: Life): EventLog {
    const log = this.log.open(this.#lakeside.world, life)
    return this.#lakeside.plant?.log?.(log, life.name, this.#shared) ?? log
  }

  /** The table holds all that the log ever had, and nobody stands still who could come back with something older. */
  atRest(): boolean {
    const { world } = this.#lakeside
    return (
      [...this.#gateways, ...this.#writers].every(({ up }) => up && !world.isFrozen(up.life)) &&
      this.#writers.some((writer) =>
        writer.up?.process
          .buckets()
          .every(({ bucket, position }) => position === this.log.topic.everything[bucket]?.length),
      )
    )
  }

  #gateway(name: string): Machine<Gateway> {
    const { world } = this.#lakeside
    const machine: Machine<Gateway> = new Machine(world, name, async (life) => {
      const log = this.openLog(life)
      /** A gateway whose log is gone ends, and opens the one that there is now. */
      const append: EventLog['append'] = async (bucket, record) => {
        try {
          return await log.append(bucket, record)
        } catch (error) {
          if (isProblem(error, 'closed')) machine.fail(life, error)
          throw error
        }
      }
      return openGateway({ log: { ...log, append }, layout: this.#layout, clock: life.clock })
    })
    return machine
  }

  #writer(name: string, snapshot_commits: number): Machine<Writer> {
    const { world, plant } = this.#lakeside
    const machine: Machine<Writer> = new Machine(world, name, async (life) => {
      const { clock, random } = life
      const { store, table } = openEvents(this.#lakeside, life, 'ingest')
      const log = this.openLog(life)
      let writer: Writer | undefined
      /** A writer that waits for more has stored what there was, unless it is failing. */
      const waitFor: EventLog['waitFor'] = (...args) => {
        if (writer && writer.failing() === undefined) machine.goesOn()
        return log.waitFor(...args)
      }
      const encoder = rowEncoder({ store, random, buckets: this.#layout.buckets, log: log.id })
      writer = await openWriter({
        ...{ log: { ...log, waitFor }, table, store, layout: this.#layout, clock, random, snapshot_commits },
        encoder: plant?.encoder?.(encoder) ?? encoder,
        freshness_ms: FRESHNESS_MS,
        // The owner of the log replaces it only once the table has all of it.
        recordLoss: async (loss) => void (loss.kind === 'gap' && this.losses.push(loss)),
        note: (fact) => {
          world.trace(name, JSON.stringify(fact))
          // Nobody damages anything in this world, so that what is retried for such a reason is a bug.
          if (fact.kind === 'retry' && LASTING.includes(fact.cause))
            machine.fail(life, new Problem(fact.cause, fact.reason))
        },
      })
      writer.run(new AbortController().signal).catch((error: unknown) => machine.fail(life, error))
      return writer
    })
    return machine
  }
}
