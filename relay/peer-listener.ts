/** Where other relays connect: what they ask is done here. Only relays of the fleet are let in, and for as long as they are. */
import net from 'node:net'
import tls from 'node:tls'
import type { Clock } from '../contract/clock.ts'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import { isRelayName } from '../contract/relay-name.ts'
import { openExcess } from '../link/excess.ts'
import { type Authorise, type PeerIdentity, peerOf } from '../link/identity.ts'
import { listening, portNumber, type ServerTls, secureContextOf } from '../link/mqtt-endpoint.ts'
import {
  PEER_BUFFER_MAX_BYTES,
  PEER_CONNECT_MAX_MS,
  PEER_LEAVE_MAX_MS,
  PEER_OPEN_MAX,
  PEER_PING_MS,
  PEER_SILENT_MAX_MS,
  PEERS_MAX,
} from './limits.ts'
import type { LiveEvent } from './live-event.ts'
import {
  type Asked,
  asked,
  askedFirst,
  frameOf,
  frameReader,
  frameWriter,
  PEER_PROTOCOL,
  PEER_VERSION,
  problemFrame,
  type Said,
  understood,
} from './peer-frame.ts'
import type { PeerService, PeerView } from './peers.ts'

export type PeerListenerOptions = {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** This relay's name. */
  readonly relay: string
  readonly fleet: string
  readonly tls: ServerTls
  readonly clock: Clock
  readonly authorise: Authorise
  readonly service: PeerService & PeerView
  /** A connection was turned away. */
  readonly refused?: (reason: string, address: string) => void
  readonly fault: (error: unknown) => void
  /** In place of PEER_VERSION: for tests. */
  readonly version?: number
}

export type PeerListener = {
  readonly port: number
  /** Relays that are connected to this one. */
  readonly count: number
  /** Another certificate, other authorities: for handshakes from now on. */
  setTls(tls: ServerTls): void
  /** Asks `authorise` again for every connection and cuts the ones that are no longer good. */
  recheck(): void
  close(): Promise<void>
}

/** Listens for other relays. Raises `unavailable` when the port cannot be had. */
export async function listenForPeers(options: PeerListenerOptions): Promise<PeerListener> {
  const { clock, fleet } = options
  const served = new Map<tls.TLSSocket, PeerIdentity>()
  const sockets = new Set<net.Socket>()

  /** Raises `unauthorized`. Asked after every handshake, resumed ones too. */
  const admitted = (identity: PeerIdentity): PeerIdentity => {
    if (identity.role !== 'service' || !isRelayName(identity.source))
      throw new Problem('unauthorized', `${identity.source} is a ${identity.role}, and only relays connect here`)
    const answer = options.authorise(identity)
    if (!answer.ok) throw new Problem('unauthorized', answer.reason)
    return identity
  }

  const secure = tls.createServer({
    ...secureContextOf({ ...options.tls, allow_tls12: false }),
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: [PEER_PROTOCOL],
    handshakeTimeout: PEER_CONNECT_MAX_MS,
  })
  secure.on('secureConnection', (socket) => {
    try {
      served.set(socket, admitted(peerOf(socket, clock.now(), fleet)))
      socket.once('close', () => served.delete(socket))
      serve(socket, options)
    } catch (error) {
      options.refused?.(messageOf(error), socket.remoteAddress ?? '')
      socket.on('error', () => undefined)
      socket.destroy()
    }
  })
  secure.on('tlsClientError', (error, socket) => {
    options.refused?.(error.message, socket.remoteAddress ?? '')
    socket.destroy()
  })
  const server = net.createServer({ noDelay: true, pauseOnConnect: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    secure.emit('connection', socket)
  })
  server.maxConnections = PEERS_MAX
  await listening(server, options)

  return {
    port: portNumber(server),
    get count() {
      return served.size
    },
    setTls: (next) => secure.setSecureContext(secureContextOf({ ...next, allow_tls12: false })),
    recheck() {
      for (const [socket, identity] of served) if (!options.authorise(identity).ok) socket.destroy()
    },
    async close() {
      await new Promise<void>((resolve) => {
        server.close(() => {
          cut()
          resolve()
        })
        // Each side ends a connection once it has all its answers; who does not is cut.
        const leaving = frameOf({ leaving: true })
        for (const socket of served.keys()) if (socket.writable) socket.write(leaving)
        const cut = clock.timer(PEER_LEAVE_MAX_MS, () => {
          for (const socket of sockets) socket.destroy()
        })
      })
    },
  }
}

