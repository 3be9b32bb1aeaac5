import type { RelayBound } from '../contract/command.ts'
import { isProblem } from '../contract/problem.ts'
import { HUB_STREAMS, type Identity, parseEpoch } from '../contract/source.ts'
import type { Devices } from '../hub-agent/devices.ts'
import { type Executor, openExecutor } from '../hub-agent/executor.ts'
import { BATCH_TARGET_MIN_BYTES, STREAM_MAX_BYTES } from '../link/limits.ts'
import { type Outbox, openOutbox } from '../link/outbox.ts'
import type { IngestNode } from './ingest-node.ts'
import { Machine } from './machine.ts'
import type { ControlSession } from './network.ts'
import type { Plant } from './plant.ts'
import type { Admission, RelayNode } from './relay-node.ts'
import { type AcknowledgedListener, ship } from './shipping.ts'
import { SimDisk } from './sim-disk.ts'
import type { Work } from './work.ts'
import type { Life, World } from './world.ts'

const RECONNECT_MS = 1_000
/** A hub that hears nothing for so long connects anew. */
const CONNECT_MAX_MS = 5_000
const EVENT_MS = 1_500
/** Of a copy of the disk, at a start and at a sync. */
const COPY_CHANCE = 0.05
const MALFORMED_CHANCE = 0.1
const RESULTS_WAITING = 64
/** The smallest outbox drops readings in an outage of half a minute. */
const READINGS_MAX_BYTES = [2 * BATCH_TARGET_MIN_BYTES, STREAM_MAX_BYTES]

type HubProcess = { readonly outbox: Outbox; readonly executor: Executor }
type Connecting = {
  readonly life: Life
  readonly outbox: Outbox
  readonly executor: Executor
  readonly waiting: RelayBound[]
}

export type Connect = {
  readonly epoch: string
  readonly boot: string
  readonly accepted: boolean
  readonly at_ms: number
  /** How often its disk had been replaced by an old copy. */
  readonly restores: number
}

export type BegunBoot = Pick<Connect, 'boot' | 'restores'>

/** A hub: outbox, executor and journal are the real ones; devices only count what was done to them. */
export class HubNode {
  readonly machine: Machine<HubProcess>
  readonly hub: string
  /** No more readings. */
  quiet = false
  #world: World
  readonly disk = new SimDisk(COPY_CHANCE)
  /** The epochs under which it connected, or tried to. */
  readonly connects: Connect[] = []
  /** … and those under which it asked for a connection, whether or not it heard of it. */
  readonly tried = new Set<string>()
  /** The boots that it began to use, each once. */
  readonly boots: BegunBoot[] = []
  #session: ControlSession | undefined
  readonly #ships: boolean

