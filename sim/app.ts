import type { CommandReport, Outcome } from '../contract/command.ts'
import { isProblem, messageOf } from '../contract/problem.ts'
import type { Elsewhere } from '../relay/cluster.ts'
import { utcDay } from '../relay/command.ts'
import type { RelayNode } from './relay-node.ts'
import type { Life, World } from './world.ts'

/** Who taps. */
export const APP = 'phone'
const THINK_MS = 2_500
const RETRIES_MAX = 4

export type Issue = { readonly by: Life; readonly at_ms: number; readonly epoch: string | undefined }
export type Told = { readonly outcome: Outcome | undefined; readonly by: Life; readonly at_ms: number }

/** One tap, and everything that came of it. */
export type Tap = {
  readonly level: number
  readonly hub: string
  readonly key: string
  readonly day: string
  readonly deadline_ms: number
  /** Known once a relay took it. */
  id: string | undefined
  /** When a relay was asked for it, simulated ms. */
  readonly asked_ms: number[]
  /** When it was handed to a relay, or a relay spoke of it, simulated ms. */
  touched_ms: number[]
  /** Each time that a relay took it in as new, or died over it: which run, when, and in which session of the hub. */
  readonly issues: Issue[]
  readonly told: Told[]
}

/** People with phones: they tap, and tap again when nothing seems to happen; their app then repeats the same command. */
export class App {
  readonly taps: Tap[] = []
  quiet = false
  #world: World
  #relays: readonly RelayNode[]
  #hubs: readonly string[]
  readonly #think_ms: number

  constructor(world: World, relays: readonly RelayNode[], hubs: readonly string[], think_ms = THINK_MS) {
    this.#world = world
    this.#relays = relays
    this.#think_ms = think_ms
    this.#hubs = hubs
  }

  start(): void {
    this.#world.scheduler.after(this.#world.between(0, this.#think_ms), () => {
      if (this.quiet) return
      this.tap()
      this.start()
    })
  }

  /** A relay writes what its disk refused with the next command, so that the last tap comes after all trouble. */
  tap(): void {
    const level = this.taps.length
    const tap: Tap = {
      level,
      hub: this.#world.pick(this.#hubs),
      key: `tap-${level}`,
      day: utcDay(this.#world.wall_ms()),
      deadline_ms: this.#world.pick([200, 1_000, 5_000, 20_000]),
      id: undefined,
      asked_ms: [],
      touched_ms: [],
      issues: [],
      told: [],
    }
    this.taps.push(tap)
    this.#send(tap, RETRIES_MAX)
  }

  #send(tap: Tap, retries: number) {
    const world = this.#world
    const again = () => {
      if (retries > 0) world.scheduler.after(world.between(500, 8_000), () => this.#send(tap, retries - 1))
    }
    const [only] = this.#relays
    const relay = only && this.#relays.length === 1 ? only : world.pick(this.#relays)
    const up = relay.machine.up
    if (!up || relay.machine.isFrozen) return again()
    const { hub, key, day, deadline_ms, level } = tap
    const issue = { by: up.life, at_ms: world.scheduler.now_ms, epoch: relay.epochOf(hub) }
    tap.issues.push(issue)
    try {
      const request = { app: APP, hub, device: 'lamp', set: { level }, deadline_ms, key, day }
      tap.touched_ms.push(world.scheduler.now_ms)
      tap.asked_ms.push(world.scheduler.now_ms)
      const issued = up.process.issue(request)
      if (!('command' in issued)) {
        this.#elsewhere(tap, up.life, issued, again)
        return
      }
      const { command, repeat } = issued
      // A relay that died while it took the command in answered nobody.
      if (!up.life.alive) return again()
      tap.id = command.id
      if (repeat) tap.issues.pop()
      this.#hear(tap, up.life, up.process.core.settled(command)).catch((error: unknown) =>
        world.bugs.push(`app: ${String(error)}`),
      )
    } catch (error) {
      if (!isProblem(error)) throw error
      tap.issues.pop()
      world.trace('app', `tap ${level}: ${error.message}`)
      return again()
    }
    if (world.random.float() < 0.4) again()
  }

  /** By way of another relay; its people may go before there is an answer. */
  #elsewhere(tap: Tap, relay: Life, { report, leave }: Elsewhere, again: () => void) {
    const world = this.#world
    if (world.random.float() < 0.1) world.scheduler.after(world.between(0, 2_000), leave)
    if (world.random.float() < 0.3) again()
    const answer = report.then((said) => {
      if (relay.alive) tap.id = said.command
      return said
    })
    this.#hear(tap, relay, answer).catch((error: unknown) => {
      if (!isProblem(error)) world.bugs.push(`app: ${String(error)}`)
      world.trace('app', `tap ${tap.level}: ${messageOf(error)}`)
      if (relay.alive) again()
    })
  }

  async #hear(tap: Tap, relay: Life, answer: Promise<CommandReport>): Promise<void> {
    const { outcome } = await answer
    if (!relay.alive) return
    tap.touched_ms.push(this.#world.scheduler.now_ms)
    tap.told.push({ outcome, by: relay, at_ms: this.#world.scheduler.now_ms })
    this.#world.trace(
      'app',
      `tap ${tap.level} (${tap.id}) is ${outcome}${this.#relays.length > 1 ? ` by ${relay.name}` : ''}`,
    )
  }
}
