/** What docs/hub-protocol.md promises to hubs about an endpoint, each by a connection that looks at it. */
import type { IConnackPacket, IConnectPacket, Packet } from 'mqtt-packet'
import { HELD_BACK_MS, KEEP_ALIVE_MAX_S } from '../limits.ts'
import { type Check, hex } from './check.ts'
import type { EndpointBench } from './endpoint-bench.ts'
import { openWire } from './wire.ts'

type EndpointCheck = Check<EndpointBench>

const middle = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0

const isConnack = (packet: Packet): packet is IConnackPacket => packet.cmd === 'connack'

/** True, or what there was instead of a packet of this code. */
function told(packet: Packet | undefined, cmd: Packet['cmd'], code: number): true | string {
  if (!packet) return 'the connection stayed open'
  const found = 'reasonCode' in packet ? packet.reasonCode : undefined
  if (packet.cmd === cmd && found === code) return true
  return `${packet.cmd?.toUpperCase()} ${hex(found)}`
}

/** CONNECT with something that is not offered. */
function refusal(
  check: string,
  what: string,
  code: number,
  extra: (bench: EndpointBench) => Partial<IConnectPacket>,
): EndpointCheck {
  return {
    check: `connect.${check}`,
    expected: `CONNECT with ${what} is refused with ${hex(code)}`,
    async run(bench) {
      const wire = await bench.dial()
      wire.send(bench.connectPacket(5, extra(bench)))
      const connack = await wire.take(isConnack)
      const seen = told(connack ?? (await wire.end()), 'connack', code)
      wire.close()
      return connack || seen !== true ? seen : 'no CONNACK'
    },
  }
}

/** A packet in a session that ends it. */
function breach(
  check: string,
  what: string,
  code: number,
  packet: (bench: EndpointBench) => Packet | Buffer,
): EndpointCheck {
  return {
    check: `session.${check}`,
    expected: `${what} ends the session with DISCONNECT ${hex(code)}`,
    async run(bench) {
      const wire = await bench.connect()
      wire.send(packet(bench))
      return told(await wire.end(), 'disconnect', code)
    },
  }
}

const publish = (topic: string, qos: 0 | 1 | 2, payload = '{}', retain = false): Packet => ({
  ...{ cmd: 'publish', topic, payload, qos, retain, dup: false },
  ...(qos > 0 && { messageId: 1 }),
})

/** What an endpoint of this kind takes and is changed by as little as can be. */
function harmless({ kind, counter, target }: EndpointBench): string {
  if (kind === 'relay') return JSON.stringify({ hearth: 1, type: 'state', device: 'hub-check', set: { checked: true } })
  const boot = `${target.generation}-${counter}-c4ec0000`
  const numbers = { first: 0, count: 0, next: 0, acked: 0, now: 1, wall: 0 }
  return `${JSON.stringify({ hearth: 1, boot, stream: 'control', ...numbers, firmware: 'hub-check', agent: 'hub-check', dropped: [], crc: '00000000', previous: [] })}\n`
}

const ANNOUNCED: readonly (readonly [keyof NonNullable<IConnackPacket['properties']>, unknown])[] = [
  ['sessionExpiryInterval', 0],
  ['maximumQoS', 1],
  ['retainAvailable', false],
  ['topicAliasMaximum', 8],
  ['wildcardSubscriptionAvailable', false],
  ['subscriptionIdentifiersAvailable', false],
  ['sharedSubscriptionAvailable', false],
]