  constructor(options: {
    readonly world: World
    readonly hub: string
    /** Absent: what it has to tell stays on its disk. */
    readonly shipping?: { readonly ingest: IngestNode; readonly acknowledged: AcknowledgedListener }
    /** It connects to any of them, each time anew. */
    readonly relays: readonly RelayNode[]
    readonly plant: Plant | undefined
    readonly work: Work
  }) {
    const { world, hub, shipping, relays, plant, work } = options
    this.#ships = shipping !== undefined
    this.hub = hub
    this.#world = world
    const identity: Identity = { source: hub, role: 'hub', generation: 1 }
    const readings_max_bytes = world.pick(READINGS_MAX_BYTES)
    this.machine = new Machine(
      world,
      hub,
      async (life) => {
        this.#session = undefined
        const { clock, random } = life
        const disk = this.disk.open(world, life, hub)
        const origin_ms = clock.monotonic()
        const about = { source: hub, generation: 1, firmware: '4.2.1', agent: '1.0.0', codec: 'plain' as const }
        const outbox = await openOutbox({
          disk,
          clock,
          random,
          ...about,
          streams: [{ name: 'control' }, { name: 'readings', max_bytes: readings_max_bytes }],
        })
        this.#began(outbox)
        const waiting: RelayBound[] = []
        const real = openExecutor({
          disk: plant?.hubDisk?.(disk) ?? disk,
          devices: countingDevices(world, life, work),
          clock,
          origin_ms,
          tell: (result) => {
            if (this.#session) this.#session.toRelay(result)
            else if (waiting.length < RESULTS_WAITING) waiting.push(result)
          },
          record: (event) => void outbox.append('control', event),
          fault: (error) => world.trace(hub, `fault: ${String(error)}`),
        })
        const executor = plant?.executor?.(real) ?? real
        if (shipping) ship({ world, life, identity, outbox, ...shipping })
        this.#read(life, outbox)
        this.#connect(relays, identity, work, { life, outbox, executor, waiting })
        return { outbox, executor }
      },
      (death) => {
        this.#session?.end('hub')
        this.#session = undefined
        this.disk.died(death)
      },
    )
  }

  /** Nothing is left to be sent or done. */
  atRest(): boolean {
    const up = this.machine.up
    return (
      up !== undefined &&
      this.#session !== undefined &&
      up.process.executor.waiting === 0 &&
      (!this.#ships || HUB_STREAMS.every((stream) => !up.process.outbox.pending(stream)))
    )
  }

  #began(outbox: Outbox) {
    const boot = outbox.boot()
    if (this.boots.at(-1)?.boot !== boot) this.boots.push({ boot, restores: this.disk.restores.length })
  }

  #read(life: Life, outbox: Outbox) {
    this.#world.later(life, this.#world.between(0, EVENT_MS), () => {
      if (!this.quiet) {
        const about = { m: outbox.m(), device: 'thermometer', attribute: 'temperature', unit: '°C' }
        const count = Math.floor(this.#world.between(1, 5))
        const events = Array.from({ length: count }, (_, i) => ({ ...about, kind: 'reading', value: 20 + i }))
        if (this.#world.random.float() < MALFORMED_CHANCE)
          events.push({ ...about, m: Number.NaN, kind: 'reading', value: 0 })
        this.#keep(() => outbox.appendAll('readings', events))
        if (life.random.float() < 0.1)
          this.#keep(() => outbox.append('control', { m: outbox.m(), kind: 'health', uptime_ms: outbox.m() }))
      }
      this.#read(life, outbox)
    })
  }

  /** As the agent does: what the disk will not take is lost before it has a number. */
  #keep(append: () => number) {
    try {
      append()
    } catch (error) {
      if (!isProblem(error)) throw error
      this.#world.trace(this.hub, `fault: ${error.message}`)
    }
  }

  #connect(
    relays: readonly RelayNode[],
    identity: Identity,
    work: Work,
    { life, outbox, executor, waiting }: Connecting,
  ) {
    const again = () => {
      this.#session = undefined
      this.#world.later(life, this.#world.between(0, RECONNECT_MS), attempt)
    }
    const answered = (epoch: string, answer: Admission) => {
      this.connects.push({
        epoch,
        boot: outbox.boot(),
        accepted: 'session' in answer,
        at_ms: this.#world.scheduler.now_ms,
        restores: this.disk.restores.length,
      })
      if ('floor' in answer) {
        if (answer.floor === undefined) return again()
        const raised = () => {
          this.#began(outbox)
          again()
        }
        outbox.raise(answer.floor).then(raised, again)
        return
      }
      const { session } = answer
      this.#session = session
      executor.begin(parseEpoch(epoch))
      work.began(life, epoch)
      for (const result of waiting.splice(0)) session.toRelay(result)
    }
    const attempt = () => {
      const epoch = outbox.nextEpoch()
      this.tried.add(epoch)
      const [only] = relays
      const relay = only && relays.length === 1 ? only : this.#world.pick(relays)
      let isOver = false
      const closed = () => {
        if (!isOver) again()
      }
      const answer = relay.accept(identity, epoch, { life, fromRelay: work.listener(life, executor), closed })
      if (!(answer instanceof Promise)) {
        answered(epoch, answer)
        return
      }
      // A relay that dies over it says nothing; the hub connects anew, and the older answer means nothing.
      const silence = this.#world.later(life, CONNECT_MAX_MS, () => {
        isOver = true
        again()
      })
      void answer.then((said) => {
        if (!life.alive || isOver) {
          if ('session' in said) said.session.end('hub')
          return
        }
        silence()
        this.#world.awake(life, () => answered(epoch, said))
      })
    }
    this.#world.later(life, this.#world.between(0, RECONNECT_MS), attempt)
  }
}

function countingDevices(world: World, life: Life, work: Work): Devices {
  return {
    list: () => [{ device: 'lamp', type: 'light', attributes: ['level'] }],
    actuate(device, set) {
      const level = Number(set['level'])
      work.asked(life, level)
      return world.call(life, 'device.actuate', () => work.did(level), `${device} ${level}`)
    },
    subscribe: () => () => undefined,
    close: async () => undefined,
  }
}
