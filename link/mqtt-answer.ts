import { generate, type Packet, writeToStream } from 'mqtt-packet'
import { REASON_MAX_CHARACTERS } from './limits.ts'
import { connectLevel, type Flaw } from './mqtt-form.ts'
import { REASON } from './mqtt-reason.ts'

// Else it keeps a buffer of each number from 0 to 65,535: 8 MB, and a tenth of what the collector goes through in a relay.
writeToStream.cacheNumbers = false

/** A reason as it may go into a packet: what quotes a hub's own bytes may hold anything [MQTT-1.5.4-1] [MQTT-1.5.4-2]. */
export function reasonString(text: string): string {
  const cut = text.length > REASON_MAX_CHARACTERS ? `${text.slice(0, REASON_MAX_CHARACTERS)}…` : text
  // Control characters are allowed but for U+0000, and do nobody good.
  return cut.toWellFormed().replace(/\p{Cc}/gu, '\ufffd')
}

/** What the hub's CONNECT of MQTT 5 asks of our packets. */
export type PeerLimits = {
  /** Maximum Packet Size [MQTT-3.1.2-24]. */
  readonly packet_max_bytes: number
  /** Request Problem Information [MQTT-3.1.2-29]. */
  readonly problems: boolean
}

/** Of a hub of 3.1.1, and before CONNECT: the most that a length can say. */
export const NO_LIMITS: PeerLimits = { packet_max_bytes: 268_435_460, problems: true }

/** Whose Reason String a hub that wants no problem information hears all the same. */
const ALWAYS_SAY = ['connack', 'disconnect', 'publish']

/**
 * The bytes of a packet of ours within what the hub asks: words of explanation are left out before it is too large
 * [MQTT-3.2.2-19] [MQTT-3.4.2-2] [MQTT-3.14.2-3]. Undefined when it is too large all the same, and must not be sent.
 */
export function encode(packet: Packet, protocol: 4 | 5, peer: PeerLimits): Buffer | undefined {
  const version = { protocolVersion: protocol }
  if (protocol === 4) return generate(packet, version)
  const mayExplain = peer.problems || !packet.cmd || ALWAYS_SAY.includes(packet.cmd)
  const bytes = generate(mayExplain ? packet : plain(packet, ['reasonString', 'userProperties']), version)
  if (bytes.length <= peer.packet_max_bytes) return bytes
  for (const left of [['reasonString'], ['reasonString', 'userProperties']]) {
    const fewer = generate(plain(packet, left), version)
    if (fewer.length <= peer.packet_max_bytes) return fewer
  }
  return undefined
}

function plain(packet: Packet, left: readonly string[]): Packet {
  if (!('properties' in packet) || !packet.properties) return packet
  const properties = Object.fromEntries(Object.entries(packet.properties).filter(([name]) => !left.includes(name)))
  return { ...packet, properties }
}

/**
 * What a CONNECT is told that is not well formed: MQTT 5 says why, 3.1.1 closes without a word [MQTT3-3.1.4-1], and an older or
 * newer version hears that it is one [MQTT-3.1.2-2] [MQTT3-3.1.2-2]. Undefined: nothing, the connection just ends.
 */
export function answerToBadConnect(bytes: Buffer, { code, text }: Flaw): Buffer | undefined {
  if (bytes[0] !== 0x10) return undefined
  const level = connectLevel(bytes)
  if (level === undefined || level === 4) return undefined
  if (level < 4) return generate({ cmd: 'connack', returnCode: 1, sessionPresent: false })
  return generate(
    {
      cmd: 'connack',
      reasonCode: level === 5 ? code : REASON.unsupportedVersion,
      sessionPresent: false,
      properties: { reasonString: reasonString(text) },
    },
    { protocolVersion: 5 },
  )
}