const TLS: readonly EndpointCheck[] = [
  {
    check: 'tls.version',
    expected: "TLS 1.3, with a certificate of the fleet's CA for this name",
    async run(bench) {
      const wire = await bench.dial()
      const version = wire.socket.getProtocol()
      wire.close()
      return wire.socket.authorized && version === 'TLSv1.3' ? true : (version ?? 'no TLS')
    },
  },
  {
    check: 'tls.alpn',
    expected: 'ALPN mqtt is taken up',
    async run(bench) {
      const wire = await bench.dial()
      const protocol = wire.socket.alpnProtocol
      wire.close()
      return protocol === 'mqtt' || `${protocol || 'none'} was chosen: is there a proxy in between?`
    },
  },
  {
    check: 'tls.resumption',
    expected: 'a second handshake resumes the first session by its ticket',
    async run(bench) {
      const first = await bench.connect()
      const ticket = first.ticket()
      first.close()
      if (!ticket) return 'the server sent no ticket'
      const second = await bench.dial(5, ticket)
      const reused = second.socket.isSessionReused()
      second.send(bench.connectPacket(5))
      const connack = await second.take(isConnack)
      second.close()
      if (!reused) return 'a full handshake'
      return (connack?.cmd === 'connack' && connack.reasonCode === 0) || 'resumed, but then there was no session'
    },
  },
  {
    check: 'tls.certificate',
    expected: 'a client without a certificate gets no session',
    async run({ target, connectPacket }) {
      const { host, port, clock, servername } = target
      const wire = await openWire({
        host,
        port,
        clock,
        protocol: 5,
        tls: { ca: target.tls.ca },
        ...(servername && { servername }),
      })
      wire.send(connectPacket(5))
      const connack = await wire.take(isConnack)
      wire.close()
      return connack?.cmd === 'connack' ? `CONNACK ${hex(connack.reasonCode)}` : true
    },
  },
]

const CONNECT: readonly EndpointCheck[] = [
  {
    check: 'connack.limits',
    expected: `CONNACK announces the limits: ${ANNOUNCED.map(([name, value]) => `${name} ${String(value)}`).join(', ')}, and a receive maximum and packet size`,
    async run(bench) {
      const wire = await bench.connect()
      const { properties = {} } = wire.connack
      wire.close()
      const wrong = ANNOUNCED.filter(([name, value]) => properties[name] !== value).map(
        ([name]) => `${name} ${JSON.stringify(properties[name] ?? 'absent')}`,
      )
      if (!properties.receiveMaximum) wrong.push('no receive maximum')
      if (!properties.maximumPacketSize) wrong.push('no maximum packet size')
      return wrong.length === 0 || wrong.join(', ')
    },
  },
  {
    check: 'connack.keep-alive',
    expected: `a hub that names no keep-alive gets ${KEEP_ALIVE_MAX_S} s`,
    async run(bench) {
      const wire = await bench.connect(5, { keepalive: 0 })
      const given = wire.connack.properties?.serverKeepAlive
      wire.close()
      return given === KEEP_ALIVE_MAX_S || `${given ?? 'none'}`
    },
  },
  refusal('client-id', 'another client id', 0x85, () => ({ clientId: 'hub-check-other' })),
  refusal('generation', 'the epoch of another generation', 0x87, ({ target, counter }) => ({
    username: `${target.generation + 1}.${counter}.1`,
  })),
  refusal('no-epoch', 'no epoch as user name', 0x87, () => ({ username: 'somebody' })),
  refusal('will', 'a will', 0x87, ({ publishTopic }) => ({
    will: { topic: publishTopic, payload: Buffer.from('x'), qos: 0, retain: false },
  })),
  {
    check: 'connect.first',
    expected: 'another packet before CONNECT closes the connection',
    async run(bench) {
      const wire = await bench.dial()
      wire.send({ cmd: 'pingreq' })
      const last = await wire.end()
      wire.close()
      if (wire.ended === undefined) return 'the connection stayed open'
      return last?.cmd ? last.cmd.toUpperCase() : true
    },
  },
  {
    check: 'connect.take-over',
    expected: 'a newer connection of the hub ends the older with 0x8E',
    async run(bench) {
      const older = await bench.connect()
      const newer = await bench.connect()
      const seen = told(await older.end(), 'disconnect', 0x8e)
      newer.close()
      return seen
    },
  },
]

