/** One MQTT connection from its CONNECT to its end. Clauses in brackets are of MQTT 5.0. */
import type { TLSSocket } from 'node:tls'
import {
  type IConnackPacket,
  type IConnectPacket,
  type IPublishPacket,
  type ISubscribePacket,
  parser as makeParser,
  type Packet,
} from 'mqtt-packet'
import { messageOf } from '../contract/problem.ts'
import type { PeerIdentity } from './identity.ts'
import { CONNECT_TIMEOUT_MS, FILTERS_MAX, LINGER_CLOSE_MS, SESSION_BUFFER_MAX_BYTES } from './limits.ts'
import { openAliases } from './mqtt-alias.ts'
import { answerToBadConnect, encode, NO_LIMITS, reasonString } from './mqtt-answer.ts'
import { announced, checkConnect, floorProperty, grant, keepAliveOf, limitsOf, pubackOf } from './mqtt-connect.ts'
import { flawOf } from './mqtt-form.ts'
import { packetFramer } from './mqtt-framing.ts'
import type { MessageAnswer, MqttSession, PublishOutcome, SessionContext } from './mqtt-handler.ts'
import { type HotPublish, pubackPacket, publishPacket, readPublish, topicBytes } from './mqtt-hot.ts'
import { type CloseReason, connackCode4, REASON } from './mqtt-reason.ts'

export type { MqttSession, PublishOutcome } from './mqtt-handler.ts'

type State = 'waiting' | 'connecting' | 'open' | 'closed'

