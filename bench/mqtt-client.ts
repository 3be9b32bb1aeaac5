/**
 * A plain MQTT 5 client for load: mutual TLS 1.3, TCP_NODELAY, nothing kept and nothing repeated. The same one
 * speaks to Hearth and to its peers, so that what a client costs is in neither's favour.
 */
import net from 'node:net'
import tls from 'node:tls'
import { generate, type IPublishPacket, parser as makeParser, type Packet } from 'mqtt-packet'
import type { ClientTls } from '../link/mqtt-connection.ts'

export type MqttClient = {
  /** QoS 1: resolves with the reason code of the PUBACK, 0 for success. */
  publish(topic: string, payload: Buffer): Promise<number>
  /** QoS 0. */
  send(topic: string, payload: Buffer): void
  subscribe(topic: string): Promise<void>
  /** Says goodbye; resolves when the connection is gone. */
  close(): Promise<void>
}

export type MqttClientOptions = {
  readonly port: number
  readonly tls: ClientTls
  readonly client: string
  readonly username?: string
  readonly message?: (topic: string, payload: Buffer) => void
}

const KEEP_ALIVE_S = 300

/** Connects to loopback. Rejects when the server refuses; a connection that is lost later rejects what waits. */
export async function connectClient(options: MqttClientOptions): Promise<MqttClient> {
  const socket = net.connect({ host: '127.0.0.1', port: options.port, noDelay: true })
  const secure = tls.connect({
    ...{ socket, ...options.tls, servername: '', host: '127.0.0.1' },
    ...{ ALPNProtocols: ['mqtt'], minVersion: 'TLSv1.3' as const },
  })
  const parser = makeParser({ protocolVersion: 5 })
  const waiting = new Map<number, { resolve(code: number): void; reject(error: Error): void }>()
  /** What the server said that may be without its PUBACK; what comes on top waits in order (MQTT 5.0 section 4.9). */
  let receive_max = 65_535
  let under_way = 0
  const held: (() => void)[] = []
  let connected: { resolve(): void; reject(error: Error): void } | undefined
  let nextId = 0

  function lose(error: Error) {
    connected?.reject(error)
    for (const one of waiting.values()) one.reject(error)
    waiting.clear()
  }
  function answer(id: number | undefined, code: number) {
    const one = waiting.get(id ?? 0)
    waiting.delete(id ?? 0)
    one?.resolve(code)
  }
  function handle(packet: Packet) {
    if (packet.cmd === 'connack') {
      receive_max = packet.properties?.receiveMaximum ?? receive_max
      if (packet.reasonCode === 0) connected?.resolve()
      else {
        const why = packet.properties?.reasonString ?? ''
        connected?.reject(new Error(`refused with 0x${packet.reasonCode?.toString(16)}: ${why}`))
      }
    } else if (packet.cmd === 'puback') answer(packet.messageId, packet.reasonCode ?? 0)
    else if (packet.cmd === 'suback') answer(packet.messageId, 0)
    else if (packet.cmd === 'publish') receive(packet)
    else if (packet.cmd === 'disconnect') lose(new Error(`told to leave with 0x${packet.reasonCode?.toString(16)}`))
  }
  function receive(packet: IPublishPacket) {
    if (packet.qos === 1) secure.write(generate({ cmd: 'puback', messageId: packet.messageId ?? 0 }, V5))
    options.message?.(packet.topic, Buffer.from(packet.payload))
  }
  function ask(make: (messageId: number) => Packet): Promise<number> {
    do nextId = (nextId % 65_535) + 1
    while (waiting.has(nextId))
    const messageId = nextId
    return new Promise((resolve, reject) => {
      waiting.set(messageId, { resolve, reject })
      secure.write(generate(make(messageId), V5))
    })
  }

  parser.on('packet', handle)
  parser.on('error', lose)
  secure.on('data', (chunk) => parser.parse(chunk))
  secure.on('error', lose)
  socket.on('error', lose)
  secure.on('close', () => lose(new Error('the connection was lost')))
  secure.write(
    generate(
      {
        ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, clean: true, keepalive: KEEP_ALIVE_S },
        clientId: options.client,
        ...(options.username === undefined ? {} : { username: options.username }),
      },
      V5,
    ),
  )
  await new Promise<void>((resolve, reject) => {
    connected = { resolve, reject }
  })

  return {
    send(topic, payload) {
      secure.write(generate({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false }, V5))
    },
    async publish(topic, payload) {
      if (under_way < receive_max) under_way++
      else await new Promise<void>((resolve) => held.push(resolve))
      try {
        return await ask((messageId) => ({
          ...{ cmd: 'publish', topic, payload, qos: 1, messageId, dup: false, retain: false },
        }))
      } finally {
        // Its place goes to the next, or is free.
        const next = held.shift()
        if (next) next()
        else under_way--
      }
    },
    async subscribe(topic) {
      await ask((messageId) => ({ cmd: 'subscribe', messageId, subscriptions: [{ topic, qos: 1 }] }))
    },
    close: () =>
      new Promise((resolve) => {
        secure.once('close', () => resolve())
        secure.end(generate({ cmd: 'disconnect', reasonCode: 0 }, V5))
      }),
  }
}

const V5 = { protocolVersion: 5 }