const SESSION: readonly EndpointCheck[] = [
  {
    check: 'subscribe.own',
    expected: "a hub's own topic is granted QoS 0, all others are refused: 0x87, wildcards 0xA2, shared 0x9E",
    async run(bench) {
      const wire = await bench.connect()
      const topic = bench.subscribeTopic
      const filters = [topic, `h/hub-check-other/${topic.split('/')[2]}`, 'h/+/command', `$share/a/${topic}`]
      wire.send({
        cmd: 'subscribe',
        messageId: 7,
        subscriptions: filters.map((one) => ({ topic: one, qos: 1 as const })),
      })
      const suback = await wire.take(({ cmd }) => cmd === 'suback')
      wire.close()
      const codes = suback?.cmd === 'suback' ? suback.granted.map(Number) : []
      return codes.join() === [0, 0x87, 0xa2, 0x9e].join() || codes.map(hex).join(', ') || 'no SUBACK'
    },
  },
  {
    check: 'publish.own',
    expected: 'a message of QoS 1 to the own topic is acknowledged with 0x00',
    async run(bench) {
      const wire = await bench.connect()
      wire.send(publish(bench.publishTopic, 1, harmless(bench)))
      const puback = await wire.take(({ cmd }) => cmd === 'puback')
      wire.close()
      return puback ? told(puback, 'puback', 0) : (wire.ended ?? 'no PUBACK in time')
    },
  },
  {
    check: 'publish.other',
    expected: "a message to another's topic is answered 0x87, and the session goes on",
    async run(bench) {
      const wire = await bench.connect()
      wire.send(publish('h/hub-check-other/result', 1), { cmd: 'pingreq' })
      const puback = await wire.take(({ cmd }) => cmd === 'puback')
      const alive = await wire.take(({ cmd }) => cmd === 'pingresp')
      wire.close()
      const seen = puback ? told(puback, 'puback', 0x87) : 'no PUBACK'
      return seen !== true || alive ? seen : 'and then the session ended'
    },
  },
  {
    check: 'network.no-delay',
    expected: `a second small packet takes at most ${HELD_BACK_MS} ms longer than a first: nobody on the way waits for more`,
    async run(bench) {
      const wire = await bench.connect()
      const { clock } = bench.target
      // A packet that is not answered goes before: its TCP acknowledgement is what Nagle's algorithm would wait for.
      const round = async (before: readonly Packet[]) => {
        const began_ms = clock.monotonic()
        for (const packet of before) wire.send(packet)
        wire.send({ cmd: 'pingreq' })
        await wire.take(({ cmd }) => cmd === 'pingresp')
        return clock.monotonic() - began_ms
      }
      const silent = publish(bench.publishTopic, 0, harmless(bench))
      const times: { readonly one: number; readonly two: number }[] = []
      for (let i = 0; i < 15; i++) times.push({ one: await round([]), two: await round([silent]) })
      wire.close()
      const [one, two] = [middle(times.map((time) => time.one)), middle(times.map((time) => time.two))]
      return (
        two - one <= HELD_BACK_MS ||
        `${one.toFixed(1)} ms for one, ${two.toFixed(1)} ms for two: TCP_NODELAY is missing somewhere`
      )
    },
  },
  breach('qos-2', 'QoS 2', 0x9b, ({ publishTopic }) => publish(publishTopic, 2)),
  breach('retain', 'a retained message', 0x9a, ({ publishTopic }) => publish(publishTopic, 0, '{}', true)),
  breach('wildcard', 'a topic name with a wildcard', 0x90, () => publish('h/+/result', 0)),
  breach('second-connect', 'a second CONNECT', 0x82, (bench) => bench.connectPacket(5)),
  // A QoS of 3.
  breach('malformed', 'a malformed packet', 0x81, () => Buffer.from([0x36, 0])),
  // Remaining length 268,435,455, of which nothing comes.
  breach('too-large', 'a packet over the maximum size', 0x95, () => Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f])),
  breach('alias', 'a topic alias above the maximum', 0x94, ({ publishTopic }) => ({
    ...{ cmd: 'publish', topic: publishTopic, payload: '{}', qos: 0, dup: false, retain: false },
    properties: { topicAlias: 9 },
  })),
  {
    check: 'session.keep-alive',
    expected: 'a hub that is silent for 1.5 keep-alives is told 0x8D',
    async run(bench) {
      const wire = await bench.connect(5, { keepalive: 1 })
      return told(await wire.end(), 'disconnect', 0x8d)
    },
  },
]

