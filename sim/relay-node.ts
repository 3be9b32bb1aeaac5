import { type Layout, serviceStream } from '../contract/bucket.ts'
import type { Identity } from '../contract/source.ts'
import type { Disk } from '../link/disk.ts'
import type { Outbox } from '../link/outbox.ts'
import { admit } from '../relay/admission.ts'
import type { Cluster, Issued } from '../relay/cluster.ts'
import { type CommandCore, commandCore, type HubLink, type Ledger } from '../relay/command-core.ts'
import type { Directory } from '../relay/directory.ts'
import { type HubClaims, hubClaims } from '../relay/hub-claims.ts'
import type { IssueRequest } from '../relay/issue-request.ts'
import { type EpochBook, openLedger } from '../relay/ledger.ts'
import { CLOCK_INTERVAL_MS } from '../relay/limits.ts'
import { liveFeed } from '../relay/live-event.ts'
import type { PeerService } from '../relay/peers.ts'
import type { IngestNode } from './ingest-node.ts'
import { Machine } from './machine.ts'
import { ControlSession, type HubEnd } from './network.ts'
import type { Plant } from './plant.ts'
import { type AcknowledgedListener, ship } from './shipping.ts'
import { SimDisk } from './sim-disk.ts'
import type { Life, World } from './world.ts'

type RelayProcess = {
  readonly core: CommandCore
  readonly outbox: Outbox
  readonly epochs: EpochBook
  readonly issue: (request: IssueRequest) => Issued
  /** Absent where it is the only one. */
  readonly claims: HubClaims | undefined
  readonly service: PeerService | undefined
}
/** What a relay has of the others. */
export type Beside = { readonly cluster: Cluster; readonly directory: Directory; readonly died: () => void }
/** A hub is let in, told how far to jump, or finds nobody. */
export type Admission = { readonly session: ControlSession } | { readonly floor: number | undefined }

export type Sent = {
  readonly command: string
  readonly epoch: string
  /** Was its issue on the relay's disk? */
  readonly issued: boolean
  readonly at_ms: number
  /** The epoch of the hub's session in which its relay took it. */
  readonly taken_in: string | undefined
}
type Session = {
  readonly hub: string
  readonly epoch: string
  readonly began_ms: number
  ended_ms: number | undefined
}

/** A relay: the real command core over the real outbox, with simulated sessions. */
export class RelayNode {
  readonly machine: Machine<RelayProcess>
  /** Commands of which a living relay heard that they were executed: which run first did, and when, simulated ms. */
  readonly heard = new Map<string, { readonly by: Life; readonly first_ms: number; readonly last_ms: number }>()
  /** When the last sync that was completed began: what is older survives a power cut. */
  #synced_ms = 0
  /** (from, to) in which a power cut may have taken what the relay knew. */
  readonly amnesia: (readonly [number, number])[] = []
  /** Commands that were handed to a socket. */
  readonly sent: Sent[] = []
  /** Its sessions, as it knew of them. */
  readonly sessions: Session[] = []
  /** Since when the disk refuses what; and (refused, written) of what it took later. */
  #owed = new Map<string, number>()
  #left: (() => void) | undefined
  /** In which session of its hub the core is issuing. */
  #issuing: { readonly epoch: string | undefined } | undefined
  #repaid: (readonly [number, number])[] = []
  #world: World
  readonly disk = new SimDisk()
  readonly name: string
  /** By command: in which session of its hub it was taken, where it was issued here. */
  readonly taken = new Map<string, string | undefined>()
  #sessions = new Map<string, { readonly epoch: string; readonly session: ControlSession }>()
  #streams: readonly string[]
  readonly #ships: boolean
  readonly #beside: boolean

