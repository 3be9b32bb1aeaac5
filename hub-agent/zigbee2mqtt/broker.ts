/**
 * A connection to the home's own broker, made anew for as long as it is wanted. Each is a session of its own: what was
 * under way when one broke is not sent again, since a command that comes late is worse than one that does not come.
 */
import net from 'node:net'
import tls from 'node:tls'
import { type IClientOptions, MqttClient } from 'mqtt'
import { type Clock, type Random, randomHex, sleep } from '../../contract/clock.ts'
import { hostOf } from '../../contract/host.ts'
import { causeOf, messageOf, Problem } from '../../contract/problem.ts'
import { backOff_ms } from '../../link/back-off.ts'
import { CONNECT_TIMEOUT_MS, FAILURES_MAX, FILTERS_AT_ONCE, GOODBYE_MS, KEEP_ALIVE_S } from './limits.ts'

export type BrokerOptions = {
  /** `mqtt://host:1883` or `mqtts://host:8883`; a user and a password may be in it. */
  readonly url: URL
  readonly password?: string
  /** PEM of the authorities that the broker's certificate must come from; the system's where there is none. */
  readonly ca?: string
  /** The client id begins with it. */
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
  readonly connected: () => void
  readonly disconnected: (reason: string) => void
  /** Told of the first failed attempt of several. */
  readonly unreachable: (reason: string) => void
  readonly message: (topic: string, payload: Buffer, retained: boolean) => void
  readonly fault: (error: unknown) => void
}

export type Broker = {
  readonly connected: boolean
  /** QoS 1. Raises `unavailable`: outcome unknown when the connection broke before the broker's answer. */
  publish(topic: string, payload: string, retain?: boolean): Promise<void>
  subscribe(topics: readonly string[]): void
  unsubscribe(topics: readonly string[]): void
  /** Resolves when the connection is closed for good, after the signal aborted. */
  readonly done: Promise<void>
}

/** Host and port, without user and password: for people. */
export function addressOf({ hostname, port, protocol }: URL): string {
  return `${hostname}:${port || (protocol === 'mqtts:' ? 8883 : 1883)}`
}

/** Begins to connect and keeps at it. MQTT 3.1.1, which every broker speaks. */
export function connectBroker(options: BrokerOptions): Broker {
  const { url, clock, random, signal } = options
  const secure = url.protocol === 'mqtts:'
  const host = hostOf(url)
  const port = Number(url.port) || (secure ? 8883 : 1883)
  const clientId = `hearth-${options.name}-${randomHex(random, 4)}`
  let client: MqttClient | undefined
  let toldUnreachable = false
  /** Whoever waits for the broker's answer. */
  const losing = new Set<() => void>()

  function open(): net.Socket {
    // mqtt.js leaves Nagle's algorithm on, which costs 40 ms a round trip; it is of the socket below TLS.
    const socket = net.connect({ host, port, noDelay: true })
    if (!secure) return socket
    const over = tls.connect({
      socket,
      host,
      servername: net.isIP(host) ? '' : host,
      ...(options.ca ? { ca: options.ca } : {}),
    })
    socket.on('error', (error) => over.destroy(error))
    return over
  }

  function session(): Promise<void> {
    return new Promise((resolve) => {
      const settings: IClientOptions = {
        ...{ clientId, protocolVersion: 4, clean: true, keepalive: KEEP_ALIVE_S, connectTimeout: CONNECT_TIMEOUT_MS },
        ...{ reconnectPeriod: 0, resubscribe: false, queueQoSZero: false },
        ...(url.username ? { username: decodeURIComponent(url.username) } : {}),
        ...passwordOf(options),
      }
      let reason = 'the connection was lost'
      let ready = false
      let over = false
      const wire = open()
      const mine = new MqttClient(() => wire, settings)
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
        client = undefined
        for (const lose of losing) lose()
        mine.end(true)
        wire.destroy()
        if (ready) options.disconnected(reason)
        else if (!toldUnreachable && !signal.aborted) {
          toldUnreachable = true
          options.unreachable(reason)
        }
        resolve()
      }
      wire.on('error', (error) => {
        reason = causeOf(error)
      })
      mine.on('error', (error) => {
        reason = messageOf(error)
      })
      mine.on('connect', () => {
        if (over || signal.aborted) return
        ready = true
        toldUnreachable = false
        client = mine
        options.connected()
      })
      mine.on('message', (topic, payload, packet) => {
        if (client === mine) options.message(topic, payload, packet.retain)
      })
      mine.on('close', ended)
      if (signal.aborted) leave()
      else signal.addEventListener('abort', leave, { once: true })
    })
  }

  async function run() {
    let failures = 0
    while (!signal.aborted) {
      const begun_ms = clock.monotonic()
      await session()
      if (signal.aborted) return
      failures = clock.monotonic() - begun_ms > CONNECT_TIMEOUT_MS ? 1 : Math.min(failures + 1, FAILURES_MAX)
      await sleep(clock, backOff_ms(failures, random.float()), signal).catch(() => undefined)
    }
  }

  return {
    get connected() {
      return client !== undefined
    },
    publish: (topic, payload, retain = false) =>
      new Promise((resolve, reject) => {
        const mine = client
        if (!mine) {
          reject(new Problem('unavailable', `no connection to the broker at ${addressOf(url)}`))
          return
        }
        const lose = () => {
          settle(new Problem('unavailable', 'the broker was lost before it answered', { outcome: 'unknown' }))
        }
        const settle = (problem?: Problem) => {
          losing.delete(lose)
          if (problem) reject(problem)
          else resolve()
        }
        losing.add(lose)
        mine.publish(topic, payload, { qos: 1, retain }, (error) => {
          settle(error ? new Problem('unavailable', messageOf(error), { outcome: 'unknown', cause: error }) : undefined)
        })
      }),
    subscribe(topics) {
      const mine = client
      if (!mine) return
      for (let at = 0; at < topics.length; at += FILTERS_AT_ONCE) {
        mine.subscribe(topics.slice(at, at + FILTERS_AT_ONCE), { qos: 1 }, (error, granted) => {
          const refused = granted?.filter(({ qos }) => qos >= 0x80).map(({ topic }) => topic)
          if (client !== mine) return
          if (error) options.fault(error)
          else if (refused?.length) {
            options.fault(new Problem('unauthorized', `the broker lets this user not hear ${refused.join(', ')}`))
          }
        })
      }
    },
    unsubscribe(topics) {
      const mine = client
      if (topics.length > 0) mine?.unsubscribe([...topics], (error) => error && client === mine && options.fault(error))
    },
    done: run(),
  }
}

function passwordOf({ url, password }: BrokerOptions): { readonly password?: Buffer } {
  const given = password ?? (url.password ? decodeURIComponent(url.password) : undefined)
  return given === undefined ? {} : { password: Buffer.from(given) }
}
