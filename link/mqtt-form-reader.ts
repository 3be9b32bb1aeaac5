import { isUtf8 } from 'node:buffer'
import { REASON } from './mqtt-reason.ts'

/** A packet breaks the standard: `code` is a reason code of MQTT 5. Raised by the readers of mqtt-form.ts alone, and caught there. */
export class FormError extends Error {
  readonly code: number
  constructor(code: number, text: string) {
    super(text)
    this.code = code
  }
}

/** Reads a packet's fields one after another; raises `FormError` (0x81) where the bytes end too early or are no text. */
export type Reader = ReturnType<typeof readBytes>

/** From byte `start` to byte `end` (exclusive). */
export function readBytes(bytes: Buffer, start: number, end: number = bytes.length) {
  let position = start

  function take(count: number, what: string): number {
    const from = position
    if (from + count > end) throw new FormError(REASON.malformed, `${what} goes past the end of the packet`)
    position += count
    return from
  }

  /** Where a text begins that was found good: UTF-8 without U+0000 [MQTT-1.5.4-1] [MQTT-1.5.4-2]. */
  function text(what: string): number {
    const length = bytes.readUInt16BE(take(2, what))
    const from = take(length, what)
    for (let at = from; at < position; at++) {
      const byte = bytes[at] ?? 0
      if (byte === 0) throw new FormError(REASON.malformed, `${what} holds U+0000 [MQTT-1.5.4-2]`)
      // Topics are ASCII: only what is not is looked at by the slower check.
      if (byte < 0x80) continue
      const rest = bytes.subarray(from, position)
      if (!isUtf8(rest)) throw new FormError(REASON.malformed, `${what} is not UTF-8 [MQTT-1.5.4-1]`)
      if (rest.includes(0)) throw new FormError(REASON.malformed, `${what} holds U+0000 [MQTT-1.5.4-2]`)
      return from
    }
    return from
  }

  return {
    /** The byte at a place of the whole packet. */
    at: (place: number) => bytes[place],
    left: () => end - position,
    byte: (what: string) => bytes[take(1, what)] ?? 0,
    number16: (what: string) => bytes.readUInt16BE(take(2, what)),
    number32: (what: string) => bytes.readUInt32BE(take(4, what)),
    /** At most four bytes, as few as will do [MQTT-1.5.5-1]. */
    variable(what: string): number {
      let value = 0
      for (let i = 0; i < 4; i++) {
        const byte = bytes[take(1, what)] ?? 0
        value += (byte & 0x7f) * 128 ** i
        if ((byte & 0x80) !== 0) continue
        if (byte === 0 && i > 0) throw new FormError(REASON.malformed, `${what} has too many bytes [MQTT-1.5.5-1]`)
        return value
      }
      throw new FormError(REASON.malformed, `${what} is longer than four bytes`)
    },
    string: (what: string) => bytes.toString('utf8', text(what), position),
    skipString(what: string): void {
      text(what)
    },
    bytes(what: string): void {
      take(bytes.readUInt16BE(take(2, what)), what)
    },
    /** A part of the packet by itself; what follows it is read next. */
    part(length: number, what: string) {
      const from = take(length, what)
      return readBytes(bytes, from, from + length)
    },
    end(): void {
      if (position < end) throw new FormError(REASON.malformed, `${end - position} bytes follow the end of the packet`)
    },
  }
}
