import type { IConnackPacket, IConnectPacket, IPubackPacket } from 'mqtt-packet'
import { messageOf } from '../contract/problem.ts'
import { parseEpoch } from '../contract/source.ts'
import type { PeerIdentity } from './identity.ts'
import { KEEP_ALIVE_MAX_S, PEER_PACKET_MIN_BYTES, TOPIC_ALIAS_MAX } from './limits.ts'
import { NO_LIMITS, type PeerLimits, reasonString } from './mqtt-answer.ts'
import type { MessageAnswer } from './mqtt-handler.ts'
import { REASON } from './mqtt-reason.ts'

export type Refusal = { readonly code: number; readonly reason: string }

/** What a CONNECT asks for, within Hearth's rules; all that Hearth does not offer is refused, never ignored. */
export function checkConnect(packet: IConnectPacket, identity: PeerIdentity): Refusal | undefined {
  if (packet.protocolVersion !== 4 && packet.protocolVersion !== 5) {
    return { code: REASON.unsupportedVersion, reason: 'expected MQTT 5 or 3.1.1' }
  }
  if (packet.clientId !== identity.source) {
    return { code: REASON.clientIdNotValid, reason: `expected client id ${identity.source}, as the certificate says` }
  }
  if (packet.will) {
    const reason = 'wills are not offered; the server tells of the end'
    // [MQTT-3.2.2-12] [MQTT-3.2.2-13]
    if (packet.will.qos === 2) return { code: REASON.qosNotSupported, reason }
    return { code: packet.will.retain ? REASON.retainNotSupported : REASON.notAuthorised, reason }
  }
  if (packet.protocolVersion === 4 && !packet.clean) {
    // 3.1.1 cannot say that nothing will be kept, and the hub would rely on it [MQTT3-3.1.2-5].
    return { code: REASON.notAuthorised, reason: 'no session is kept: expected clean session 1' }
  }
  if (limitsOf(packet).packet_max_bytes < PEER_PACKET_MIN_BYTES) {
    const reason = `expected a Maximum Packet Size of at least ${PEER_PACKET_MIN_BYTES} bytes`
    return { code: REASON.implementation, reason }
  }
  if (packet.properties?.authenticationMethod !== undefined) {
    return { code: REASON.notAuthorised, reason: 'enhanced authentication is not offered; the certificate is enough' }
  }
  try {
    const epoch = parseEpoch(packet.username ?? '')
    if (epoch.generation !== identity.generation) {
      return {
        code: REASON.notAuthorised,
        reason: `expected generation ${identity.generation} in the epoch, as the certificate says, found ${epoch.generation}`,
      }
    }
  } catch (error) {
    return { code: REASON.notAuthorised, reason: `the user name is the session epoch: ${messageOf(error)}` }
  }
  return undefined
}

/** What the hub asks of our packets; 3.1.1 has no words for it. */
export function limitsOf({ properties }: IConnectPacket): PeerLimits {
  return {
    packet_max_bytes: properties?.maximumPacketSize ?? NO_LIMITS.packet_max_bytes,
    problems: properties?.requestProblemInformation ?? true,
  }
}

/** Seconds that hold, and whether the hub must be told so (MQTT 5.0 section 3.2.2.3.14). */
export function keepAliveOf(asked_s: number): { readonly keepAlive_s: number; readonly told: boolean } {
  const asked = asked_s > 0 && asked_s <= KEEP_ALIVE_MAX_S
  return { keepAlive_s: asked ? asked_s : KEEP_ALIVE_MAX_S, told: !asked }
}

/** Granted QoS, which is 0, or why not (MQTT 5.0 section 3.9.3). `allowed` are the hub's own topics. */
export function grant(filter: string, allowed: ReadonlySet<string>): number {
  // [MQTT-4.7.3-1]
  if (filter === '') return REASON.filterNotValid
  if (filter.startsWith('$share/')) return REASON.sharedNotSupported
  if (/[+#]/.test(filter)) return REASON.wildcardsNotSupported
  return allowed.has(filter) ? 0 : REASON.notAuthorised
}

/** What CONNACK announces: every limit that is enforced (MQTT 5.0 section 3.2.2.3). */
export function announced(
  limits: { readonly receive_max: number; readonly packet_max_bytes: number },
  serverKeepAlive_s: number | undefined,
  floor: number | undefined,
): NonNullable<IConnackPacket['properties']> {
  return {
    sessionExpiryInterval: 0,
    receiveMaximum: limits.receive_max,
    maximumQoS: 1,
    retainAvailable: false,
    maximumPacketSize: limits.packet_max_bytes,
    topicAliasMaximum: TOPIC_ALIAS_MAX,
    wildcardSubscriptionAvailable: false,
    subscriptionIdentifiersAvailable: false,
    sharedSubscriptionAvailable: false,
    ...(serverKeepAlive_s === undefined ? {} : { serverKeepAlive: serverKeepAlive_s }),
    ...floorProperty(floor),
  }
}

export function floorProperty(floor: number | undefined): { userProperties?: Record<string, string> } {
  return floor === undefined ? {} : { userProperties: { 'hearth-floor': String(floor) } }
}

/** PUBACK; only MQTT 5 can say why (section 3.4.2). */
export function pubackOf(protocol: 4 | 5, id: number, answer: MessageAnswer): IPubackPacket {
  if (protocol === 4 || !answer?.code) return { cmd: 'puback', messageId: id, reasonCode: 0 }
  const { code } = answer
  const reason = reasonString(answer.reason ?? '')
  const properties = reason ? { reasonString: reason, userProperties: { reason } } : {}
  return { cmd: 'puback', messageId: id, reasonCode: code, properties }
}
