import type { AddressInfo } from 'node:net'
import net from 'node:net'
import tls from 'node:tls'
import { type Clock, sleep } from '../contract/clock.ts'
import { authorityOf } from '../contract/host.ts'
import { messageOf, Problem } from '../contract/problem.ts'
import { handshakeFault } from './handshake-fault.ts'
import { handshakeGate } from './handshake-gate.ts'
import { type Authorise, type PeerIdentity, peerOf } from './identity.ts'
import { inParts } from './in-parts.ts'
import {
  CONNECT_TIMEOUT_MS,
  DRAIN_PER_SECOND,
  HANDSHAKES_MAX,
  HANDSHAKES_WAITING_MAX,
  HELD_MAX_BYTES,
  PACKET_MAX_BYTES,
  RECEIVE_MAX,
  RECHECKED_AT_ONCE,
  SESSIONS_MAX,
  TICKET_KEYS_MS,
} from './limits.ts'
import type { MqttHandler, MqttSession, SessionContext } from './mqtt-handler.ts'
import { type CloseReason, REASON } from './mqtt-reason.ts'
import { serveSession } from './mqtt-session.ts'
import { keepTicketKeys } from './ticket-keys.ts'

/** A server's key and certificate (PEM), and the authorities that its peers' certificates must come from. */
export type ServerTls = {
  readonly key: string
  readonly cert: string
  readonly ca: string | readonly string[]
  /** TLS 1.2 as well, for hardware that has no 1.3. */
  readonly allow_tls12?: boolean
}

export type MqttEndpointOptions = {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly tls: ServerTls
  readonly clock: Clock
  /** Certificates of other fleets are turned away. */
  readonly fleet?: string
  readonly authorise: Authorise
  readonly handler: MqttHandler
  readonly publishTopics: (identity: PeerIdentity) => readonly string[]
  readonly subscribeTopics: (identity: PeerIdentity) => readonly string[]
  readonly packet_max_bytes?: number
  readonly receive_max?: number
  readonly sessions_max?: number
  /** A handler raised something: a fault of ours, to be logged. */
  readonly fault?: (error: unknown) => void
  /** A connection was turned away before it was a session. */
  readonly refused?: (reason: string, address: string) => void
}

export type MqttEndpoint = {
  readonly port: number
  /** `mqtts://host:port` */
  readonly url: string
  sessions(): Iterable<MqttSession>
  session(client: string): MqttSession | undefined
  readonly count: number
  /** Sockets that wait for their handshake, and connections that were turned away since the start. */
  readonly waiting: number
  readonly refused: number
  /** Asks `authorise` again for every session and cuts the ones that are no longer good: within a few turns, when they are many. */
  recheck(): void
  /** Another certificate, other authorities: for handshakes from now on; sessions go on. */
  setTls(tls: ServerTls): void
  /** Takes no more connections and moves the sessions away (0x9C), so many a second; those that are `busy` when they are not, or `idle` is there. */
  drain(options?: DrainOptions): Promise<void>
  close(): Promise<void>
}

export type DrainOptions = {
  readonly per_second?: number
  readonly busy?: (client: string) => boolean
  readonly idle?: Promise<unknown>
  /** Ends the pauses: raises its reason. */
  readonly signal?: AbortSignal
}

const DRAIN_STEP_MS = 20
const MOVED = {
  kind: 'draining',
  planned: true,
  code: REASON.useAnotherServer,
  text: 'this server is going away',
} as const

/** The context is else made of the command line, and tickets of another run are refused for it. */
const TICKETS = { sessionIdContext: 'hearth', sessionTimeout: TICKET_KEYS_MS / 1000 } as const