/** Takes over a socket whose handshake is done and whose certificate was found good. */
export function serveSession(socket: TLSSocket, identity: PeerIdentity, context: SessionContext): void {
  const { clock, handler } = context
  const settings: { protocolVersion: 4 | 5 } = { protocolVersion: 5 }
  const parser = makeParser(settings)
  const frame = packetFramer(() => context.packet_max_bytes)
  const publishable = new Set(context.publishTopics(identity))
  const [first = ''] = publishable
  const hot = { name: first, bytes: topicBytes(first) }
  const subscribable = new Set(context.subscribeTopics(identity))
  /** What the hub hears, as the topic lies in a packet. */
  const subscriptions = new Map<string, Buffer>()
  const topicOf = openAliases()
  /** Packet ids of the hub that wait for our PUBACK. */
  const unanswered = new Set<number>()
  let peer = NO_LIMITS
  let queue: Buffer[] = []
  let state: State = 'waiting'
  let epoch = ''
  let protocol: 4 | 5 = 5
  let opened_ms = 0
  let lastHeard_ms = clock.monotonic()
  let keepAlive_ms = 0
  let wasFull = false
  let working = false
  let corked = false
  let cancelTimer = clock.timer(CONNECT_TIMEOUT_MS, () =>
    end({ kind: 'lost', planned: false, text: 'no CONNECT in time' }),
  )

  const session: MqttSession = {
    client: identity.source,
    identity,
    get epoch() {
      return epoch
    },
    get protocol() {
      return protocol
    },
    get opened_ms() {
      return opened_ms
    },
    get open() {
      return state === 'open'
    },
    get buffered_bytes() {
      return socket.writableLength
    },
    address: socket.remoteAddress ?? '',
    publish,
    close: end,
  }

  parser.on('packet', (packet) => handle(packet))
  parser.on('error', (error: unknown) => breakRule(REASON.malformed, `malformed packet: ${messageOf(error)}`))
  socket.on('data', (chunk: Buffer) => {
    const framed = frame(chunk)
    // A packet counts, not a byte of one [MQTT-3.1.2-22].
    if (framed.packets.length > 0) lastHeard_ms = clock.monotonic()
    queue.push(...framed.packets)
    work()
    if (framed.problem === 'too-large') {
      breakRule(REASON.packetTooLarge, `a packet is at most ${context.packet_max_bytes} bytes`)
    } else if (framed.problem) breakRule(REASON.malformed, 'the remaining length is longer than four bytes')
  })
  socket.on('drain', () => {
    if (!wasFull || state !== 'open') return
    wasFull = false
    handler.drained?.(session)
  })
  socket.on('error', (error) => end({ kind: 'lost', planned: false, text: error.message }))
  socket.on('end', () => end({ kind: 'lost', planned: false, text: 'the hub closed the connection' }))
  socket.on('close', () => end({ kind: 'lost', planned: false, text: 'the connection was lost' }))

  /** Handles what was read, one packet after another, and stops reading while something must be waited for. */
  function work() {
    if (working) return
    working = true
    while (queue.length > 0 && mayWork()) {
      const bytes = queue[0] ?? Buffer.alloc(0)
      if (!context.room(work)) break
      queue.shift()
      parse(bytes)
    }
    working = false
    if (state !== 'closed' && (queue.length > 0 || state === 'connecting')) socket.pause()
    else if (socket.isPaused()) socket.resume()
  }

  function mayWork(): boolean {
    if (state === 'closed' || state === 'connecting') return false
    // A hub of MQTT 3.1.1 knows no Receive Maximum: it is not read instead.
    return protocol === 5 || unanswered.size < context.receive_max
  }

  function parse(bytes: Buffer) {
    const message = state === 'open' ? readPublish(bytes, hot, protocol) : undefined
    if (message) {
      if (isAdmitted(message.qos, message.id)) deliver(message)
      return undefined
    }
    const flaw = flawOf(bytes, state === 'waiting' ? undefined : protocol)
    if (flaw && state === 'waiting') return turnAway(answerToBadConnect(bytes, flaw))
    if (flaw) return breakRule(flaw.code, flaw.text)
    try {
      const left = parser.parse(bytes)
      if (left > 0) breakRule(REASON.malformed, 'the packet ends before its remaining length')
    } catch (error) {
      breakRule(REASON.malformed, `malformed packet: ${messageOf(error)}`)
    }
    return undefined
  }

  function handle(packet: Packet) {
    if (state === 'closed') return
    // Before it nothing else comes to here, and no second one [MQTT-3.1.0-1] [MQTT-3.1.0-2].
    if (packet.cmd === 'connect') void connect(packet)
    else if (packet.cmd === 'publish') receive(packet)
    else if (packet.cmd === 'subscribe') subscribe(packet)
    else if (packet.cmd === 'unsubscribe') {
      const known = packet.unsubscriptions.map((filter) => subscriptions.delete(filter))
      send({
        cmd: 'unsuback',
        messageId: packet.messageId ?? 0,
        granted: known.map((was) => (was ? 0 : 0x11)),
      })
    } else if (packet.cmd === 'pingreq') send({ cmd: 'pingresp' })
    else if (packet.cmd === 'disconnect') goodBye(packet.reasonCode ?? 0, packet.properties?.sessionExpiryInterval ?? 0)
  }

  async function connect(packet: IConnectPacket) {
    state = 'connecting'
    protocol = packet.protocolVersion === 5 ? 5 : 4
    settings.protocolVersion = protocol
    epoch = packet.username ?? ''
    if (protocol === 5) peer = limitsOf(packet)
    const refusal = checkConnect(packet, identity)
    if (refusal) return refuse(refusal.code, refusal.reason)
    let floor: number | undefined
    try {
      const answer = await handler.connect?.({ identity, epoch, protocol, address: session.address })
      if (isClosed()) return undefined
      floor = answer?.floor
      if (answer && !answer.accept) return refuse(answer.code, answer.reason, floor)
    } catch (error) {
      context.fault(error)
      return refuse(REASON.serverBusy, 'try again later')
    }
    const full = context.admit(session)
    if (full) return refuse(full.code, full.reason, floor)
    const { keepAlive_s, told } = keepAliveOf(packet.keepalive ?? 0)
    keepAlive_ms = keepAlive_s * 1_500
    state = 'open'
    opened_ms = clock.monotonic()
    cancelTimer()
    watchKeepAlive(keepAlive_ms)
    connack({
      reasonCode: 0,
      properties: announced(context, told ? keepAlive_s : undefined, floor),
    })
    handler.opened?.(session)
    work()
    return undefined
  }

  function refuse(code: number, reason: string, floor?: number) {
    context.refused(`${identity.source}: ${reason}`, session.address)
    connack({ reasonCode: code, properties: { reasonString: reasonString(reason), ...floorProperty(floor) } })
    finish()
    return undefined
  }

  /** What is no CONNECT of a version that is served, and may be told so. */
  function turnAway(answer: Buffer | undefined) {
    if (answer) socket.write(answer)
    finish()
  }

  function connack(fields: {
    readonly reasonCode: number
    readonly properties: NonNullable<IConnackPacket['properties']>
  }) {
    if (protocol === 5) send({ cmd: 'connack', sessionPresent: false, ...fields })
    else send({ cmd: 'connack', sessionPresent: false, returnCode: connackCode4(fields.reasonCode) })
  }

  function receive(packet: IPublishPacket) {
    const qos = packet.qos
    if (qos === 2) return breakRule(REASON.qosNotSupported, 'QoS 0 and 1 are offered [MQTT-3.2.2-11]')
    if (packet.retain) return breakRule(REASON.retainNotSupported, 'retained messages are not offered [MQTT-3.2.2-14]')
    const topic = topicOf(packet)
    if (typeof topic !== 'string') return breakRule(topic.code, topic.text)
    const id = packet.messageId ?? 0
    if (!isAdmitted(qos, id)) return undefined
    if (!publishable.has(topic)) {
      const reason = `${identity.source} may publish to ${[...publishable].join(', ')}; found ${topic}`
      if (qos === 0 || protocol === 4) return breakRule(REASON.notAuthorised, reason)
      return puback(id, { code: REASON.notAuthorised, reason })
    }
    const payload = Buffer.isBuffer(packet.payload) ? packet.payload : Buffer.from(packet.payload)
    return deliver({ topic, payload, qos, id })
  }

  function isAdmitted(qos: 0 | 1, id: number): boolean {
    if (qos === 0) return true
    if (unanswered.has(id)) {
      // A hub of 3.1.1 may send it again on the same connection: its answer is on the way.
      if (protocol === 5) breakRule(REASON.protocolError, `packet id ${id} is in use [MQTT-2.2.1-3]`)
      return false
    }
    if (unanswered.size < context.receive_max) return true
    breakRule(REASON.receiveMaximum, `at most ${context.receive_max} messages may wait for PUBACK [MQTT-3.3.4-7]`)
    return false
  }

  /** An answer that is there at once is sent in this wake-up. */
  function deliver(message: HotPublish) {
    const { qos, id } = message
    try {
      const answer = handler.message(session, message)
      if (answer instanceof Promise) void later(message, answer)
      else if (state === 'open' && qos === 1) puback(id, answer)
    } catch (error) {
      failed(error)
    }
  }

  async function later({ payload, qos, id }: HotPublish, answer: Promise<MessageAnswer>) {
    if (qos === 1) unanswered.add(id)
    context.hold(payload.length)
    try {
      const said = await answer
      unanswered.delete(id)
      if (state === 'open' && qos === 1) puback(id, said)
    } catch (error) {
      failed(error)
    } finally {
      context.unhold(payload.length)
      work()
    }
  }

  /** No PUBACK: the hub keeps the message and sends it again. */
  function failed(error: unknown) {
    context.fault(error)
    end({ kind: 'closed', planned: false, code: REASON.unspecified, text: messageOf(error) })
  }

  function puback(id: number, answer: MessageAnswer) {
    if (!corked) {
      // Of one wake-up all go out in one write, in one TLS record; each record that came was an event of its own.
      corked = true
      socket.cork()
      context.afterReading(uncork)
    }
    if (answer === undefined) write(pubackPacket(id))
    else send(pubackOf(protocol, id, answer))
  }

  function uncork() {
    corked = false
    socket.uncork()
  }

  function subscribe(packet: ISubscribePacket) {
    if (packet.properties?.subscriptionIdentifier !== undefined) {
      return breakRule(REASON.subscriptionIds, 'subscription identifiers are not offered [3.2.2.3.12]')
    }
    const granted = packet.subscriptions.map((one, i) =>
      i < FILTERS_MAX ? grant(one.topic, subscribable) : REASON.quotaExceeded,
    )
    const heard = packet.subscriptions.map((one) => one.topic).filter((_topic, i) => granted[i] === 0)
    for (const topic of heard) subscriptions.set(topic, topicBytes(topic))
    const codes = protocol === 5 ? granted : granted.map((code) => (code < 0x80 ? code : 0x80))
    send({ cmd: 'suback', messageId: packet.messageId ?? 0, granted: codes })
    for (const topic of heard) handler.subscribed?.(session, topic)
    return undefined
  }

  function goodBye(code: number, expiry_s: number) {
    if (expiry_s > 0) return breakRule(REASON.protocolError, 'session expiry is 0 [3.14.2.2.2]')
    return end({ kind: 'good-bye', planned: code === 0, code, text: 'the hub said good-bye' }, false)
  }

  function publish(topic: string, payload: Uint8Array): PublishOutcome {
    if (state !== 'open' || !socket.writable) return 'gone'
    const name = subscriptions.get(topic)
    if (!name) return 'unsubscribed'
    if (socket.writableLength + payload.length > SESSION_BUFFER_MAX_BYTES) {
      wasFull = true
      return 'full'
    }
    const bytes = publishPacket(name, payload, protocol)
    if (bytes.length > peer.packet_max_bytes) return 'too-large'
    socket.write(bytes)
    return 'sent'
  }

  function send(packet: Packet) {
    const bytes = encode(packet, protocol, peer)
    if (bytes) write(bytes)
  }

  function write(bytes: Buffer) {
    if (!socket.writable) return
    if (socket.writableLength > SESSION_BUFFER_MAX_BYTES) {
      return end({ kind: 'too-slow', planned: false, code: REASON.quotaExceeded, text: 'the hub does not read' })
    }
    socket.write(bytes)
    return undefined
  }

  /** A timer that is not reset by each packet, but looks when the last one was [MQTT-3.1.2-22]. */
  function watchKeepAlive(delay_ms: number) {
    cancelTimer = clock.timer(delay_ms, () => {
      const left_ms = lastHeard_ms + keepAlive_ms - clock.monotonic()
      if (left_ms > 0) watchKeepAlive(left_ms)
      else if (socket.isPaused()) watchKeepAlive(keepAlive_ms)
      else end({ kind: 'keep-alive', planned: false, code: REASON.keepAliveTimeout, text: 'nothing heard in time' })
    })
  }

  function breakRule(code: number, text: string) {
    if (state === 'waiting' || state === 'connecting') return finish()
    return end({ kind: 'broken-rule', planned: false, code, text })
  }

  /** The session is over from here on; with a code of ours MQTT 5 says why. */
  function end(reason: CloseReason, tell = reason.code !== undefined) {
    if (state === 'closed') return
    const wasOpen = state === 'open'
    if (tell && wasOpen && protocol === 5 && socket.writable) {
      const properties = { reasonString: reasonString(reason.text) }
      const bytes = encode({ cmd: 'disconnect', reasonCode: reason.code ?? 0, properties }, protocol, peer)
      if (bytes) socket.write(bytes)
    }
    finish()
    if (!wasOpen) return
    context.leave(session)
    handler.closed?.(session, reason)
  }

  function finish() {
    if (state === 'closed') return
    state = 'closed'
    queue = []
    cancelTimer()
    socket.end()
    // What still comes is read and thrown away, so that our last packet is not lost to a reset.
    socket.resume()
    const cancel = clock.timer(LINGER_CLOSE_MS, () => socket.destroy())
    socket.once('close', cancel)
  }

  function isClosed(): boolean {
    return state === 'closed'
  }
}