/** One connection, until it ends. */
function serve(socket: tls.TLSSocket, options: PeerListenerOptions): void {
  const { clock, service, relay, version = PEER_VERSION } = options
  const read = frameReader()
  const writer = frameWriter(socket)
  const excess = openExcess()
  /** Said of a watch that is not whole yet. */
  const named = new Set<string>()
  const noWatch = () => undefined
  let unwatch: () => void = noWatch
  let greeted = false
  let open = 0
  let silent = 0
  let cancelSilence = clock.timer(PEER_CONNECT_MAX_MS, watch)

  const tell = (answer: Said) => {
    if (socket.destroyed) return
    writer.send(frameOf(answer))
    // Who takes no answers holds them in our memory.
    if (writer.waiting() > PEER_BUFFER_MAX_BYTES) socket.destroy()
  }

  /** The other side asks for signs of life, and so gives them. */
  function watch(): void {
    if (!greeted || silent++ * PEER_PING_MS >= PEER_SILENT_MAX_MS) socket.destroy()
    else cancelSilence = clock.timer(PEER_PING_MS, watch)
  }

  /** An event is worth less than an answer: where the way is full it is left out. */
  const tellEvent = (event: LiveEvent) => {
    if (socket.destroyed || writer.waiting() > PEER_BUFFER_MAX_BYTES / 2) return
    try {
      writer.send(frameOf({ event }))
    } catch (error) {
      // Too long for a frame: whoever published it goes on.
      options.fault(error)
    }
  }

  function watchHubs({ watch: said, more }: Extract<Asked, { readonly watch: unknown }>): void {
    if (said === 'all') named.clear()
    else for (const hub of said) named.add(hub)
    if (more) return
    unwatch()
    unwatch =
      said === 'all' || named.size > 0 ? service.watch(said === 'all' ? said : new Set(named), tellEvent) : noWatch
    named.clear()
  }

  async function answerOf(request: Extract<Asked, { readonly n: number }>): Promise<Said> {
    const { n } = request
    const late_ms = excess.take(clock.monotonic(), request.stamp)
    if ('find' in request) return { n, found: (await service.find(request.find)) ?? null }
    if ('hubs_after' in request) return { n, hubs: [...(await service.hubs(request.hubs_after))] }
    const deadline_ms = Math.floor(request.issue.deadline_ms - late_ms)
    if (deadline_ms <= 0) throw new Problem('unavailable', 'the command lay on its way to this relay past its time')
    const answer = await service.issue({ ...request.issue, deadline_ms }, request.answer)
    return answer.away ? { n, away: true } : { n, report: answer.report }
  }

  function take(request: Asked): void {
    if ('ping' in request) {
      excess.take(clock.monotonic(), request.ping)
      tell({ pong: true })
      return
    }
    if ('watch' in request) {
      watchHubs(request)
      return
    }
    const { n } = request
    if (open >= PEER_OPEN_MAX) {
      const text = `${PEER_OPEN_MAX} requests of this relay are without an answer; send it again later`
      tell({ n, problem: problemFrame(new Problem('limit', text)) })
      return
    }
    open++
    answerOf(request)
      .then(tell)
      .catch((error: unknown) => {
        if (!isProblem(error)) options.fault(error)
        const text = 'the other relay failed to answer; it was logged there'
        const found = isProblem(error) ? error : new Problem('internal', text, { outcome: 'unknown' })
        tell({ n, problem: problemFrame(found) })
      })
      .finally(() => open--)
  }

  function greet(value: unknown): void {
    const first = understood(askedFirst, value)
    excess.take(clock.monotonic(), first.stamp)
    if (first.hearth_peer < version) {
      const refused = `${relay} speaks version ${version} between relays, ${first.relay} version ${first.hearth_peer}: update it`
      socket.end(frameOf({ refused }))
      return
    }
    greeted = true
    writer.send(frameOf({ hearth_peer: version, relay }))
  }

  socket.on('data', (chunk) => {
    try {
      silent = 0
      for (const value of read(chunk)) {
        if (greeted) take(understood(asked, value))
        else greet(value)
      }
    } catch (error) {
      if (!isProblem(error)) options.fault(error)
      options.refused?.(messageOf(error), socket.remoteAddress ?? '')
      socket.destroy()
    }
  })
  socket.on('error', () => socket.destroy())
  socket.on('end', () => socket.destroy())
  socket.once('close', () => {
    cancelSilence()
    unwatch()
  })
}
