/** Bytes that a test reads one after the other: what writes them is held against this. */
export type ByteReader = { readonly bytes: Uint8Array; at: number }

export function byte(reader: ByteReader): number {
  const value = reader.bytes[reader.at++]
  if (value === undefined) throw new Error('the bytes are over too early')
  return value
}

export function varint(reader: ByteReader): bigint {
  let value = 0n
  for (let shift = 0n; ; shift += 7n) {
    const one = byte(reader)
    value |= BigInt(one & 127) << shift
    if (one < 128) return value
  }
}

export function zigzag(reader: ByteReader): bigint {
  const value = varint(reader)
  return value % 2n === 0n ? value / 2n : -(value + 1n) / 2n
}
