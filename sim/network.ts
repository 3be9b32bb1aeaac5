import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { type BatchAnswer, codecOf } from '../contract/batch.ts'
import type { HubBound, RelayBound } from '../contract/command.ts'
import { messageOf, Problem } from '../contract/problem.ts'
import type { Identity } from '../contract/source.ts'
import type { Gateway } from '../ingest/gateway.ts'
import type { StepName, Strike } from './step.ts'
import type { Life, World } from './world.ts'

/** One way of a message, ms. */
const WAY_MS = 20
/** A sender that hears nothing for so long knows that the connection is gone. */
const SILENCE_MS = 10_000
const LINGER_CHANCE = 0.3
/** Messages that the socket of a control connection holds: what does not fit waits in the relay. */
const BUFFERS = [1, 2, 64]

/** Sends a batch to whatever gateway is there when it arrives. Raises `unavailable`/`unknown` when no answer came. */
export function sendBatch(
  world: World,
  from: Life,
  identity: Identity,
  bytes: Uint8Array,
  gateway: () => { readonly life: Life; readonly core: Gateway } | undefined,
): Promise<BatchAnswer> {
  const plain = unpacked(bytes)
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      const problem = new Problem('unavailable', `no answer to the batch: ${why}`, { outcome: 'unknown' })
      world.later(from, world.between(0, SILENCE_MS), () => reject(problem))
    }
    const answer = (by: Life, result: BatchAnswer) => {
      if (!by.alive) return
      const strike = leave(world, by, 'net.answer')
      if (!strike) return
      if (strike.cut) return fail('the connection ended')
      for (let copy = 0; copy <= strike.copies; copy++) {
        world.later(from, world.between(0, 2 * WAY_MS) + strike.delay_ms, () => resolve(result))
      }
    }
    const arrive = () => {
      const at = gateway()
      if (!at?.life.alive) return fail('nobody is there')
      world.awake(at.life, () => {
        at.core.receive(identity, plain, 'mqtt').then(
          (result) => answer(at.life, result),
          (error: unknown) => fail(messageOf(error)),
        )
      })
    }
    const strike = leave(world, from, 'net.batch')
    if (!strike) return
    if (strike.cut) return fail('the connection ended')
    for (let copy = 0; copy <= strike.copies; copy++) {
      world.scheduler.after(world.between(0, 2 * WAY_MS) + strike.delay_ms + copy * world.between(0, 5_000), arrive)
    }
    // A gateway that dies with the batch in its hands sends nothing.
    world.later(from, 2 * SILENCE_MS, () => fail('silence'))
  })
}

/** What strikes a message as it leaves; undefined when its sender died first. */
export function leave(world: World, from: Life, step: StepName): Strike | undefined {
  const strike = world.strike(from, step)
  if (strike.kill) world.kill(from, strike)
  return strike.kill === 'before' ? undefined : strike
}

/** Inflating leaves the event loop, where simulated time cannot follow it: what is packed arrives plain. */
function unpacked(bytes: Uint8Array): Uint8Array {
  const codec = codecOf(bytes)
  return codec === 'zstd' ? zstdDecompressSync(bytes) : codec === 'gzip' ? gunzipSync(bytes) : bytes
}

/** The relay's end of a hub's control connection, as its process sees it. */
export type RelayEnd = {
  readonly life: Life
  readonly hub: string
  readonly epoch: string
  fromHub(message: RelayBound): void
  drained(): void
  closed(): void
}

export type HubEnd = { readonly life: Life; fromRelay(message: HubBound, sent_ms: number): void; closed(): void }

/** A control connection. Its ends learn of its end each in their own time, and send into nothing until then. */
export class ControlSession {
  readonly #world: World
  readonly #relay: RelayEnd
  readonly #hub: HubEnd
  /** So many messages on their way fill the socket. */
  readonly #buffer: number
  readonly #lingers: boolean
  #under_way = 0
  #full = false
  #open = true
  #told = { relay: false, hub: false }

  /** `lingers`: what the relay handed to its socket may reach the hub after the connection ended, from buffers on the way. */
  constructor(world: World, relay: RelayEnd, hub: HubEnd, lingers = false) {
    this.#lingers = lingers
    this.#world = world
    this.#relay = relay
    this.#hub = hub
    this.#buffer = world.pick(BUFFERS)
  }

  get openAtRelay(): boolean {
    return !this.#told.relay
  }

  toHub(message: HubBound): 'sent' | 'full' {
    if (this.#under_way >= this.#buffer) {
      this.#full = true
      return 'full'
    }
    const sent_ms = this.#world.scheduler.now_ms
    this.#carry('net.command', this.#relay.life, this.#hub.life, () => this.#hub.fromRelay(message, sent_ms))
    return 'sent'
  }

  toRelay(message: RelayBound): void {
    this.#carry('net.result', this.#hub.life, this.#relay.life, () => this.#relay.fromHub(message))
  }

  /** The connection ends, for one reason or another; who does not know yet learns it by silence. */
  end(knows?: 'relay' | 'hub'): void {
    if (!this.#open) return
    this.#open = false
    this.#tell('relay', knows === 'relay' ? 0 : this.#world.between(0, SILENCE_MS))
    this.#tell('hub', knows === 'hub' ? 0 : this.#world.between(0, SILENCE_MS))
  }

  #tell(side: 'relay' | 'hub', delay_ms: number) {
    const end = side === 'relay' ? this.#relay : this.#hub
    this.#world.later(end.life, delay_ms, () => {
      if (this.#told[side]) return
      this.#told[side] = true
      end.closed()
    })
  }

  #arrived() {
    this.#under_way--
    if (!this.#full || this.#under_way >= this.#buffer || !this.openAtRelay || !this.#relay.life.alive) return
    this.#full = false
    this.#relay.drained()
  }

  #linger(hub: Life, arrive: () => void) {
    if (!this.#lingers || this.#world.random.float() > LINGER_CHANCE) return
    this.#world.later(hub, this.#world.between(0, 2 * SILENCE_MS), arrive)
  }

  #carry(step: 'net.command' | 'net.result', from: Life, to: Life, arrive: () => void) {
    if (!from.alive) return
    const strike = leave(this.#world, from, step)
    if (!strike) return
    if (strike.cut) this.end()
    // What goes into a connection that is gone, of which the sender does not know yet, stays in its socket.
    if (!this.#open && step === 'net.command') this.#under_way++
    if (!this.#open) {
      if (step === 'net.command') this.#linger(to, arrive)
      return
    }
    for (let copy = 0; copy <= strike.copies; copy++) {
      const way_ms = this.#world.between(0, 2 * WAY_MS) + strike.delay_ms + copy * this.#world.between(0, 2_000)
      if (step === 'net.command') this.#under_way++
      this.#world.scheduler.after(way_ms, () => {
        if (step === 'net.command') this.#arrived()
        if (this.#open && to.alive) this.#world.awake(to, () => this.#open && arrive())
        else if (to.alive && step === 'net.command') this.#linger(to, arrive)
        else if (!to.alive) this.end()
      })
    }
  }
}
