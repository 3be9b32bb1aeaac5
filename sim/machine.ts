import { isProblem, messageOf } from '../contract/problem.ts'
import { type Death, KILLED, type Life, POWER_CUT, type World } from './world.ts'

const DOWN_MIN_MS = 100
const DOWN_MAX_MS = 10_000
/** Where the power went it may go again, before what began anew has synced much. */
const FLICKER_CHANCE = 0.5
const FLICKER_MS = 1_500

/** A machine that runs one process, and starts it again a while after it died. */
export class Machine<T> {
  readonly name: string
  #world: World
  #boot: (life: Life) => Promise<T>
  #died: (death: Death) => void
  #life: Life | undefined
  #running: T | undefined
  #went_on_ms = 0

  constructor(world: World, name: string, boot: (life: Life) => Promise<T>, died: (death: Death) => void = () => {}) {
    this.name = name
    this.#world = world
    this.#boot = boot
    this.#died = died
  }

  /** The process, once it has come up; undefined while it is down. */
  get up(): { readonly life: Life; readonly process: T } | undefined {
    return this.#life?.alive && this.#running !== undefined ? { life: this.#life, process: this.#running } : undefined
  }

  /** It did what it is there for: to fail at it, to be told to come again and to begin anew is not that. */
  goesOn(): void {
    this.#went_on_ms = this.#world.scheduler.now_ms
  }

  get isFrozen(): boolean {
    return this.#life !== undefined && this.#world.isFrozen(this.#life)
  }

  /** Since when it has not gone on, without the time that it stands still; simulated ms. */
  get stuck_ms(): number {
    const since_ms = Math.max(this.#went_on_ms, this.#life?.frozen_until_ms ?? 0)
    return Math.max(0, this.#world.scheduler.now_ms - since_ms)
  }

  start(flickers = false): void {
    const world = this.#world
    const life = world.live(this.name, (death) => {
      this.#running = undefined
      this.#died(death)
      const again = death.power && world.random.float() < FLICKER_CHANCE
      world.scheduler.after(world.between(DOWN_MIN_MS, DOWN_MAX_MS), () => this.start(again))
    })
    if (flickers) world.later(life, world.between(0, FLICKER_MS), () => !world.calm && world.kill(life, POWER_CUT))
    this.#life = life
    this.#come(life).catch((error: unknown) => this.fail(life, error))
  }

  async #come(life: Life): Promise<void> {
    const running = await this.#boot(life)
    if (life.alive) this.#running = running
  }

  /** The process ends by an error of its own: the world's faults end it and it starts again, anything else is a bug. */
  fail(life: Life, error: unknown): void {
    if (!life.alive) return
    if (!isProblem(error, 'unavailable', 'limit', 'conflict', 'closed')) {
      const where = error instanceof Error ? (error.stack ?? '') : ''
      this.#world.bugs.push(`${this.name}: ${messageOf(error)}\n${where}`)
    }
    this.#world.trace(this.name, `ends: ${messageOf(error)}`)
    this.#world.kill(life, KILLED)
  }
}