const RELAY: readonly EndpointCheck[] = [
  {
    check: 'relay.clock',
    expected: 'the relay tells its clock once the hub has subscribed',
    async run(bench) {
      const wire = await bench.connect()
      wire.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: bench.subscribeTopic, qos: 0 }] })
      const clock = await wire.take(({ cmd }) => cmd === 'publish')
      wire.close()
      if (clock?.cmd !== 'publish') return 'no message'
      const said: { type?: unknown; stamp?: unknown } = JSON.parse(clock.payload.toString())
      return (said.type === 'clock' && typeof said.stamp === 'number') || clock.payload.toString()
    },
  },
  {
    check: 'relay.not-json',
    expected: 'a result that is no JSON is answered 0x99',
    async run(bench) {
      const wire = await bench.connect()
      wire.send(publish(bench.publishTopic, 1, 'executed'))
      const puback = await wire.take(({ cmd }) => cmd === 'puback')
      wire.close()
      return puback ? told(puback, 'puback', 0x99) : 'no PUBACK'
    },
  },
  {
    check: 'relay.older-epoch',
    expected: 'an epoch below the last is refused with 0x87, and told the floor',
    async run(bench) {
      ;(await bench.connect()).close()
      const wire = await bench.connect(5, { username: `${bench.target.generation}.0.1` })
      const { connack } = wire
      wire.close()
      const floor = connack.properties?.userProperties?.['hearth-floor']
      const seen = told(connack, 'connack', 0x87)
      if (seen !== true) return seen
      return (
        floor === String(bench.counter) ||
        `hearth-floor ${JSON.stringify(floor ?? 'absent')}, and the counter is ${bench.counter}`
      )
    },
  },
]

const VERSION_4: readonly EndpointCheck[] = [
  {
    check: 'mqtt-3.1.1.session',
    expected: 'a hub of 3.1.1 subscribes (0, and 0x80 for others), publishes, and is answered',
    async run(bench) {
      const wire = await bench.connect(4)
      if (wire.connack.returnCode !== 0) return `return code ${wire.connack.returnCode}`
      wire.send({
        cmd: 'subscribe',
        messageId: 2,
        subscriptions: [
          { topic: bench.subscribeTopic, qos: 1 },
          { topic: 'h/hub-check-other/command', qos: 1 },
        ],
      })
      const suback = await wire.take(({ cmd }) => cmd === 'suback')
      wire.send(publish(bench.publishTopic, 1, harmless(bench)))
      const puback = await wire.take(({ cmd }) => cmd === 'puback')
      wire.close()
      const codes = suback?.cmd === 'suback' ? suback.granted.map(Number) : []
      if (codes.join() !== [0, 0x80].join()) return `SUBACK ${codes.map(hex).join(', ')}`
      return puback !== undefined || 'no PUBACK'
    },
  },
  {
    check: 'mqtt-3.1.1.kept-session',
    expected: 'clean session 0 is refused with return code 5: nothing is kept',
    async run(bench) {
      const wire = await bench.connect(4, { clean: false })
      const { returnCode } = wire.connack
      wire.close()
      return returnCode === 5 || `return code ${returnCode}`
    },
  },
]

/** The checks for an endpoint of this kind. */
export function endpointChecks(kind: EndpointBench['kind']): readonly EndpointCheck[] {
  return [...TLS, ...CONNECT, ...SESSION, ...(kind === 'relay' ? RELAY : []), ...VERSION_4]
}