/** Serves MQTT 5 and 3.1.1 over mutual TLS. Raises `unavailable` when the port cannot be had. */
export async function listenMqtt(options: MqttEndpointOptions): Promise<MqttEndpoint> {
  const { clock, authorise } = options
  const sessions = new Map<string, MqttSession>()
  const sockets = new Set<net.Socket>()
  const waiters = new Set<() => void>()
  const corked: (() => void)[] = []
  let held_bytes = 0
  let draining = false

  let refusals = 0
  const fault = options.fault ?? (() => undefined)
  const refused = (reason: string, address = '', count = 1) => {
    refusals += count
    options.refused?.(reason, address)
  }
  const context: SessionContext = {
    clock,
    handler: options.handler,
    packet_max_bytes: options.packet_max_bytes ?? PACKET_MAX_BYTES,
    receive_max: options.receive_max ?? RECEIVE_MAX,
    publishTopics: options.publishTopics,
    subscribeTopics: options.subscribeTopics,
    admit(session) {
      // Revoked between its handshake and its CONNECT, when there was no session to cut.
      const answer = authorise(session.identity)
      if (!answer.ok) return { code: REASON.notAuthorised, reason: answer.reason }
      const older = sessions.get(session.client)
      if (draining) return { code: REASON.useAnotherServer, reason: 'this server is going away' }
      if (!older && sessions.size >= (options.sessions_max ?? SESSIONS_MAX)) {
        return { code: REASON.serverBusy, reason: 'no room for another session; try later' }
      }
      older?.close({
        // A hub that connects anew had lost this connection, whether or not it was noticed here.
        kind: 'taken-over',
        planned: false,
        code: REASON.takenOver,
        text: 'a newer session of this hub came',
      })
      sessions.set(session.client, session)
      return undefined
    },
    leave(session) {
      if (sessions.get(session.client) === session) sessions.delete(session.client)
    },
    room(later) {
      if (held_bytes < HELD_MAX_BYTES) return true
      waiters.add(later)
      return false
    },
    hold(bytes) {
      held_bytes += bytes
    },
    unhold(bytes) {
      held_bytes -= bytes
      if (waiters.size === 0 || held_bytes > HELD_MAX_BYTES / 2) return
      const all = [...waiters]
      waiters.clear()
      for (const later of all) later()
    },
    afterReading(callback) {
      if (corked.push(callback) > 1) return
      setImmediate(() => {
        for (const one of corked.splice(0)) one()
      })
    },
    refused,
    fault,
  }

  const secure = tls.createServer({
    ...secureContextOf(options.tls),
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: ['mqtt'],
    handshakeTimeout: CONNECT_TIMEOUT_MS,
    ...TICKETS,
  })
  let forgetTicketKeys = keepTicketKeys(secure, ticketSecret(options.tls), clock)
  const gate = handshakeGate({
    clock,
    atWork_max: HANDSHAKES_MAX,
    waiting_max: HANDSHAKES_WAITING_MAX,
    timeout_ms: CONNECT_TIMEOUT_MS,
    turnedAway: (count, reason) => refused(`${count} sockets: ${reason}`, '', count),
    begin(socket, done) {
      finished.set(portOf(socket), done)
      secure.emit('connection', socket)
    },
  })
  /** By the peer's address and port, which TLS's own socket shares with the one below it. */
  const finished = new Map<string, () => void>()
  const over = (socket: net.Socket) => {
    finished.get(portOf(socket))?.()
    finished.delete(portOf(socket))
  }

  secure.on('secureConnection', (socket) => {
    over(socket)
    try {
      const identity = peerOf(socket, clock.now(), options.fleet)
      const answer = authorise(identity)
      if (!answer.ok) throw new Problem('unauthorized', answer.reason)
      serveSession(socket, identity, context)
    } catch (error) {
      refused(messageOf(error), socket.remoteAddress)
      socket.on('error', () => socket.destroy())
      socket.destroy()
    }
  })
  secure.on('tlsClientError', (error, socket) => {
    over(socket)
    refused(handshakeFault(error, socket), socket.remoteAddress)
    socket.destroy()
  })

  const server = net.createServer({ noDelay: true, pauseOnConnect: true }, (socket) => {
    sockets.add(socket)
    const name = portOf(socket)
    socket.once('close', () => {
      sockets.delete(socket)
      finished.delete(name)
    })
    if (draining) socket.destroy()
    else gate.admit(socket)
  })
  await listening(server, { ...options, fault })
  const port = portNumber(server)

  function closeAll(reason: CloseReason) {
    for (const session of sessions.values()) session.close(reason)
  }

  return {
    port,
    url: `mqtts://${authorityOf(options.host, port)}`,
    sessions: () => sessions.values(),
    session: (client) => sessions.get(client),
    get count() {
      return sessions.size
    },
    get waiting() {
      return gate.waiting
    },
    get refused() {
      return refusals
    },
    setTls(next) {
      secure.setSecureContext({ ...secureContextOf(next), ...TICKETS })
      forgetTicketKeys()
      forgetTicketKeys = keepTicketKeys(secure, ticketSecret(next), clock)
    },
    recheck: inParts({ all: () => sessions.values(), part: RECHECKED_AT_ONCE }, (session) => {
      const answer = authorise(session.identity)
      if (answer.ok) return
      session.close({ kind: 'revoked', planned: false, code: REASON.notAuthorised, text: answer.reason })
    }),
    async drain({ per_second = DRAIN_PER_SECOND, busy, idle, signal } = {}) {
      draining = true
      const at_once = Math.ceil((per_second * DRAIN_STEP_MS) / 1_000)
      let isOver = false
      idle?.then(
        () => (isOver = true),
        () => (isOver = true),
      )
      while (sessions.size > 0) {
        let moved = 0
        for (const session of sessions.values()) {
          if (!isOver && busy?.(session.client) === true) continue
          session.close(MOVED)
          if (++moved === at_once) break
        }
        await sleep(clock, DRAIN_STEP_MS, signal)
      }
    },
    async close() {
      draining = true
      forgetTicketKeys()
      closeAll({ kind: 'stopped', planned: true, code: REASON.shuttingDown, text: 'this server stops' })
      gate.close()
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        // Sessions were told; what has not left by then is cut.
        const cancel = clock.timer(200, () => {
          for (const socket of sockets) socket.destroy()
        })
        server.once('close', cancel)
      })
    },
  }
}

