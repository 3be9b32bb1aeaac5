import type { IConnackPacket, IConnectPacket } from 'mqtt-packet'
import type { Clock } from '../../contract/clock.ts'
import { topics } from '../../contract/command.ts'
import { Problem } from '../../contract/problem.ts'
import { formatEpoch } from '../../contract/source.ts'
import type { ClientTls } from '../mqtt-connection.ts'
import { hex } from './check.ts'
import { openWire, type Wire } from './wire.ts'

export type EndpointTarget = {
  readonly host: string
  readonly port: number
  readonly servername?: string
  readonly tls: ClientTls
  readonly hub: string
  readonly generation: number
  readonly clock: Clock
}

/** What the checks of an endpoint share: the target, which of both it is, and an epoch above all before. */
export type EndpointBench = {
  readonly target: EndpointTarget
  /** A relay takes results and tells commands, a gateway takes telemetry. */
  readonly kind: 'relay' | 'gateway'
  /** The boot counter of this check, above the server's. */
  readonly counter: number
  readonly publishTopic: string
  readonly subscribeTopic: string
  /** A wire whose handshake is done, and nothing sent. */
  dial(protocol?: 4 | 5, session?: Buffer): Promise<Wire>
  /** A CONNECT as a hub sends it, in a new epoch. */
  connectPacket(protocol: 4 | 5, extra?: Partial<IConnectPacket>): IConnectPacket
  /** A wire with a session. Raises when there is none. */
  connect(protocol?: 4 | 5, extra?: Partial<IConnectPacket>): Promise<Wire & { readonly connack: IConnackPacket }>
  close(): void
}

/** Reaches the endpoint and finds out what it is. Raises `unavailable` with why it cannot be reached, `unauthorized`. */
export async function openEndpointBench(target: EndpointTarget): Promise<EndpointBench> {
  const { hub, generation, host, port, clock } = target
  const wires = new Set<Wire>()
  let counter = 1
  let connects = 0
  const epoch = () => formatEpoch({ generation, counter, connect: ++connects })

  async function dial(protocol: 4 | 5 = 5, session?: Buffer): Promise<Wire> {
    const { tls, servername } = target
    const wire = await openWire({
      host,
      port,
      tls,
      protocol,
      clock,
      ...(servername && { servername }),
      ...(session && { session }),
    })
    wires.add(wire)
    return wire
  }

  function connectPacket(protocolVersion: 4 | 5, extra: Partial<IConnectPacket> = {}): IConnectPacket {
    return {
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion,
      clean: true,
      clientId: hub,
      username: epoch(),
      keepalive: 30,
      ...extra,
    }
  }

  async function connect(protocol: 4 | 5 = 5, extra: Partial<IConnectPacket> = {}) {
    const wire = await dial(protocol)
    if (wire.ended !== undefined) throw new Problem('unavailable', `${host}:${port} cannot be reached: ${wire.ended}`)
    wire.send(connectPacket(protocol, extra))
    const connack = await wire.take(({ cmd }) => cmd === 'connack')
    if (connack?.cmd !== 'connack') {
      throw new Problem('unavailable', `${host}:${port} gave no CONNACK: ${wire.ended ?? 'none came in time'}`)
    }
    return Object.assign(wire, { connack })
  }

  function close() {
    for (const wire of wires) wire.close()
  }

  try {
    const first = await knock()
    first.send({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [
        { topic: topics.command(hub), qos: 0 },
        { topic: topics.refused(hub), qos: 0 },
      ],
    })
    const suback = await first.take(({ cmd }) => cmd === 'suback')
    const granted = suback?.cmd === 'suback' ? suback.granted : []
    if (granted[0] !== 0 && granted[1] !== 0) {
      const text = `${host}:${port} is neither a relay nor a gateway: SUBSCRIBE to ${topics.command(hub)} and ${topics.refused(hub)} got ${granted.map((code) => hex(Number(code))).join(', ') || 'no answer'}`
      throw new Problem('invalid', text)
    }
    const kind = granted[0] === 0 ? 'relay' : 'gateway'
    first.close()
    return {
      ...{ target, kind, dial, connectPacket, connect, close },
      get counter() {
        return counter
      },
      publishTopic: kind === 'relay' ? topics.result(hub) : topics.telemetry(hub),
      subscribeTopic: kind === 'relay' ? topics.command(hub) : topics.refused(hub),
    }
  } catch (error) {
    close()
    throw error
  }

  /** A first session, above what the server knows of the hub's boots. */
  async function knock(): Promise<Wire> {
    const wire = await connect()
    const floor = Number(wire.connack.properties?.userProperties?.['hearth-floor'] ?? Number.NaN)
    if (Number.isInteger(floor) && floor >= counter) {
      counter = floor + 1
      wire.close()
      return knock()
    }
    if (wire.connack.reasonCode === 0) return wire
    const why = wire.connack.properties?.reasonString ?? 'no reason was given'
    throw new Problem('unauthorized', `${hub} is refused with ${hex(wire.connack.reasonCode)}: ${why}`)
  }
}
