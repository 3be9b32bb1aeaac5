import { leaveFault, Problem } from '../contract/problem.ts'
import type { Directory, RelayPlace } from '../relay/directory.ts'
import { memoryDirectory } from '../relay/memory-directory.ts'
import type { Plant } from './plant.ts'
import type { StepName } from './step.ts'
import type { Life, World } from './world.ts'

/** Until others see that a relay is gone, ms. */
const LEASE_MS = 3_000
const TROUBLE_EVERY_MS = 12_000
const AWAY_MAX_MS = 20_000
/** What is told to who watches may be lost, as over Redis. */
const UNTOLD_CHANCE = 0.2

/** A claim that was granted: in which epoch, and the hub's epoch in the directory before. */
export type Granted = { readonly hub: string; readonly epoch: string; readonly before: string | undefined }

/** The directory of the relays, which may be away, forget, or be again what it once was. */
export class SimDirectory {
  /** Each claim that was granted. */
  readonly claims: Granted[] = []
  readonly #plant: Plant | undefined
  #world: World
  #shared = memoryDirectory()
  #copy = this.#shared.copy()
  #away = false

  constructor(world: World, plant: Plant | undefined) {
    this.#world = world
    this.#plant = plant
  }

  start(): void {
    const world = this.#world
    world.scheduler.after(world.between(0, TROUBLE_EVERY_MS), () => {
      if (world.calm) return
      this.#befall()
      this.start()
    })
  }

  #befall(): void {
    const world = this.#world
    const what = world.pick(['away', 'copied', 'restored', 'emptied'] as const)
    world.trace('directory', `is ${what}`)
    if (what === 'copied') this.#copy = this.#shared.copy()
    if (what === 'away') {
      this.#away = true
      world.scheduler.after(world.between(0, AWAY_MAX_MS), () => {
        this.#away = false
        if (world.random.float() > UNTOLD_CHANCE) this.#shared.tellAnew()
      })
    }
    if (what === 'copied' || what === 'away') return
    this.#shared.restore(what === 'restored' ? this.#copy : new Map())
    if (world.random.float() < 0.5) this.#shared.tellAnew()
  }

  /** As a process of a relay sees it: each question is a step. */
  join(life: Life, place: RelayPlace): Directory {
    const world = this.#world
    const joined = this.#shared.join(place)
    const own = this.#plant?.directory?.(joined, this.#shared) ?? joined
    const claim = async (hub: string, epoch: string) => {
      const before = this.#shared.copy().get(hub)?.epoch
      const answer = await own.claim(hub, epoch)
      if (answer.held) this.claims.push({ hub, epoch: this.#shared.copy().get(hub)?.epoch ?? epoch, before })
      return answer
    }
    const ask = <T>(step: StepName, detail: string, question: () => Promise<T>) =>
      world.call(
        life,
        step,
        async () => {
          if (this.#away && !world.calm)
            throw new Problem('unavailable', 'the directory is away', { outcome: 'unknown' })
          return question()
        },
        detail,
      )
    return {
      claim: (hub, epoch) => ask('directory.claim', `${hub} ${epoch}`, () => claim(hub, epoch)),
      release: (hub, epoch) => ask('directory.release', `${hub} ${epoch}`, () => own.release(hub, epoch)),
      find: (hub) => ask('directory.find', hub, () => own.find(hub)),
      relays: () => ask('directory.find', 'all', () => own.relays()),
      watch(listener) {
        const heard = (tell: () => void) => {
          if (!world.calm && world.random.float() < UNTOLD_CHANCE) return
          world.later(life, world.between(0, 200), tell)
        }
        return own.watch({
          moved: (hub, epoch) => heard(() => listener.moved(hub, epoch)),
          anew: () => heard(() => listener.anew()),
        })
      },
      close: () => own.close(),
    }
  }

  /** Where it has a hub, as relay and epoch. */
  placeOf(hub: string): string | undefined {
    const entry = this.#shared.copy().get(hub)
    return entry?.holder && `${entry.holder.relay} ${entry.epoch}`
  }

  /** Its process died; others see it once its lease is over, unless it is back by then. */
  died(directory: Directory): void {
    this.#world.scheduler.after(LEASE_MS, () => void directory.close().catch(leaveFault))
  }
}
