/** Bytes that grow at their end. `bytes` may be replaced by any call that makes room. Little-endian throughout. */
export class ByteSink {
  bytes: Buffer
  length = 0
  #taken = 0

  constructor(size_bytes = 1 << 16) {
    this.bytes = Buffer.allocUnsafeSlow(size_bytes)
  }

  /** Room for `more` bytes: after it they may be written straight into `bytes`. */
  reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + more))
    this.bytes.copy(larger, 0, 0, this.length)
    this.bytes = larger
  }

  byte(value: number): void {
    this.reserve(1)
    this.bytes[this.length++] = value
  }

  uint32(value: number): void {
    this.reserve(4)
    this.length = this.bytes.writeUInt32LE(value, this.length)
  }

  /** A whole number of any size that a double holds, as two's complement in 64 bits. */
  int64(value: number): void {
    this.reserve(8)
    const high = Math.floor(value / 2 ** 32)
    this.bytes.writeUInt32LE(value - high * 2 ** 32, this.length)
    this.length = this.bytes.writeInt32LE(high, this.length + 4)
  }

  double(value: number): void {
    this.reserve(8)
    this.length = this.bytes.writeDoubleLE(value, this.length)
  }

  /** ULEB128 of a whole number from 0 to 2^53. */
  varint(value: number): void {
    this.reserve(8)
    let rest = value
    while (rest >= 128) {
      this.bytes[this.length++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    this.bytes[this.length++] = rest
  }

  /** A whole number within ±2^52 as a varint, small ones of either sign short. */
  zigzag(value: number): void {
    this.varint(value < 0 ? -2 * value - 1 : 2 * value)
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  /** What was written since the last `take`: good until `clear`, since growing leaves it where it is. */
  take(): Buffer {
    const taken = this.bytes.subarray(this.#taken, this.length)
    this.#taken = this.length
    return taken
  }

  /** Begins anew in the same memory. */
  clear(): void {
    this.length = 0
    this.#taken = 0
  }
}
