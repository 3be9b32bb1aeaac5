import { createHash } from 'node:crypto'
import type { Clock, Random } from '../contract/clock.ts'
import { Problem } from '../contract/problem.ts'
import { seededRandom } from './clock.ts'
import { type Coverage, hit } from './coverage.ts'
import { Scheduler } from './scheduler.ts'
import { type Fault, noStrike, type StepName, type Strike, stepOf } from './step.ts'

/** One run of a process on a machine. Once dead, its code may run on to its next wait as a ghost, without any effect. */
export type Life = {
  readonly name: string
  alive: boolean
  /** It stands still until then, simulated ms, as after SIGSTOP: what it waits for happens, and it does not hear of it. */
  frozen_until_ms: number
  readonly clock: Clock
  readonly random: Random
}

/** How a process ends: does its machine lose its power, and come back with an old copy of its disk? */
export type Death = { readonly power: boolean; readonly restored: boolean }

export const KILLED: Death = { power: false, restored: false }
export const POWER_CUT: Death = { power: true, restored: false }

/** Wall time at which every run begins: midnight falls into it. */
const START_MS = Date.UTC(2026, 10, 24, 23, 58)
/** A call's usual time, there or back, ms. */
const LATENCY_MS = 4
/** How far the clocks of a machine run fast or slow, of 1: cheap crystals are within 100 ppm. */
const DRIFT = 1e-4
/** No timer takes less, so that one who waits for what a rounding has left does not wait for ever in no time. */
const TIMER_MIN_MS = 1e-3
const TRACE_KEPT = 20_000

export type WorldOptions = {
  readonly seed: number
  readonly faults: readonly Fault[]
  readonly coverage: Coverage
}

/** What there is once in a run, whose chances it may be by. */
class Common {
  readonly scheduler = new Scheduler()
  readonly lines: string[] = []
  readonly bugs: string[] = []
  readonly hash = createHash('sha256')
  readonly deaths = new Map<Life, (death: Death) => void>()
  readonly offsets = new Map<string, number>()
  calm = false
  steps = 0
}

/** Time, chance, faults and the trace of one simulated run: everything that is not the system itself. */
export class World {
  readonly random: Random
  readonly seed: number
  readonly #common: Common
  readonly #options: WorldOptions
  readonly #faults: readonly { readonly fault: Fault; readonly chance: number }[]

  constructor(options: WorldOptions, common = new Common()) {
    const { seed, faults } = options
    this.seed = seed
    this.random = seededRandom(seed)
    this.#options = options
    this.#common = common
    // Swarm testing (Groce et al., 2012): each run has its own mix, so that faults do not always hide one another.
    this.#faults = faults.map((fault) => ({ fault, chance: fault.chance * this.pick([0, 0.3, 1, 1, 3]) }))
  }

