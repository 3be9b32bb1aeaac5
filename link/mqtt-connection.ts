/**
 * The hub's side of MQTT, over the `mqtt` package: one connection at a time, made anew with back-off for as long as the
 * signal does not abort. Every connection is a new session with a new epoch.
 */
import net from 'node:net'
import type tls from 'node:tls'
import { type IClientOptions, MqttClient, type Packet } from 'mqtt'
import type { BatchAnswer } from '../contract/batch.ts'
import { type Clock, type Random, sleep } from '../contract/clock.ts'
import { causeOf, messageOf, Problem } from '../contract/problem.ts'
import { backOff_ms, failuresAfter } from './back-off.ts'
import {
  CONNECT_TIMEOUT_MS,
  GOODBYE_MS,
  KEEP_ALIVE_S,
  PATIENCE_MS,
  PUBLISHES_WAITING_MAX,
  RECEIVE_MAX,
} from './limits.ts'
import { REASON } from './mqtt-reason.ts'
import { connectChecked } from './server-check.ts'

/** A client's key and certificate (PEM), and the authorities that the server's certificate must come from. */
export type ClientTls = { readonly key: string; readonly cert: string; readonly ca: string }

/** Where a connection goes; `servername` is what the server's certificate must name, where it is not the host. */
export type Endpoint = { readonly host: string; readonly port: number; readonly servername?: string }

export type MqttConnectionOptions = Endpoint & {
  /** Servers that are as good as that one. Each attempt goes to the next of all, in an order of chance. */
  readonly others?: readonly Endpoint[]
  /** Read at each attempt: a hub that renewed its certificate comes with the new one. */
  readonly tls: ClientTls
  /** The source: client id. */
  readonly hub: string
  /** Asked before each attempt; every connection has an epoch of its own (`outbox.nextEpoch`). */
  readonly epoch: () => string
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
  readonly subscribe?: readonly string[]
  readonly message?: (topic: string, payload: Buffer) => void
  /** Connected, and about to ask for what it subscribes to. */
  readonly subscribing?: () => void
  /** Connected and subscribed. */
  readonly connected?: (epoch: string) => void
  readonly disconnected?: (reason: string) => void
  /** An attempt failed: told of the first since the start or since it was connected. */
  readonly unreachable?: (address: string, reason: string) => void
  /**
   * The server knows boots up to `floor`: begin one above it (`outbox.raise`). Awaited before the next attempt, which
   * then comes at once. Without it a floor is ignored where the server accepts the connection all the same.
   */
  readonly floor?: (floor: number) => Promise<unknown> | undefined
  /** A moment that is past for certain, ms since 1970: for a hub whose clock may be behind it. */
  readonly floor_ms?: () => number
  readonly protocol?: 4 | 5
  readonly keepAlive_s?: number
}

export type MqttConnection = {
  readonly connected: boolean
  /**
   * QoS 1: resolves with the answer to the batch. What is over the server's receive maximum waits its turn. Raises
   * `unavailable`, outcome unknown, when the connection is lost first; `limit` when too many wait.
   */
  publish(topic: string, payload: Uint8Array, signal?: AbortSignal): Promise<BatchAnswer>
  /** QoS 0: false when there is no connection. */
  send(topic: string, payload: Uint8Array): boolean
  /** Drops this connection and makes a new one, with a new epoch. */
  reconnect(): void
  /** Resolves when the connection is closed for good, after the signal aborted. */
  readonly done: Promise<void>
}

/** How a connection ended. */
type End = {
  readonly reason: string
  readonly session_ms: number
  readonly floor: number | undefined
  readonly code: number | undefined
}

