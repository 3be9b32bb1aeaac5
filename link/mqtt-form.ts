/**
 * Is a packet of a client formed as its version of MQTT asks? The parser reads what is there and is lenient; what must not be
 * there is found here, before it. Numbers in brackets are normative statements of MQTT 5.0, or of 3.1.1 where they begin with
 * MQTT3 (docs/mqtt.md has all of them).
 */
import { PACKET, readProperties } from './mqtt-form-properties.ts'
import { FormError, type Reader, readBytes } from './mqtt-form-reader.ts'
import { REASON } from './mqtt-reason.ts'

/** `code` is a reason code of MQTT 5; with 3.1.1 the connection just ends. */
export type Flaw = { readonly code: number; readonly text: string }

/** Flags of the fixed header by packet type [MQTT-2.1.3-1]; PUBLISH has its own. */
const FLAGS = [0, 0, 0, undefined, 0, 0, 2, 0, 2, 0, 2, 0, 0, 0, 0, 0]

/** DISCONNECT reason codes that a client may send (table 3-13) [MQTT-3.14.2-1]. */
const DISCONNECT_CODES = new Set([0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99])

/**
 * What is wrong with one whole packet of a client; undefined when nothing is. `protocol` is that of its CONNECT, and undefined
 * before it.
 */
export function flawOf(packet: Buffer, protocol: 4 | 5 | undefined): Flaw | undefined {
  try {
    check(packet, protocol)
    return undefined
  } catch (error) {
    if (error instanceof FormError) return { code: error.code, text: error.message }
    throw error
  }
}

/** Protocol level of a CONNECT, 5 for MQTT 5; undefined when the bytes do not get that far or name another protocol. */
export function connectLevel(packet: Buffer): number | undefined {
  const start = headerBytes(packet)
  const name = packet.subarray(start + 2, start + 2 + (packet[start + 1] ?? 0)).toString('latin1')
  const isMqtt = (packet[start] === 0 && name === 'MQTT') || name === 'MQIsdp'
  return isMqtt ? packet[start + 2 + name.length] : undefined
}

function check(packet: Buffer, protocol: 4 | 5 | undefined): void {
  const first = packet[0] ?? 0
  const type = first >> 4
  const flags = FLAGS[type]
  if (flags !== undefined && (first & 0x0f) !== flags) {
    throw malformed(`the flags of packet type ${type} are ${flags} [MQTT-2.1.3-1]`)
  }
  const start = headerBytes(packet)
  const reader = readBytes(packet, start)
  if (protocol === undefined) {
    if (type !== PACKET.connect) throw broken('the first packet is CONNECT [MQTT-3.1.0-1]')
    return connect(reader, start)
  }
  if (type === PACKET.connect) throw broken('CONNECT comes once [MQTT-3.1.0-2]')
  if (protocol === 5 && start > 2 && packet[start - 1] === 0)
    throw malformed('a length of too many bytes [MQTT-1.5.5-1]')
  if (type === PACKET.publish) publish(reader, first, protocol)
  else if (type === PACKET.subscribe) subscribe(reader, protocol)
  else if (type === PACKET.unsubscribe) unsubscribe(reader, protocol)
  else if (type === PACKET.disconnect) disconnect(reader, protocol)
  else if (type === PACKET.pingreq) reader.end()
  else if (type === 0 || (type === PACKET.auth && protocol === 4)) throw malformed(`packet type ${type} is forbidden`)
  // Acknowledgements of what a server never sends, what only servers send, and AUTH [MQTT-4.12.0-7].
  else throw broken(`packet type ${type} has no place here`)
}

/** Bytes of the fixed header; the framing has found that it is whole. */
function headerBytes(packet: Buffer): number {
  let at = 1
  while (at < 5 && ((packet[at] ?? 0) & 0x80) !== 0) at++
  return at + 1
}

