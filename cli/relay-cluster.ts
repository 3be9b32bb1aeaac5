/** This relay among others of its fleet: the directory, its connections to them, and where they reach it. */
import { authorityOf } from '../contract/host.ts'
import { Problem } from '../contract/problem.ts'
import type { ClientTls } from '../link/mqtt-connection.ts'
import type { ServerTls } from '../link/mqtt-endpoint.ts'
import type { Registry } from '../registry/registry.ts'
import { openPeerLinks, type PeerLinks } from '../relay/peer-link.ts'
import { listenForPeers } from '../relay/peer-listener.ts'
import type { PeerService, PeerView } from '../relay/peers.ts'
import { openRedisDirectory, type RedisDirectory } from '../relay/redis-directory.ts'
import type { CliContext } from './context.ts'
import type { Log } from './log.ts'
import { redisPlace } from './redis-setting.ts'

export type RelayCluster = {
  readonly directory: RedisDirectory
  readonly peers: PeerLinks
  /** Hubs that came to another relay while they were here. */
  readonly moved: number
  /** Takes commands of other relays from now on. Raises `unavailable` when the port cannot be had. */
  serve(service: PeerService & PeerView, registry: Pick<Registry, 'allows' | 'watch'>): Promise<void>
  setTls(tls: ServerTls): void
  /** After the relay, which closes the directory. */
  close(): Promise<void>
}

/** The Redis of the relays' directory as it is configured; undefined where there is none. Raises `invalid` for its files. */
export function directoryPlace({ config }: Pick<CliContext, 'config'>) {
  const { directory, directory_ca_file, directory_password_file } = config.relay
  return redisPlace('relay.directory', {
    url: directory,
    ca_file: directory_ca_file,
    password_file: directory_password_file,
  })
}

/** Undefined where this is the only relay. `client` is read at each connection. Raises `invalid`. */
export async function joinCluster(
  context: Pick<CliContext, 'config' | 'clock' | 'random'>,
  { log, server, client }: { readonly log: Log; readonly server: ServerTls; readonly client: ClientTls },
): Promise<RelayCluster | undefined> {
  const { clock, random, config } = context
  const redis = directoryPlace(context)
  if (!redis) return undefined
  const { source, host, peer_port } = config.relay
  const address = addressOf(config.relay)
  const fault = (error: unknown) => log.failed('fault', error)
  const directory = await openRedisDirectory({
    ...{ fleet: config.fleet, self: { relay: source, address }, redis, clock, random, fault },
    lost: ({ message }) =>
      log.warn('directory-lost', `${message}; commands to hubs of this relay go on, those to others end offline`),
    found: () => log.info('directory-found', 'the directory answers: hubs of other relays are found'),
  })
  let moved = 0
  directory.watch({ moved: () => moved++, anew: () => undefined })
  const peers = openPeerLinks({
    ...{ relay: source, tls: client, clock, random },
    lost: (at, reason) => log.warn('peer-lost', `the relay at ${at} cannot be reached: ${reason}`, { at }),
    found: (at, relay) => log.info('peer-found', `connected to ${relay} at ${at}`, { at, relay }),
  })
  let tls = server
  let listener: Awaited<ReturnType<typeof listenForPeers>> | undefined
  let unwatch: (() => void) | undefined
  return {
    directory,
    peers,
    get moved() {
      return moved
    },
    async serve(service, registry) {
      listener = await listenForPeers({
        ...{ host, port: peer_port, relay: source, fleet: config.fleet, tls, clock, service, fault },
        authorise: (identity) => registry.allows(identity),
        refused: (reason, from) => log.warn('refused', `a relay was turned away: ${reason}`, { reason, address: from }),
      })
      unwatch = registry.watch(() => listener?.recheck())
    },
    setTls(next) {
      tls = next
      listener?.setTls(next)
    },
    async close() {
      unwatch?.()
      peers.close()
      await listener?.close()
    },
  }
}

/** Raises `invalid` where nobody could find it. */
function addressOf({ host, peer_port, peer_address }: CliContext['config']['relay']): string {
  if (peer_address !== '') return peer_address
  if (['0.0.0.0', '::', ''].includes(host))
    throw new Problem(
      'invalid',
      `relay.peer_address is not set, and the relay listens on every address: say where other relays reach it, as host:${peer_port}`,
    )
  return authorityOf(host, peer_port)
}
