import type { Layout } from '../contract/bucket.ts'
import { type Clock, type Random, sleep } from '../contract/clock.ts'
import type { CommandReport, Outcome } from '../contract/command.ts'
import { authorityOf, reachable } from '../contract/host.ts'
import { isProblem, leaveFault, messageOf, Problem } from '../contract/problem.ts'
import type { Disk } from '../link/disk.ts'
import type { MqttEndpoint, ServerTls } from '../link/mqtt-endpoint.ts'
import { type ShipOptions, shipOutbox } from '../link/ship-outbox.ts'
import type { OutsideTokens } from '../registry/jwt-tokens.ts'
import type { Registry } from '../registry/registry.ts'
import { appApi } from './app-api.ts'
import { admitBrowsers } from './browser-access.ts'
import { cluster } from './cluster.ts'
import { commandCore } from './command-core.ts'
import type { Directory } from './directory.ts'
import { fleetView, hubsAfter } from './fleet-view.ts'
import { type HubListener, hubLink, listenForHubs } from './hub-listener.ts'
import { openLedger } from './ledger.ts'
import { APPS_CLOSE_MS, DRAIN_HUBS_PER_SECOND, DRAIN_MAX_MS, SPOOL_LINGER_MS } from './limits.ts'
import { type LiveEvent, liveFeed, type Wanted } from './live-event.ts'
import type { PeerService, Peers, PeerView, PeerViews } from './peers.ts'

export type RelayOptions = {
  /** The relay's name as a source of events: a stable ordinal, `relay-0`. */
  readonly source: string
  readonly version: string
  readonly fleet: string
  readonly layout: Layout
  readonly registry: Registry
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly hubs: { readonly host: string; readonly port: number; readonly tls: ServerTls }
  /** Tokens of an issuer elsewhere; absent: the registry's alone. */
  readonly outside?: OutsideTokens
  readonly apps: {
    readonly host: string
    readonly port: number
    readonly tls?: { readonly key: string; readonly cert: string }
  }
  /** Sends the ledger's batches to ingest; the relay never waits for it. */
  readonly send: ShipOptions['send']
  readonly fault: (error: unknown) => void
  /** A command of the app API was answered; `own_ms` of its time was the relay's own. */
  readonly answered?: (report: CommandReport, own_ms: number) => void
  /** Somebody asked the app API for what they may not. */
  readonly denied?: (reason: string, address: string) => void
  /** The other relays of the fleet; absent: this is the only one. The relay closes the directory when it closes. */
  readonly cluster?: { readonly directory: Directory; readonly peers: Peers & PeerViews }
  /** A hub was turned away before it was a session. */
  readonly refused?: (reason: string, address: string) => void
}

export type Relay = {
  readonly appUrl: string
  readonly hubUrl: string
  /** Takes no more: it is being closed. */
  readonly draining: boolean
  counts(): RelayCounts
  /** What this relay does for others, which a listener for them calls; absent when it is the only one. */
  readonly service: (PeerService & PeerView) | undefined
  /** Another certificate for hubs, other authorities: for handshakes from now on; sessions go on. */
  setTls(tls: ServerTls): void
  /** Takes no more, moves the hubs away, finishes what is in flight, keeps the rest for the next start. */
  close(): Promise<void>
}

/** What a relay has done since its start, and what it holds now. */
export type RelayCounts = {
  readonly issued: number
  readonly repeats: number
  readonly ignored_results: number
  readonly outcomes: ReadonlyMap<Outcome, number>
  readonly open_commands: number
  readonly connected_hubs: number
  /** Sockets of hubs that wait for their handshake, and those that were turned away. */
  readonly waiting_hubs: number
  readonly refused_hubs: number
  /** Ledger writes that a refusing disk cost for good. */
  readonly lost_writes: number
  readonly spool: { readonly events: number; readonly bytes: number; readonly dropped: number }
}