function connect(reader: Reader, start: number): void {
  const name = reader.string('the protocol name')
  if (name !== 'MQTT' && name !== 'MQIsdp') throw unsupported('the protocol name is MQTT [MQTT-3.1.2-1]')
  const level = reader.byte('the protocol level')
  if (level > 5 || level < 4 || name !== 'MQTT') throw unsupported('expected MQTT 5 or 3.1.1 [MQTT-3.1.2-2]')
  if (level === 5 && start > 2 && reader.at(start - 1) === 0)
    throw malformed('a length of too many bytes [MQTT-1.5.5-1]')
  const flags = reader.byte('the connect flags')
  if ((flags & 0x01) !== 0) throw malformed('the reserved connect flag is 0 [MQTT-3.1.2-3]')
  const will = (flags & 0x04) !== 0
  const willQos = (flags >> 3) & 0x03
  if (!will && willQos !== 0) throw malformed('without a will its QoS is 0 [MQTT-3.1.2-11]')
  if (!will && (flags & 0x20) !== 0) throw malformed('without a will its retain flag is 0 [MQTT-3.1.2-13]')
  if (willQos === 3) throw malformed('the QoS of a will is 0, 1 or 2 [MQTT-3.1.2-12]')
  const user = (flags & 0x80) !== 0
  const password = (flags & 0x40) !== 0
  if (level === 4 && password && !user) throw malformed('a password needs a user name [MQTT3-3.1.2-22]')
  reader.number16('the keep-alive')
  if (level === 5) readProperties(reader, PACKET.connect)
  reader.string('the client id')
  if (will) {
    if (level === 5) readProperties(reader, PACKET.will)
    reader.string('the will topic')
    reader.bytes('the will payload')
  }
  if (user) reader.string('the user name')
  if (password) reader.bytes('the password')
  reader.end()
}

function publish(reader: Reader, first: number, protocol: 4 | 5): void {
  const qos = (first >> 1) & 0x03
  if (qos === 3) throw malformed('QoS is 0, 1 or 2 [MQTT-3.3.1-4]')
  if (qos === 0 && (first & 0x08) !== 0) throw malformed('DUP is 0 with QoS 0 [MQTT-3.3.1-2]')
  reader.skipString('the topic name')
  if (qos > 0) packetId(reader)
  if (protocol === 5) readProperties(reader, PACKET.publish)
}

function subscribe(reader: Reader, protocol: 4 | 5): void {
  packetId(reader)
  if (protocol === 5) readProperties(reader, PACKET.subscribe)
  if (reader.left() === 0) throw broken('SUBSCRIBE has at least one filter [MQTT-3.8.3-2]')
  while (reader.left() > 0) {
    const filter = reader.string('a topic filter')
    const options = reader.byte('subscription options')
    if ((options & (protocol === 5 ? 0xc0 : 0xfc)) !== 0) {
      throw malformed('reserved bits of subscription options are 0 [MQTT-3.8.3-5]')
    }
    if ((options & 0x03) === 3) throw broken('the QoS of a subscription is 0, 1 or 2 (3.8.3.1) [MQTT3-3.8.3-4]')
    if ((options & 0x30) === 0x30) throw broken('retain handling is 0, 1 or 2 (3.8.3.1)')
    if ((options & 0x04) !== 0 && filter.startsWith('$share/')) {
      throw broken('no local does not go with a shared subscription [MQTT-3.8.3-4]')
    }
  }
}

function unsubscribe(reader: Reader, protocol: 4 | 5): void {
  packetId(reader)
  if (protocol === 5) readProperties(reader, PACKET.unsubscribe)
  if (reader.left() === 0) throw broken('UNSUBSCRIBE has at least one filter [MQTT-3.10.3-2]')
  while (reader.left() > 0) reader.skipString('a topic filter')
}

function disconnect(reader: Reader, protocol: 4 | 5): void {
  if (protocol === 5 && reader.left() > 0) {
    const code = reader.byte('the reason code')
    if (!DISCONNECT_CODES.has(code)) throw broken('a client does not send that reason code [MQTT-3.14.2-1]')
    if (reader.left() > 0) readProperties(reader, PACKET.disconnect)
  }
  reader.end()
}

function packetId(reader: Reader): void {
  if (reader.number16('the packet id') === 0) throw broken('a packet id is not 0 [MQTT-2.2.1-3]')
}

function malformed(text: string): FormError {
  return new FormError(REASON.malformed, text)
}

function broken(text: string): FormError {
  return new FormError(REASON.protocolError, text)
}

function unsupported(text: string): FormError {
  return new FormError(REASON.unsupportedVersion, text)
}