  constructor(options: {
    readonly world: World
    readonly fleet: string
    readonly layout: Layout
    /** Absent: what it has to tell stays on its disk. */
    readonly shipping?: { readonly ingest: IngestNode; readonly acknowledged: AcknowledgedListener }
    readonly plant: Plant | undefined
    readonly name?: string
    /** The others, as each of its processes finds them. */
    readonly beside?: (life: Life, core: CommandCore) => Beside
  }) {
    const { world, fleet, layout, shipping, plant } = options
    this.#world = world
    this.name = options.name ?? 'relay-0'
    this.#ships = shipping !== undefined
    this.#beside = options.beside !== undefined
    this.#streams = Array.from({ length: layout.buckets }, (_, bucket) => serviceStream(layout.epoch, bucket))
    const identity: Identity = { source: this.name, role: 'service', generation: 1 }
    this.machine = new Machine(
      world,
      this.name,
      async (life) => {
        const { clock, random } = life
        const ledger = await openLedger({
          disk: this.#noting(this.disk.open(world, life, identity.source)),
          clock,
          random,
          source: identity.source,
          layout,
          version: '1.0.0',
          fault: (error) => world.trace(life.name, `fault: ${String(error)}`),
        })
        const { outbox, epochs } = ledger
        const noted: Ledger = {
          ...ledger,
          write: (events, command) => {
            const ended = command?.outcome === undefined ? [] : [command.id]
            this.#owing(ended, () => ledger.write(events, command))
          },
        }
        const link: HubLink = {
          send: (hub, epoch, message) => {
            const found = this.#sessions.get(hub)
            if (found?.epoch !== epoch || !found.session.openAtRelay) return 'gone'
            const { alive } = life
            const answer = found.session.toHub(message)
            if (alive && answer === 'sent' && message.type === 'command') this.#note(message.command, epoch)
            return answer
          },
        }
        const real = commandCore({
          fleet,
          clock,
          random,
          ledger: plant?.ledger?.(noted, life) ?? noted,
          link: plant?.link?.(link) ?? link,
          feed: liveFeed(),
        })
        const core = this.#taking(life, plant?.core?.(real) ?? real)
        core.recover()
        if (shipping) ship({ world, life, identity, outbox, ...shipping })
        this.#tick(life)
        const beside = options.beside?.(life, core)
        const claims = beside && this.#claims(life, core, beside.directory, epochs)
        this.#left = beside?.died
        const issue = (request: IssueRequest) => beside?.cluster.issue(request, 'settled') ?? core.issue(request)
        return { core, outbox, epochs, claims, service: beside?.cluster.service, issue }
      },
      ({ power }) => {
        const unsynced = power ? this.#repaid.filter(([, at_ms]) => at_ms >= this.#synced_ms) : []
        for (const [from_ms] of unsynced) this.amnesia.push([from_ms, world.scheduler.now_ms])
        for (const [, from_ms] of this.#owed) this.amnesia.push([from_ms, world.scheduler.now_ms])
        this.#owed.clear()
        if (power) this.amnesia.push([this.#synced_ms, world.scheduler.now_ms])
        for (const [hub, { session }] of this.#sessions) {
          session.end('relay')
          this.#ended(hub)
        }
        this.#sessions.clear()
        this.#left?.()
        this.#left = undefined
        this.disk.died({ power, restored: false })
      },
    )
  }

  /** This relay and the epoch in which it holds the hub. */
  placeOf(hub: string): string | undefined {
    const epoch = this.epochOf(hub)
    return epoch && `${this.name} ${epoch}`
  }

  /** The epoch under which a command to the hub would go now. */
  epochOf(hub: string): string | undefined {
    return this.#sessions.get(hub)?.epoch
  }

  /** The core, noting in which session what is issued is taken: before it, for it may be sent at once. */
  #taking(life: Life, core: CommandCore): CommandCore {
    return {
      ...core,
      issue: (request, passed) => {
        const epoch = this.epochOf(request.hub)
        this.#issuing = { epoch }
        try {
          const { command, repeat } = core.issue(request, passed)
          // What a relay took that died over it, it may take anew.
          if (!repeat && life.alive) this.taken.set(command.id, epoch)
          return { command, repeat }
        } finally {
          this.#issuing = undefined
        }
      },
    }
  }

  #note(command: string, epoch: string) {
    const issued = this.disk.stagesOf(command).includes('issued')
    if (this.#beside) this.#world.trace(this.name, `sends ${command} in ${epoch}`)
    const taken_in = this.taken.get(command) ?? this.#issuing?.epoch
    this.sent.push({ command, epoch, issued, at_ms: this.#world.scheduler.now_ms, taken_in })
  }

  #ended(hub: string) {
    const last = this.sessions.findLast((one) => one.hub === hub)
    if (last) last.ended_ms ??= this.#world.scheduler.now_ms
  }

  /** A hub connects; who is one of several relays asks the directory first. */
  accept(identity: Identity, epoch: string, end: HubEnd): Admission | Promise<Admission> {
    const up = this.machine.up
    if (!up || this.machine.isFrozen) return { floor: undefined }
    const { life, process } = up
    const answer = admit({ identity, epoch }, process.epochs)
    if (!answer.accept || !life.alive) return { floor: answer.floor }
    if (!process.claims) return this.#begin(identity.source, epoch, end, life, process)
    return process.claims.enter(identity.source, epoch).then((said) => {
      if (!said.accept || !life.alive) return { floor: said.floor }
      const begun = this.#begin(identity.source, epoch, end, life, process)
      process.claims?.opened(identity.source, epoch)
      return begun
    })
  }

  /** This relay's sessions at the directory, by the code that does it for sockets. */
  #claims(life: Life, core: CommandCore, directory: Directory, epochs: EpochBook): HubClaims {
    const claims = hubClaims({
      directory,
      epochs,
      clock: life.clock,
      sessions: () => this.#sessions,
      superseded: (hub, epoch) => {
        const found = this.#sessions.get(hub)
        if (found?.epoch !== epoch) return
        this.#sessions.delete(hub)
        this.#ended(hub)
        found.session.end('relay')
        core.disconnected(hub, epoch)
        claims.left(hub, epoch)
      },
      fault: (error) => void this.#world.bugs.push(`${life.name}: ${String(error)}`),
    })
    return claims
  }

  #begin(hub: string, epoch: string, end: HubEnd, life: Life, process: RelayProcess): Admission {
    const older = this.#sessions.get(hub)
    if (older) process.claims?.left(hub, older.epoch)
    this.#sessions.get(hub)?.session.end('relay')
    this.#ended(hub)
    this.sessions.push({ hub, epoch, began_ms: this.#world.scheduler.now_ms, ended_ms: undefined })
    const session: ControlSession = new ControlSession(
      this.#world,
      {
        life,
        hub,
        epoch,
        fromHub: (message) => {
          if (message.type !== 'result') return
          // Of another relay's it cannot make anything but a record.
          const isKnown = !process.claims || process.core.find(message.command) !== undefined
          process.core.result(hub, message)
          if (!isKnown) return
          // A relay that died over it heard nothing.
          if (message.stage === 'executed' && life.alive) {
            const last_ms = this.#world.scheduler.now_ms
            const before = this.heard.get(message.command)
            this.heard.set(message.command, { by: life, first_ms: last_ms, ...before, last_ms })
          }
        },
        drained: () => process.core.drained(hub),
        closed: () => {
          if (this.#sessions.get(hub)?.session !== session) return
          this.#sessions.delete(hub)
          this.#ended(hub)
          process.core.disconnected(hub, epoch)
          process.claims?.left(hub, epoch)
        },
      },
      end,
      process.claims !== undefined,
    )
    this.#sessions.set(hub, { epoch, session })
    process.core.connected(hub, epoch)
    session.toHub({ hearth: 1, type: 'clock', stamp: life.clock.monotonic() })
    return { session }
  }

  atRest(): boolean {
    const up = this.machine.up
    return (
      up !== undefined &&
      up.process.core.openCount() === 0 &&
      (!this.#ships || this.#streams.every((stream) => !up.process.outbox.pending(stream)))
    )
  }

  /** What the disk would not take, a death forgets until it is written after all. */
  #owing(names: readonly string[], write: () => void) {
    try {
      write()
      const now_ms = this.#world.scheduler.now_ms
      for (const name of names) {
        const from_ms = this.#owed.get(name)
        if (this.#owed.delete(name)) this.#repaid.push([from_ms ?? now_ms, now_ms])
      }
    } catch (error) {
      for (const name of names) this.#owed.set(name, this.#owed.get(name) ?? this.#world.scheduler.now_ms)
      throw error
    }
  }

  /** The disk, noting since when all is safe. */
  #noting(disk: Disk): Disk {
    return {
      ...disk,
      write: (changes) => {
        const puts = changes.flatMap((change) => ('put' in change ? [change.put] : []))
        this.#owing(
          puts.filter((name) => name.startsWith('relay/epoch/')),
          () => disk.write(changes),
        )
      },
      sync: async () => {
        const began_ms = this.#world.scheduler.now_ms
        await disk.sync()
        this.#synced_ms = Math.max(this.#synced_ms, began_ms)
      },
    }
  }

  #tick(life: Life) {
    this.#world.later(life, CLOCK_INTERVAL_MS, () => {
      for (const { session } of this.#sessions.values()) {
        session.toHub({ hearth: 1, type: 'clock', stamp: life.clock.monotonic() })
      }
      this.#tick(life)
    })
  }
}