/** Begins to connect and keeps at it. TCP_NODELAY is set below TLS: without it a QoS 1 round trip takes 44 ms. */
export function connectMqtt(options: MqttConnectionOptions): MqttConnection {
  const { clock, random, signal } = options
  let client: MqttClient | undefined
  let ready = false
  let toldUnreachable = false
  /** Of the newest session, and the certificate that it stands for. */
  let ticket: { readonly session: Buffer; readonly cert: string; readonly of: Endpoint } | undefined
  let leaveSession: (() => void) | undefined
  const losing = new Set<(problem: Problem) => void>()
  /** Of this connection: how many messages may wait for their PUBACK, how many do, and what waits for its turn. */
  let receive_max = RECEIVE_MAX
  let unacknowledged = 0
  const turns = new Set<() => void>()

  const all: readonly Endpoint[] = [options, ...(options.others ?? [])]
  let round: Endpoint[] = []
  const nextEndpoint = (): Endpoint => {
    if (all.length === 1) return options
    if (round.length === 0) round = [...all]
    return round.splice(Math.floor(random.float() * round.length), 1)[0] ?? options
  }

  /** TLS over a socket of our own, so that an attempt can be ended while it waits for either of them. */
  function open(to: Endpoint): { readonly secure: tls.TLSSocket; destroy(): void } {
    const socket = net.connect({ host: to.host, port: to.port, noDelay: true })
    const { cert } = options.tls
    const now_ms = clock.now()
    const secure = connectChecked(
      {
        socket,
        ...options.tls,
        servername: to.servername ?? (net.isIP(to.host) ? '' : to.host),
        host: to.servername ?? to.host,
        ALPNProtocols: ['mqtt'],
        minVersion: 'TLSv1.3',
        ...(ticket?.cert === cert && ticket.of === to ? { session: ticket.session } : {}),
      },
      { now_ms, floor_ms: options.floor_ms?.() ?? now_ms },
    )
    secure.on('session', (session) => {
      ticket = { session, cert, of: to }
    })
    socket.on('error', (error) => secure.destroy(error))
    // Nobody there is known sooner than that somebody is busy.
    const cancel = clock.timer(CONNECT_TIMEOUT_MS, () => secure.destroy(new Error('the server took no connection')))
    socket.once('connect', cancel)
    socket.once('close', cancel)
    return {
      secure,
      destroy() {
        secure.destroy()
        socket.destroy()
      },
    }
  }

  /** One connection, from the attempt to its end. */
  function session(): Promise<End> {
    return new Promise((resolve) => {
      const epoch = options.epoch()
      const to = nextEndpoint()
      const settings: IClientOptions = {
        clientId: options.hub,
        username: epoch,
        protocolVersion: options.protocol ?? 5,
        clean: true,
        keepalive: options.keepAlive_s ?? KEEP_ALIVE_S,
        reconnectPeriod: 0,
        // Patience begins once the socket is taken; mqtt.js counts from the dial.
        connectTimeout: CONNECT_TIMEOUT_MS + PATIENCE_MS,
        resubscribe: false,
        queueQoSZero: false,
      }
      const wire = open(to)
      const mine = new MqttClient(() => wire.secure, settings)
      client = mine
      let opened_ms: number | undefined
      let floor: number | undefined
      let code: number | undefined
      let reason = 'the connection was lost'
      mine.on('packetreceive', (packet) => {
        if (packet.cmd === 'connack') {
          const text = packet.properties?.userProperties?.['hearth-floor']
          if (typeof text === 'string' && /^\d{1,9}$/.test(text)) floor = Number(text)
          code = packet.reasonCode ?? packet.returnCode
          // MQTT 5, 3.2.2.3.3; 3.1.1 cannot announce it.
          if (options.protocol !== 4) receive_max = packet.properties?.receiveMaximum ?? 65_535
          const said = packet.properties?.reasonString
          if (code) reason = `refused with 0x${code.toString(16)}${said ? `: ${said}` : ''}`
        } else if (packet.cmd === 'disconnect') {
          code = packet.reasonCode
          reason = `told to leave with 0x${(code ?? 0).toString(16)}: ${packet.properties?.reasonString ?? ''}`
        }
      })
      mine.on('connect', () => {
        opened_ms = clock.monotonic()
        if (floor !== undefined && options.floor) {
          reason = `the server knows boots up to ${floor}, this one is below`
          mine.end(true)
          return
        }
        const topics = options.subscribe ?? []
        const opened = () => {
          if (client !== mine || signal.aborted) return
          ready = true
          toldUnreachable = false
          options.connected?.(epoch)
        }
        if (topics.length === 0) {
          opened()
          return
        }
        options.subscribing?.()
        mine.subscribe([...topics], { qos: 1 }, (error, granted) => {
          const refused = granted?.find((one) => one.qos >= 0x80)
          if (error || refused) {
            reason = `cannot subscribe: ${error?.message ?? refused?.topic}`
            mine.end(true)
          } else opened()
        })
      })
      mine.on('message', (topic, payload) => options.message?.(topic, payload))
      mine.on('error', (error) => {
        if (code === undefined || code === 0) reason = error.message
      })
      /** A session says goodbye, an attempt is dropped: neither may hold up who waits for the end. */
      let cancelGoodbye: (() => void) | undefined
      const leave = () => {
        reason = 'left by this side'
        if (!ready) {
          ended()
          return
        }
        mine.end(false)
        cancelGoodbye = clock.timer(GOODBYE_MS, ended)
      }
      const ended = () => {
        if (over) return
        over = true
        cancelGoodbye?.()
        signal.removeEventListener('abort', leave)
        const wasReady = ready
        ready = false
        client = undefined
        leaveSession = undefined
        turns.clear()
        unacknowledged = 0
        for (const lose of losing) {
          lose(new Problem('unavailable', `no answer before the connection ended: ${reason}`, { outcome: 'unknown' }))
        }
        mine.end(true)
        wire.destroy()
        if (wasReady) options.disconnected?.(reason)
        else if (!toldUnreachable && !signal.aborted && floor === undefined) {
          toldUnreachable = true
          options.unreachable?.(`${to.host}:${to.port}`, reason)
        }
        resolve({ reason, session_ms: opened_ms === undefined ? 0 : clock.monotonic() - opened_ms, floor, code })
      }
      wire.secure.on('error', (error) => {
        if (code === undefined) reason = causeOf(error)
      })
      let over = false
      leaveSession = leave
      signal.addEventListener('abort', leave, { once: true })
      mine.on('close', ended)
    })
  }

  async function run() {
    let failures = 0
    let jumped = false
    while (!signal.aborted) {
      const ended = await session()
      if (signal.aborted) return
      if (ended.floor !== undefined && options.floor) {
        await options.floor(ended.floor)
        // At once, but not again and again: a server that is never content must not be asked without a pause.
        if (!jumped) {
          jumped = true
          continue
        }
      } else jumped = false
      failures = failuresAfter(failures, ended.session_ms)
      // Moved by a server that goes away: the fleet is spread by its pace, one jittered step is enough.
      if (ended.code === REASON.useAnotherServer) failures = 1
      await sleep(clock, backOff_ms(failures, random.float()), signal).catch(() => undefined)
    }
  }

  function publish(topic: string, payload: Uint8Array, abort?: AbortSignal): Promise<BatchAnswer> {
    return new Promise((resolve, reject) => {
      const mine = client
      if (!ready || !mine) {
        reject(
          new Problem(
            'unavailable',
            `not connected to ${all.map(({ host, port }) => `${host}:${port}`).join(' or ')}; wait for the connection`,
          ),
        )
        return
      }
      const settle = () => {
        losing.delete(lose)
        turns.delete(send)
        abort?.removeEventListener('abort', aborted)
      }
      const lose = (problem: Problem) => {
        settle()
        reject(problem)
      }
      const aborted = () => lose(new Problem('closed', 'given up before the answer', { outcome: 'unknown' }))
      if (abort?.aborted) {
        aborted()
        return
      }
      if (turns.size >= PUBLISHES_WAITING_MAX) {
        reject(new Problem('limit', `${turns.size} messages wait for their turn; publish it again later`))
        return
      }
      losing.add(lose)
      abort?.addEventListener('abort', aborted, { once: true })
      turns.add(send)
      sendInTurn()
      function send() {
        unacknowledged++
        mine?.publish(topic, Buffer.from(payload), { qos: 1 }, answered)
      }
      function answered(error?: Error, packet?: Packet) {
        settle()
        // One that nobody waits for any more counts until it is answered, but not against a later connection.
        if (client === mine) {
          unacknowledged--
          sendInTurn()
        }
        const code = error && 'code' in error ? error.code : 0
        const answer: Packet | undefined = packet
        const said = answer?.cmd === 'puback' ? answer.properties?.reasonString : undefined
        if (!error) resolve({ kind: 'durable' })
        else if (code === REASON.payloadNotValid || code === REASON.quotaExceeded) {
          resolve({ kind: 'refused', reason: said ?? messageOf(error) })
        } else reject(new Problem('unavailable', messageOf(error), { outcome: 'unknown', cause: error }))
      }
    })
  }

  function sendInTurn() {
    for (const send of turns) {
      if (unacknowledged >= receive_max) return
      turns.delete(send)
      send()
    }
  }

  return {
    get connected() {
      return ready
    },
    publish,
    send(topic, payload) {
      if (!ready || !client) return false
      client.publish(topic, Buffer.from(payload), { qos: 0 })
      return true
    },
    reconnect() {
      leaveSession?.()
    },
    done: run(),
  }
}