/** With the authorities: a session that one of them vouched for ends with the trust in it, and is not resumed. */
function ticketSecret({ key, ca }: ServerTls): string {
  return [key, ...(typeof ca === 'string' ? [ca] : ca)].join('\n')
}

/** As node:tls takes them. */
export function secureContextOf({ key, cert, ca, allow_tls12 }: ServerTls): tls.SecureContextOptions {
  return { key, cert, ca: typeof ca === 'string' ? ca : [...ca], minVersion: allow_tls12 ? 'TLSv1.2' : 'TLSv1.3' }
}

function portOf(socket: net.Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`
}

/**
 * Resolves when `server` listens; raises `unavailable` with the reason, a port in use by name. A connection that cannot
 * be accepted later (no file descriptor is left) goes to `fault`, and the server listens on.
 */
export function listening(
  server: net.Server,
  { host, port, fault }: { readonly host: string; readonly port: number; readonly fault: (error: unknown) => void },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => {
      const what = error.code === 'EADDRINUSE' ? 'is in use; stop what has it, or choose another port' : error.message
      reject(new Problem('unavailable', `cannot listen on ${host}:${port}: ${what}`, { cause: error }))
    }
    server.once('error', failed)
    server.listen({ host, port }, () => {
      server.off('error', failed).on('error', fault)
      resolve()
    })
  })
}

export function portNumber(server: net.Server): number {
  const address: AddressInfo | string | null = server.address()
  if (address === null || typeof address === 'string') throw new Problem('internal', 'the server has no port')
  return address.port
}
