import type { Clock } from '../contract/clock.ts'
import { isProblem, messageOf } from '../contract/problem.ts'
import { bySize } from '../jobs/by-size.ts'
import { calculateElsewhere, endLeftRuns, endRun } from '../jobs/calculate-elsewhere.ts'
import { openJobs } from '../jobs/jobs.ts'
import { HOUR_MS } from '../jobs/limits.ts'
import { openLook } from '../jobs/look.ts'
import { runsUnderWay } from '../jobs/run-objects.ts'
import { tick } from '../jobs/schedule.ts'
import { openLake } from '../lake/lake.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { Cluster } from './cluster.ts'
import type { JobsEvidence } from './evidence.ts'
import { type Lakeside, openLakeAs } from './lake-process.ts'
import { Machine } from './machine.ts'
import { periodic } from './periodic.ts'
import { plainCheckpoints } from './plain-checkpoints.ts'
import { NEW_METRICS, OLD_METRICS } from './plain-metrics.ts'
import { plainly } from './plainly.ts'
import { KILLED, type World } from './world.ts'

const LOOK_EVERY_MS = 8_000
const CANCEL_EVERY_MS = 15_000
/** So few that what is days old is made in several shares. */
const UNITS_A_RUN = [48, 100, 400]
/** Tasks of so few units a driver calculates itself. */
const UNITS_ELSEWHERE = [1, 1, 10]
/** When a driver comes to have the new definitions, as by an update. */
const UPDATE_MIN_MS = 20_000
const UPDATE_MAX_MS = 85_000
const SETTLE_MS = 120_000

/** What a driver was told that it committed. */
export type Ran = { readonly metric: string; readonly version: number | undefined }

/** Drivers of the jobs, each a process of its own that looks for due work again and again. */
export class JobsNode {
  readonly drivers: readonly Machine<boolean>[]
  readonly canceller: Machine<boolean>
  readonly ran: Ran[] = []
  readonly #lakeside: Lakeside
  readonly #cluster: Cluster
  /** By driver: the hours that were over when it found nothing to do at last; undefined when there was something. */
  readonly #idle = new Map<string, string>()

  constructor(lakeside: Lakeside) {
    this.#lakeside = lakeside
    this.#cluster = new Cluster(lakeside)
    const { world } = lakeside
    const units_a_run = world.pick(UNITS_A_RUN)
    const count = world.pick([2, 2, 3])
    this.drivers = Array.from({ length: count }, (_, i) => this.#driver(`scheduler-${i + 1}`, units_a_run))
    this.canceller = this.#canceller()
  }

  start(): void {
    for (const machine of [...this.drivers, this.canceller]) machine.start()
  }

  /** Somebody has runs that are under way cancelled now and then. */
  #canceller(): Machine<boolean> {
    const { world } = this.#lakeside
    return periodic(world, 'canceller', CANCEL_EVERY_MS, async (life) => {
      const lake = await openLakeAs(this.#lakeside, life, 'replace')
      const runner = this.#cluster.runner(life, NEW_METRICS)
      return async () => {
        const runs = await runsUnderWay(lake.store)
        if (!world.calm && runs.length > 0) await endRun({ lake, runner }, world.pick(runs))
      }
    })
  }

  /** Each has looked of late, and found nothing to do. */
  atRest(): boolean {
    const now = hoursOver(this.#lakeside.world.clock)
    return this.#cluster.running.length === 0 && this.drivers.every(({ name }) => this.#idle.get(name) === now)
  }

  /** As one finds it who comes anew. */
  async evidence(): Promise<JobsEvidence> {
    const { world, plant, store } = this.#lakeside
    const told = { metrics: NEW_METRICS, ran: this.ran, left: this.#cluster.running, due: [] }
    try {
      return { ...told, ...(await lookAnew(plant?.store?.(store) ?? store, world)) }
    } catch (error) {
      if (!isProblem(error)) throw error
      world.bugs.push(`one who looks at the jobs anew: ${error.message}`)
      return told
    }
  }

  #driver(name: string, units_a_run: number): Machine<boolean> {
    const { world } = this.#lakeside
    const update_ms = world.between(UPDATE_MIN_MS, UPDATE_MAX_MS)
    const units_min = world.pick(UNITS_ELSEWHERE)
    const isAlone = world.pick([true, false, false])
    const on_abort = world.pick(['leave', 'end'] as const)
    const machine: Machine<boolean> = new Machine(world, name, async (life) => {
      this.#idle.delete(name)
      const metrics = world.scheduler.now_ms < update_ms ? OLD_METRICS : NEW_METRICS
      const stop = new AbortController()
      const { signal } = stop
      if (metrics === OLD_METRICS)
        world.later(life, update_ms - world.scheduler.now_ms, () => stop.abort(new Error('it is updated')))
      const lake = await openLakeAs(this.#lakeside, life, 'replace')
      const runner = this.#cluster.runner(life, metrics)
      const elsewhere = calculateElsewhere({ lake, metrics, runner, on_abort, clock: life.clock })
      if (!isAlone) await endLeftRuns({ lake, runner }, metrics)
      const jobs = await openJobs({
        ...{ ...plainly(this.#lakeside, life), lake, units_a_run, metrics },
        ...(!isAlone && { calculate: (here) => bySize(units_min, here, elsewhere) }),
      })
      const loop = async () => {
        for (;;) {
          await world.pause(life, world.between(0, 2 * LOOK_EVERY_MS))
          const began = hoursOver(life.clock)
          let isIdle = true
          await tick({
            jobs,
            signal,
            ran: (runs) => {
              isIdle = false
              machine.goesOn()
              this.ran.push(...runs.map(({ metric, version }) => ({ metric, version })))
            },
            failed: (error) => {
              isIdle = false
              if (!isProblem(error, 'unavailable', 'limit', 'conflict', 'corrupt', 'missing')) throw error
              world.trace(name, `fails, and tries again: ${messageOf(error)}`)
            },
          })
          if (signal.aborted) return world.kill(life, KILLED)
          if (isIdle) machine.goesOn()
          if (isIdle) this.#idle.set(name, began)
          else this.#idle.delete(name)
        }
      }
      loop().catch((error: unknown) => machine.fail(life, error))
      return true
    })
    return machine
  }
}

/** The hours that a plan counts as begun, and as over. */
function hoursOver(clock: Clock): string {
  return [0, SETTLE_MS].map((ms) => Math.floor((clock.now() - ms) / HOUR_MS)).join(' ')
}

/** What is left of runs, and due, once one has looked who begins; nothing is running any more that would have to be ended. */
async function lookAnew(store: ObjectStore, { clock, random }: World): Promise<Pick<JobsEvidence, 'left' | 'due'>> {
  const lake = await openLake({ store, clock, random, checkpoints: plainCheckpoints })
  await endLeftRuns({ lake, runner: { end: async () => undefined } }, NEW_METRICS)
  const status = await openLook({ lake, clock, metrics: NEW_METRICS, folds: store }).status()
  return { left: await runsUnderWay(store), due: status.flatMap(({ due }) => due) }
}
