import { isProblem, messageOf } from '../contract/problem.ts'
import type { Attempt } from '../jobs/calculate.ts'
import { calculatePart } from '../jobs/calculate-part.ts'
import type { Catalogue } from '../jobs/catalogue.ts'
import type { Runner, RunRequest } from '../jobs/runner.ts'
import { type Lakeside, openLakeAs } from './lake-process.ts'
import { plainly } from './plainly.ts'
import { KILLED, type Life, type World } from './world.ts'

const TRIES = 2
const PARTS_MAX = [1, 2, 3]
const LOOK_MS = 250
const BEGIN_MAX_MS = 500
const AGAIN_MAX_MS = 2_000
/** What is asked to end takes so long … */
const GRACE_MAX_MS = 4_000
/** … and what does not end by itself is ended. */
const DEADLINE_MS = 60_000
/** What is over is forgotten after a while. */
const KEPT_MS = 20_000
/** A part that ends well, and has made nothing. */
const IDLE_CHANCE = 0.04
/** What another try would meet as well (cli/jobs-task.ts). */
const HOPELESS = ['conflict', 'corrupt', 'invalid', 'missing', 'unauthorized'] as const

type Started = {
  readonly request: RunRequest
  readonly metrics: Catalogue
  readonly attempts: Attempt[]
  /** Processes of its parts that have not ended. */
  readonly lives: Set<Life>
  /** Parts that have ended, and how. */
  readonly over: Map<number, 'done' | 'failed'>
  ending: boolean
}

/** What starts parts of runs as processes, which go on whatever becomes of who asked for them: in place of Kubernetes. */
export class Cluster {
  readonly #lakeside: Lakeside
  readonly #world: World
  readonly #parts_max: number
  readonly #runs = new Map<string, Started>()
  #count = 0

  constructor(lakeside: Lakeside) {
    this.#lakeside = lakeside
    this.#world = lakeside.world
    this.#parts_max = this.#world.pick(PARTS_MAX)
  }

  /** Runs of which something may go on. */
  get running(): readonly string[] {
    return [...this.#runs].filter(([, { over, request }]) => over.size < request.parts).map(([run]) => run)
  }

  /** As one process speaks with it. `metrics` are those of what it starts. */
  runner(life: Life, metrics: Catalogue): Runner {
    const world = this.#world
    const ask = <T>(step: 'pods.start' | 'pods.end', run: string, effect: () => T) =>
      world.call(life, step, effect, run)

    async function gone(run: string, find: () => Started | undefined): Promise<void> {
      while (await ask('pods.end', run, find)) await world.pause(life, LOOK_MS)
    }

    const runner: Runner = {
      name: 'cluster',
      parts_max: this.#parts_max,
      run: async (request, { signal, heard }) => {
        const { run } = request
        let started: Started | undefined
        while (!(started = await ask('pods.start', run, () => this.#start(request, metrics)))) await runner.end(run)
        for (;;) {
          const end = this.#endOf(started)
          heard([...started.attempts])
          if (end !== undefined) return end.failure
          await world.pause(life, LOOK_MS)
          signal?.throwIfAborted()
        }
      },
      end: (run, digest) =>
        gone(run, () => {
          const found = this.#runs.get(run)
          if (!found || (digest !== undefined && found.request.digest !== digest)) return undefined
          this.#end(run, found)
          return found
        }),
    }
    return runner
  }

  /** undefined while there is one of another text, or one that is ending. */
  #start(request: RunRequest, metrics: Catalogue): Started | undefined {
    const { run, digest, parts } = request
    const found = this.#runs.get(run)
    if (found) return found.request.digest === digest && !found.ending ? found : undefined
    const started: Started = { request, metrics, attempts: [], lives: new Set(), over: new Map(), ending: false }
    this.#runs.set(run, started)
    for (let index = 0; index < parts; index++) this.#try(started, index, 1)
    this.#world.scheduler.after(DEADLINE_MS, () => {
      if (this.#runs.get(run) === started && started.over.size < parts) this.#end(run, started)
    })
    return started
  }

  #endOf({ request, over, ending }: Started): { readonly failure: string | undefined } | undefined {
    if (ending) return { failure: 'it was ended' }
    if (over.size < request.parts) return undefined
    const failed = [...over.values()].filter((how) => how === 'failed').length
    return { failure: failed === 0 ? undefined : `${failed} parts failed` }
  }

  /** Each of its processes is asked to end, and does so after a while. */
  #end(run: string, started: Started): void {
    if (started.ending) return
    started.ending = true
    this.#world.scheduler.after(this.#world.between(0, GRACE_MAX_MS), () => {
      for (const life of started.lives) this.#world.kill(life, KILLED)
      this.#forget(run, started)
    })
  }

  #forget(run: string, started: Started): void {
    if (this.#runs.get(run) === started) this.#runs.delete(run)
  }

  #try(started: Started, index: number, attempt: number): void {
    const world = this.#world
    const { over, attempts, request } = started
    let ended = false
    const end = (outcome: 'done' | 'failed', cause?: string, hopeless = false) => {
      if (ended) return
      ended = true
      started.lives.delete(life)
      attempts.push({ index, place: life.name, outcome, ...(cause !== undefined && { cause }) })
      if (outcome === 'failed' && !hopeless && attempt < TRIES && !started.ending)
        world.scheduler.after(world.between(0, AGAIN_MAX_MS), () => this.#try(started, index, attempt + 1))
      else over.set(index, outcome)
      if (over.size === request.parts) world.scheduler.after(KEPT_MS, () => this.#forget(request.run, started))
      world.kill(life, KILLED)
    }
    const life: Life = world.live(`part-${++this.#count}`, () => end('failed', 'killed'))
    started.lives.add(life)
    const isIdle = !world.calm && world.random.float() < IDLE_CHANCE
    world.later(life, world.between(0, BEGIN_MAX_MS), () => {
      const work = isIdle ? Promise.resolve() : this.#make(life, started, index)
      work.then(
        () => end('done'),
        (error: unknown) => {
          if (!isProblem(error)) world.bugs.push(`${life.name}: ${messageOf(error)}`)
          end('failed', messageOf(error), isProblem(error, ...HOPELESS))
        },
      )
    })
  }

  async #make(life: Life, { request, metrics }: Started, index: number): Promise<void> {
    const lake = await openLakeAs(this.#lakeside, life, 'part')
    await calculatePart({ ...plainly(this.#lakeside, life), lake, metrics }, request.run, index)
  }
}
