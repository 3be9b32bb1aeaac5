/** A connection as a hub makes it, byte by byte: what the library of a hub would hide is what is to be checked. */
import net from 'node:net'
import tls from 'node:tls'
import { generate, type Packet, parser } from 'mqtt-packet'
import type { Clock } from '../../contract/clock.ts'
import { causeOf } from '../../contract/problem.ts'
import { CHECK_WAIT_MS } from '../limits.ts'
import type { ClientTls } from '../mqtt-connection.ts'
import { openWatch } from './watch.ts'

export type WireOptions = {
  readonly host: string
  readonly port: number
  readonly tls: Partial<ClientTls> & Pick<ClientTls, 'ca'>
  readonly servername?: string
  readonly session?: Buffer
  readonly protocol: 4 | 5
  readonly clock: Clock
}

export type Wire = {
  readonly socket: tls.TLSSocket
  /** What came, in order. */
  readonly packets: readonly Packet[]
  /** A ticket to resume with, once the server sent one. */
  ticket(): Buffer | undefined
  /** Undefined while it is open; then why it ended. */
  readonly ended: string | undefined
  send(...packets: readonly (Packet | Buffer)[]): void
  /** The first packet that fits and was not taken before; undefined when the connection ends, or it does not come in time. */
  take(fits: (packet: Packet) => boolean, wait_ms?: number): Promise<Packet | undefined>
  /** Resolves with the last packet once the connection has ended, undefined when it does not in time. */
  end(): Promise<Packet | undefined>
  close(): void
}

/** Opens TCP and TLS. Resolves once the handshake is done, or with a wire that ended and says why. */
export function openWire(options: WireOptions): Promise<Wire> {
  const { host, port, clock, protocol } = options
  const below = net.connect({ host, port, noDelay: true })
  const socket = tls.connect({
    socket: below,
    ...options.tls,
    host: options.servername ?? host,
    servername: options.servername ?? (net.isIP(host) ? '' : host),
    ALPNProtocols: ['mqtt'],
    minVersion: 'TLSv1.3',
    ...(options.session && { session: options.session }),
  })
  const packets: Packet[] = []
  const taken = new Set<Packet>()
  const { look, until } = openWatch(clock)
  const reader = parser({ protocolVersion: protocol })
  let ended: string | undefined
  let ticket: Buffer | undefined
  const over = (why: string) => {
    ended ??= why
    look()
  }
  reader.on('packet', (packet) => {
    packets.push(packet)
    look()
  })
  reader.on('error', (error) => over(`what came is no packet: ${error.message}`))
  socket.on('data', (chunk: Buffer) => reader.parse(chunk))
  socket.on('session', (session) => (ticket = session))
  below.on('error', (error) => over(causeOf(error)))
  socket.on('error', (error) => over(causeOf(error)))
  socket.on('close', () => over('closed'))

  const wire: Wire = {
    socket,
    packets,
    ticket: () => ticket,
    get ended() {
      return ended
    },
    send(...sent) {
      for (const one of sent) socket.write(Buffer.isBuffer(one) ? one : generate(one, { protocolVersion: protocol }))
    },
    async take(fits, wait_ms = CHECK_WAIT_MS) {
      const find = () => packets.find((packet) => !taken.has(packet) && fits(packet))
      await until(() => find() !== undefined || ended !== undefined, wait_ms)
      const found = find()
      if (found) taken.add(found)
      return found
    },
    async end() {
      await until(() => ended !== undefined, CHECK_WAIT_MS)
      return ended === undefined ? undefined : packets.at(-1)
    },
    close() {
      socket.destroy()
      below.destroy()
    },
  }
  return new Promise((resolve) => {
    let settled = false
    const settle = () => {
      if (settled) return
      settled = true
      resolve(wire)
    }
    socket.once('secureConnect', settle)
    void until(() => ended !== undefined, CHECK_WAIT_MS).then(() => {
      if (!settled) over('no handshake in time')
      settle()
    })
  })
}
