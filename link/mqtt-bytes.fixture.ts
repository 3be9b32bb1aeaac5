/** Packets by hand, for what no library would make. */

export type Part = Buffer | number

const bytesOf = (parts: readonly Part[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : part)))

/** A Variable Byte Integer. */
export function variable(value: number): Buffer {
  const bytes: number[] = []
  let left = value
  do {
    const more = Math.floor(left / 128)
    bytes.push((left % 128) | (more > 0 ? 0x80 : 0))
    left = more
  } while (left > 0)
  return Buffer.from(bytes)
}

/** A packet of this first byte; its length is made to fit. */
export function packet(first: number, ...parts: readonly Part[]): Buffer {
  const body = bytesOf(parts)
  return Buffer.concat([Buffer.from([first]), variable(body.length), body])
}

/** A string or binary data with its length before it. */
export function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([word(bytes.length), bytes])
}

/** Two bytes. */
export const word = (value: number) => Buffer.from([value >> 8, value & 0xff])

/** Properties with their length before them. */
export function properties(...parts: readonly Part[]): Buffer {
  const body = bytesOf(parts)
  return Buffer.concat([variable(body.length), body])
}

/** No properties. */
export const NONE = properties()
export const RESULT = text('h/demo-01/result')
export const COMMAND = text('h/demo-01/command')
/** QoS 1, of MQTT 5. */
export const publish5 = (payload: string, id = 1) => packet(0x32, RESULT, word(id), NONE, Buffer.from(payload))
export const subscribe5 = packet(0x82, word(7), NONE, COMMAND, 0)
export const PINGREQ = packet(0xc0)
/** Four bytes. */
export const number32 = (value: number) => Buffer.concat([word(value >>> 16), word(value & 0xffff)])

export type ConnectParts = {
  readonly name?: string
  readonly level?: number
  readonly flags?: number
  readonly keepAlive_s?: number
  readonly properties?: Buffer
  /** All after the properties. */
  readonly payload?: readonly Part[]
}

/** CONNECT of MQTT 5 of the hub demo-01 in its epoch 1.1.1, but for what is said otherwise. */
export function connectPacket(parts: ConnectParts = {}): Buffer {
  const level = parts.level ?? 5
  return packet(
    0x10,
    text(parts.name ?? 'MQTT'),
    level,
    parts.flags ?? 0x82,
    word(parts.keepAlive_s ?? 30),
    ...(level === 5 ? [parts.properties ?? properties()] : []),
    ...(parts.payload ?? [text('demo-01'), text('1.1.1')]),
  )
}
