/**
 * The packets that a command costs, read and written without mqtt-packet: a PUBLISH on a topic that is already known,
 * and the PUBACK that takes it. Whatever else a packet has (properties, an alias, RETAIN, QoS 2, another topic) is not
 * for here. Sections in brackets are of MQTT 5.0.
 */
const PUBLISH = 0x30
const PUBACK = 0x40

export type HotPublish = { readonly topic: string; readonly payload: Buffer; readonly qos: 0 | 1; readonly id: number }

/** A topic as it lies in a packet: its length in two bytes, then UTF-8 [1.5.4]. */
export function topicBytes(topic: string): Buffer {
  const text = Buffer.from(topic)
  const bytes = Buffer.allocUnsafe(2 + text.length)
  bytes.writeUInt16BE(text.length)
  text.copy(bytes, 2)
  return bytes
}

/** A whole packet as a PUBLISH without properties on `topic`; undefined for every other [3.3]. */
export function readPublish(
  packet: Buffer,
  topic: { readonly name: string; readonly bytes: Buffer },
  protocol: 4 | 5,
): HotPublish | undefined {
  const head = packet[0] ?? 0
  const qos = head === PUBLISH ? 0 : (head & 0xf7) === (PUBLISH | 2) ? 1 : undefined
  if (qos === undefined) return undefined
  let at = 1
  while (((packet[at] ?? 0) & 0x80) !== 0) at++
  // A length of too many bytes [MQTT-1.5.5-1].
  if (at > 1 && packet[at] === 0) return undefined
  at++
  const end = at + topic.bytes.length
  if (packet.length < end || packet.compare(topic.bytes, 0, topic.bytes.length, at, end) !== 0) return undefined
  at = end
  let id = 0
  if (qos === 1) {
    if (packet.length < at + 2) return undefined
    id = packet.readUInt16BE(at)
    if (id === 0) return undefined
    at += 2
  }
  if (protocol === 5 && packet[at++] !== 0) return undefined
  return { topic: topic.name, payload: packet.subarray(at), qos, id }
}

/** A PUBLISH of QoS 0 without properties [3.3]. */
export function publishPacket(topic: Buffer, payload: Uint8Array, protocol: 4 | 5): Buffer {
  const properties_bytes = protocol === 5 ? 1 : 0
  const left = topic.length + properties_bytes + payload.length
  const head_bytes = left < 128 ? 2 : left < 16_384 ? 3 : left < 2_097_152 ? 4 : 5
  const packet = Buffer.allocUnsafe(head_bytes + left)
  packet[0] = PUBLISH
  let at = 1
  for (let rest = left; ; rest = Math.floor(rest / 128)) {
    packet[at++] = rest < 128 ? rest : (rest % 128) | 0x80
    if (rest < 128) break
  }
  topic.copy(packet, at)
  at += topic.length
  if (protocol === 5) packet[at++] = 0
  packet.set(payload, at)
  return packet
}

/** A PUBACK that takes the message, in its short form [3.4.2.1]. */
export function pubackPacket(id: number): Buffer {
  return Buffer.from([PUBACK, 2, id >> 8, id & 0xff])
}
