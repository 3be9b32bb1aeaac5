import { once } from 'node:events'
import tls from 'node:tls'
import { type Packet, parser } from 'mqtt-packet'
import { machineClock } from '../cli/machine.ts'
import { testFleet } from './fleet.fixture.ts'
import { type ConnectParts, connectPacket } from './mqtt-bytes.fixture.ts'
import { listenMqtt, type MqttEndpoint, type MqttEndpointOptions } from './mqtt-endpoint.ts'
import type { MqttSession } from './mqtt-session.ts'

export type Heard = {
  readonly messages: string[]
  readonly closed: string[]
  readonly subscribed: string[]
  readonly faults: unknown[]
  session?: MqttSession
}

/** An endpoint for the hub demo-01 (`result` and `command` are its topics), and clients of it that send bytes. */
export async function rawBench(options: Partial<MqttEndpointOptions> = {}) {
  const fleet = await testFleet()
  const hub = await fleet.hub('demo-01')
  const heard: Heard = { messages: [], closed: [], subscribed: [], faults: [] }
  const endpoint = await listenMqtt({
    host: '127.0.0.1',
    port: 0,
    tls: await fleet.server(),
    clock: machineClock,
    authorise: () => ({ ok: true }),
    publishTopics: ({ source }) => [`h/${source}/result`],
    subscribeTopics: ({ source }) => [`h/${source}/command`],
    handler: {
      opened: (session) => {
        heard.session = session
      },
      subscribed: (_session, topic) => heard.subscribed.push(topic),
      message: (_session, { payload }) => {
        heard.messages.push(payload.toString())
        return payload.toString().startsWith('bad') ? { code: 0x99, reason: `found ${payload.toString()}` } : undefined
      },
      closed: (_session, reason) => heard.closed.push(reason.kind),
    },
    fault: (error) => heard.faults.push(error),
    ...options,
  })
  const sockets = new Set<tls.TLSSocket>()
  return {
    endpoint,
    heard,
    /** A client whose CONNECT was sent, and CONNACK heard unless it was refused. */
    async connect(parts: ConnectParts = {}) {
      const client = await dial(endpoint, hub, parts.level === 4 ? 4 : 5)
      sockets.add(client.socket)
      client.socket.write(connectPacket(parts))
      await Promise.race([client.until(1), client.closed])
      return client
    },
    /** A client that has sent nothing. */
    async dial(protocol: 4 | 5 = 5) {
      const client = await dial(endpoint, hub, protocol)
      sockets.add(client.socket)
      return client
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await endpoint.close()
      fleet.close()
    },
  }
}

export type RawClient = Awaited<ReturnType<typeof dial>>

async function dial(endpoint: MqttEndpoint, hub: tls.ConnectionOptions, protocolVersion: 4 | 5) {
  const socket = tls.connect({ host: '127.0.0.1', port: endpoint.port, ...hub, ALPNProtocols: ['mqtt'] })
  const packets: Packet[] = []
  const chunks: Buffer[] = []
  const waiting = new Set<() => void>()
  const reader = parser({ protocolVersion })
  reader.on('packet', (packet) => {
    packets.push(packet)
    for (const look of waiting) look()
  })
  reader.on('error', (error) => socket.destroy(error))
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    reader.parse(chunk)
  })
  socket.on('error', () => undefined)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await once(socket, 'secureConnect')
  return {
    socket,
    /** What the server sent, in order. */
    packets,
    bytes: () => Buffer.concat(chunks),
    closed,
    /** Resolves once there are so many packets. */
    until: (count: number) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (packets.length < count) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
    send: (...packets: readonly Buffer[]) => socket.write(Buffer.concat(packets)),
    /** Sends, and resolves with what the server said before it closed. */
    async last(...packets: readonly Buffer[]): Promise<Packet | undefined> {
      socket.write(Buffer.concat(packets))
      await closed
      return this.packets.at(-1)
    },
  }
}