/** Starts a relay. Raises `unavailable` (a port is taken), `corrupt` (a ledger it cannot read). */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  const { clock, random, registry, disk, layout, fault } = options
  const feed = liveFeed()
  const ledger = await openLedger({
    disk,
    clock,
    random,
    source: options.source,
    layout,
    version: options.version,
    fault,
  })
  let endpoint: MqttEndpoint | undefined
  const core = commandCore({ fleet: options.fleet, clock, random, ledger, link: hubLink(() => endpoint), feed })
  core.recover()

  const others =
    options.cluster && cluster({ ...options.cluster, relay: options.source, fleet: options.fleet, core, clock, random })

  const stopped = new AbortController()
  const shipper = shipOutbox({
    ...{ outbox: ledger.outbox, send: options.send, clock, random, signal: stopped.signal },
    linger_ms: () => SPOOL_LINGER_MS,
    failed(error) {
      if (isProblem(error, 'corrupt', 'invalid')) fault(error)
    },
  })
  const listener: HubListener = await listenForHubs({
    ...options.hubs,
    fleet: options.fleet,
    layout,
    clock,
    authorise: (identity) => registry.allows(identity),
    enrolled: () => registry.hubs(),
    core: () => core,
    feed,
    epochs: ledger.epochs,
    tell: ledger.tell,
    fault,
    ...(options.refused && { refused: options.refused }),
    ...(options.cluster && { directory: options.cluster.directory }),
  })
  endpoint = listener.endpoint
  const unwatch = registry.watch(() => listener.endpoint.recheck())
  let draining = false
  const service = others && {
    ...others.service,
    watch: (wanted: Wanted, watcher: (event: LiveEvent) => void) => feed.observe(watcher, wanted),
    hubs: async (after: string) => hubsAfter(listener.hubs(), after),
  }
  const view = fleetView({
    ...{ relay: options.source, feed, held: listener.hubs, clock },
    others: options.cluster && { directory: options.cluster.directory, views: options.cluster.peers },
  })
  const app = await appApi({
    core,
    view,
    registry,
    clock,
    fault,
    ready: () => !draining,
    ...(others && { cluster: others }),
    ...(options.outside && { outside: options.outside }),
    ...(options.answered && { answered: options.answered }),
    ...(options.denied && { denied: options.denied }),
    ...(options.apps.tls && { tls: options.apps.tls }),
  })
  await admitBrowsers(app)
  /** What stays in a directory that does not answer is free once this relay is seen to be gone. */
  const leave = () => options.cluster?.directory.close().catch(leaveFault)
  try {
    await app.listen({ host: options.apps.host, port: options.apps.port })
  } catch (error) {
    unwatch()
    view.close()
    await Promise.all([listener.close(), app.close()])
    await leave()
    core.close()
    stopped.abort()
    await shipper.done
    await ledger.close()
    throw new Problem(
      'unavailable',
      `the app API cannot listen on ${options.apps.host}:${options.apps.port}: ${messageOf(error)}`,
      { cause: error },
    )
  }

  async function close(): Promise<void> {
    draining = true
    const limit = new AbortController()
    const inFlight = Promise.all([core.drain(), others?.drain()])
    const idle = Promise.race([inFlight, sleep(clock, DRAIN_MAX_MS, limit.signal).catch(() => undefined)])
    const per_second = Math.max(DRAIN_HUBS_PER_SECOND, (listener.endpoint.count * 1_000) / DRAIN_MAX_MS)
    // Hubs without a command in flight go at once: they are worth nothing here any more.
    await listener.endpoint.drain({ per_second, busy: core.isBusy, idle })
    // Ends the sleep above: its timer would hold the process for the rest of the limit.
    limit.abort()
    unwatch()
    view.close()
    await listener.close()
    await leave()
    const closing = app.close()
    // Who holds a connection open, or sends half a request, holds up nobody for longer.
    const cut = clock.timer(APPS_CLOSE_MS, () => app.server.closeAllConnections())
    await closing
    cut()
    core.close()
    stopped.abort()
    await shipper.done
    await ledger.close()
  }

  const address = app.server.address()
  const port = typeof address === 'object' && address !== null ? address.port : options.apps.port
  const scheme = options.apps.tls ? 'https' : 'http'
  return {
    appUrl: `${scheme}://${authorityOf(reachable(options.apps.host), port)}`,
    hubUrl: listener.endpoint.url,
    setTls: (tls) => listener.endpoint.setTls(tls),
    get draining() {
      return draining
    },
    counts() {
      const spool = { events: 0, bytes: 0, dropped: 0 }
      for (const stream of ledger.outbox.status()) {
        spool.events += stream.events
        spool.bytes += stream.bytes
        spool.dropped += stream.dropped
      }
      const { count, waiting, refused } = listener.endpoint
      const hubs = { connected_hubs: count, waiting_hubs: waiting, refused_hubs: refused }
      return { ...core.counts, ...hubs, open_commands: core.openCount(), lost_writes: core.lostWrites(), spool }
    },
    service,
    close,
  }
}
