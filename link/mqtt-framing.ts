/**
 * Cuts a stream of bytes into MQTT packets (MQTT 5.0 section 2.1) before anything is parsed, so that a packet over the
 * limit is refused by its first five bytes and never gathered.
 */
export type Framed = {
  readonly packets: readonly Buffer[]
  readonly problem?: 'malformed' | 'too-large'
}

export function packetFramer(max_bytes: () => number): (chunk: Buffer) => Framed {
  let chunks: Buffer[] = []
  let gathered_bytes = 0
  /** Of the packet that is gathering, once its fixed header is there. */
  let expected_bytes: number | undefined

  return (chunk) => {
    chunks.push(chunk)
    gathered_bytes += chunk.length
    const packets: Buffer[] = []
    for (;;) {
      if (expected_bytes === undefined && chunks.length > 1) chunks = [Buffer.concat(chunks)]
      if (expected_bytes === undefined) {
        const length = packetLength(chunks[0] ?? Buffer.alloc(0))
        if (length === 'malformed') return { packets, problem: 'malformed' }
        if (length === undefined) return { packets }
        if (length > max_bytes()) return { packets, problem: 'too-large' }
        expected_bytes = length
      }
      if (gathered_bytes < expected_bytes) return { packets }
      const whole = chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks)
      packets.push(whole.subarray(0, expected_bytes))
      const rest = whole.subarray(expected_bytes)
      chunks = rest.length > 0 ? [rest] : []
      gathered_bytes = rest.length
      expected_bytes = undefined
    }
  }
}

/** Bytes of the whole packet, by its fixed header; undefined while that is not there. */
function packetLength(bytes: Buffer): number | 'malformed' | undefined {
  let remaining = 0
  for (let i = 0; i < 4; i++) {
    const byte = bytes[1 + i]
    if (byte === undefined) return undefined
    remaining += (byte & 0x7f) * 128 ** i
    if ((byte & 0x80) === 0) return 2 + i + remaining
  }
  return 'malformed'
}
