import { FormError, type Reader } from './mqtt-form-reader.ts'
import { REASON } from './mqtt-reason.ts'

/** Packet types (MQTT 5.0 table 2-1); the properties of a will are a kind of their own. */
export const PACKET = {
  connect: 1,
  publish: 3,
  subscribe: 8,
  unsubscribe: 10,
  pingreq: 12,
  disconnect: 14,
  auth: 15,
  will: 16,
} as const

type Kind = 'byte' | 'flag' | 'number16' | 'number32' | 'variable' | 'string' | 'topic' | 'bytes' | 'pair'
type Property = {
  readonly name: string
  readonly kind: Kind
  /** In which packets of a client it may be. */
  readonly of: readonly number[]
  /** 0 is a Protocol Error. */
  readonly positive?: boolean
}

const { connect, publish, subscribe, unsubscribe, disconnect, will } = PACKET
/** Properties that a client may send, by identifier (MQTT 5.0 table 2-4). Any other is malformed. */
const PROPERTIES: Readonly<Record<number, Property>> = {
  0x01: { name: 'payload format indicator', kind: 'flag', of: [publish, will] },
  0x02: { name: 'message expiry interval', kind: 'number32', of: [publish, will] },
  0x03: { name: 'content type', kind: 'string', of: [publish, will] },
  0x08: { name: 'response topic', kind: 'topic', of: [publish, will] },
  0x09: { name: 'correlation data', kind: 'bytes', of: [publish, will] },
  0x0b: { name: 'subscription identifier', kind: 'variable', of: [subscribe], positive: true },
  0x11: { name: 'session expiry interval', kind: 'number32', of: [connect, disconnect] },
  0x15: { name: 'authentication method', kind: 'string', of: [connect] },
  0x16: { name: 'authentication data', kind: 'bytes', of: [connect] },
  0x17: { name: 'request problem information', kind: 'flag', of: [connect] },
  0x18: { name: 'will delay interval', kind: 'number32', of: [will] },
  0x19: { name: 'request response information', kind: 'flag', of: [connect] },
  0x1f: { name: 'reason string', kind: 'string', of: [disconnect] },
  0x21: { name: 'receive maximum', kind: 'number16', of: [connect], positive: true },
  0x22: { name: 'topic alias maximum', kind: 'number16', of: [connect] },
  0x23: { name: 'topic alias', kind: 'number16', of: [publish] },
  0x26: { name: 'user property', kind: 'pair', of: [connect, publish, subscribe, unsubscribe, disconnect, will] },
  0x27: { name: 'maximum packet size', kind: 'number32', of: [connect], positive: true },
}
const SUBSCRIPTION_IDENTIFIER = 0x0b
const USER_PROPERTY = 0x26
const AUTHENTICATION_METHOD = 0x15
const AUTHENTICATION_DATA = 0x16

/** Reads over the properties of a packet of MQTT 5 (section 2.2.2); raises `FormError` at what must not be there. */
export function readProperties(reader: Reader, packet: number): void {
  const length = reader.variable('the property length')
  if (length === 0) return
  const part = reader.part(length, 'the property length')
  const seen = new Set<number>()
  while (part.left() > 0) {
    const id = part.variable('a property identifier')
    const property = PROPERTIES[id]
    if (!property?.of.includes(packet)) {
      const name = property?.name ?? `property 0x${id.toString(16)}`
      const where = packet === will ? 'of a will' : `in packet type ${packet}`
      // [MQTT-3.3.4-6] is a Protocol Error, all others are malformed (2.2.2.2).
      const code = id === SUBSCRIPTION_IDENTIFIER ? REASON.protocolError : REASON.malformed
      throw new FormError(code, `${name} has no place ${where}`)
    }
    if (id !== USER_PROPERTY && seen.has(id)) {
      throw new FormError(REASON.protocolError, `${property.name} is there twice`)
    }
    seen.add(id)
    readValue(part, property)
  }
  if (seen.has(AUTHENTICATION_DATA) && !seen.has(AUTHENTICATION_METHOD)) {
    throw new FormError(REASON.protocolError, 'authentication data without a method (3.1.2.11.10)')
  }
}

function readValue(part: Reader, { name, kind, positive }: Property): void {
  if (kind === 'string') return part.skipString(name)
  if (kind === 'bytes') return part.bytes(name)
  if (kind === 'pair') {
    // [MQTT-1.5.7-1]
    part.skipString(name)
    return part.skipString(name)
  }
  if (kind === 'topic') {
    if (/[+#]/.test(part.string(name)))
      throw new FormError(REASON.protocolError, `${name} has wildcards [MQTT-3.3.2-14]`)
    return undefined
  }
  const value = kind === 'flag' ? part.byte(name) : part[kind](name)
  if (kind === 'flag' && value > 1) throw new FormError(REASON.protocolError, `${name} is 0 or 1, found ${value}`)
  if (positive && value === 0) throw new FormError(REASON.protocolError, `${name} is not 0`)
  return undefined
}