  /** The same world by chances of their own: whatever befalls who is of it, the others fare as they did without. */
  beside(): World {
    return new World({ ...this.#options, seed: Math.floor(seededRandom(this.seed).float() * 2 ** 32) }, this.#common)
  }

  get scheduler(): Scheduler {
    return this.#common.scheduler
  }

  /** The last lines of what happened, for reading; the hash is over all of them. */
  get lines(): readonly string[] {
    return this.#common.lines
  }

  /** Errors that are nobody's fault but the code's. */
  get bugs(): string[] {
    return this.#common.bugs
  }

  get steps(): number {
    return this.#common.steps
  }

  /** No fault strikes while it is set: the system is left to finish. */
  get calm(): boolean {
    return this.#common.calm
  }

  set calm(calm: boolean) {
    this.#common.calm = calm
  }

  pick<T>(choices: readonly T[]): T {
    const chosen = choices[Math.floor(this.random.float() * choices.length)]
    if (chosen === undefined) throw new Error('nothing to pick from')
    return chosen
  }

  between(low: number, high: number): number {
    return low + this.random.float() * (high - low)
  }

  trace(who: string, what: string): void {
    const line = `${this.scheduler.now_ms.toFixed(3)} ${who} ${what}`
    const { hash, lines } = this.#common
    hash.update(line).update('\n')
    lines.push(line)
    if (lines.length > TRACE_KEPT) lines.splice(0, TRACE_KEPT / 2)
  }

  traceHash(): string {
    return this.#common.hash.copy().digest('hex').slice(0, 16)
  }

  /** True wall time, which no process sees. */
  wall_ms(): number {
    return START_MS + this.scheduler.now_ms
  }

  /** The clock of what is not a process: right, and its own. */
  get clock(): Clock {
    return {
      now: () => Math.round(this.wall_ms()),
      monotonic: () => this.scheduler.now_ms,
      timer: (delay_ms, callback) => this.scheduler.after(delay_ms, callback),
    }
  }

  /** Begins a process; `died` is told once, at its death, in the same turn. */
  live(name: string, died: (death: Death) => void): Life {
    const origin_ms = this.scheduler.now_ms - this.between(0, 1e6)
    const rate = 1 + this.between(-DRIFT, DRIFT)
    const life: Life = {
      name,
      alive: true,
      frozen_until_ms: 0,
      random: seededRandom(Math.floor(this.random.float() * 2 ** 32)),
      clock: {
        now: () => Math.round(this.wall_ms() + (this.#common.offsets.get(name) ?? 0)),
        monotonic: () => (this.scheduler.now_ms - origin_ms) * rate,
        timer: (delay_ms, callback) => this.later(life, Math.max(delay_ms, TIMER_MIN_MS) / rate, callback),
      },
    }
    this.#common.deaths.set(life, died)
    this.trace(name, 'begins')
    return life
  }

  /** Calls back after a while, if the process still lives then; once it goes on, when it stands still. */
  later(life: Life, delay_ms: number, callback: () => void): () => void {
    const due = () => {
      if (!life.alive) return
      const left_ms = life.frozen_until_ms - this.scheduler.now_ms
      if (left_ms > 0) cancel = this.scheduler.after(left_ms, due)
      else callback()
    }
    let cancel = this.scheduler.after(delay_ms, due)
    return () => cancel()
  }

  /** Calls back now, or once the process goes on. */
  awake(life: Life, callback: () => void): void {
    if (this.isFrozen(life)) this.later(life, 0, callback)
    else callback()
  }

  isFrozen(life: Life): boolean {
    return life.alive && life.frozen_until_ms > this.scheduler.now_ms
  }

  /** The process stands still; with its whole machine, all that run there (writer-1, compactor-1, …). */
  #freeze(life: Life, { pause_ms, suspended }: Strike): void {
    const isOfPlane = (name: string) => /^(gateway|writer|compactor|analyst)-/.test(name)
    const isBeside = (name: string) => isOfPlane(life.name) && isOfPlane(name) && name.at(-1) === life.name.at(-1)
    for (const one of this.#common.deaths.keys()) {
      if (one !== life && !(suspended && isBeside(one.name))) continue
      one.frozen_until_ms = Math.max(one.frozen_until_ms, this.scheduler.now_ms + pause_ms)
      this.trace(one.name, `stands still for ${Math.round(pause_ms)} ms`)
    }
  }

  kill(life: Life, death: Death): void {
    if (!life.alive) return
    life.alive = false
    this.trace(life.name, death.power ? 'loses power' : 'is killed')
    this.#common.deaths.get(life)?.(death)
    this.#common.deaths.delete(life)
  }

  /** What strikes this step of this process. */
  strike(life: Pick<Life, 'name'>, step: StepName): Strike {
    this.#common.steps++
    const strike = noStrike()
    if (this.calm) return strike
    for (const { fault, chance } of this.#faults) {
      const { weight = 1 } = stepOf(step)
      if (chance === 0 || !fault.strikes(stepOf(step), step) || this.random.float() >= chance * weight) continue
      fault.act(strike, () => this.random.float())
      hit(this.#options.coverage, fault.name, step)
      this.trace(life.name, `${fault.name} at ${step}`)
    }
    if (strike.jump_ms !== 0) {
      this.#common.offsets.set(life.name, (this.#common.offsets.get(life.name) ?? 0) + Math.round(strike.jump_ms))
    }
    return strike
  }

  /** All clocks right again, as after a time server was reached. */
  setClocks(): void {
    this.#common.offsets.clear()
  }

  /** A step that is asked and answered. A dead caller waits for ever. */
  async call<T>(life: Life, step: StepName, effect: () => T | Promise<T>, detail = ''): Promise<T> {
    if (!life.alive) return never()
    const strike = this.strike(life, step)
    this.trace(life.name, `${step} ${detail}`)
    if (strike.kill === 'before') {
      this.kill(life, strike)
      return never()
    }
    if (strike.pause === 'before') {
      this.#freeze(life, strike)
      await this.pause(life, 0)
    }
    const there_ms = this.between(0, 2 * LATENCY_MS) + strike.delay_ms
    if (strike.late_ms > 0 && stepOf(step).remote) {
      this.scheduler.after(there_ms + strike.late_ms, () => void Promise.allSettled([effect()]))
      await this.pause(life, there_ms)
      throw unanswered(step, detail)
    }
    // What was handed to another machine goes on without its caller.
    await new Promise<void>((resolve) => {
      if (stepOf(step).remote) this.scheduler.after(there_ms, resolve)
      else this.later(life, there_ms, resolve)
    })
    if (strike.refused) {
      await this.pause(life, this.between(0, LATENCY_MS))
      throw new Problem('unavailable', `${step} ${detail} was refused (simulated)`)
    }
    const outcome = await Promise.allSettled([effect()])
    if (strike.kill === 'after') this.kill(life, strike)
    if (strike.pause === 'after' && life.alive) this.#freeze(life, strike)
    await this.pause(life, this.between(0, 2 * LATENCY_MS))
    if (strike.unanswered) {
      throw unanswered(step, detail)
    }
    if (outcome[0].status === 'rejected') throw outcome[0].reason
    return outcome[0].value
  }

  /** A step that takes effect within one turn; a ghost's does not. Raises `limit` or `unavailable` where it is refused. */
  write(life: Life, step: StepName, effect: () => void): void {
    if (!life.alive) return
    const strike = this.strike(life, step)
    if (strike.kill === 'before') this.kill(life, strike)
    if (life.alive && strike.refused) {
      const message = `${step} was refused (simulated)`
      throw strike.full ? new Problem('limit', message) : new Problem('unavailable', message, { outcome: 'unknown' })
    }
    if (life.alive) effect()
    if (strike.kill === 'after') this.kill(life, strike)
  }

  pause(life: Life, delay_ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.later(life, delay_ms, resolve)
    })
  }
}

function unanswered(step: StepName, detail: string): Problem {
  return new Problem('unavailable', `${step} ${detail}: the answer was lost (simulated)`, { outcome: 'unknown' })
}

export function never(): Promise<never> {
  return new Promise(() => undefined)
}
