/**
 * JSON (RFC 8259) as bytes, on one line: where a value ends, and what a number says. Nothing is copied and no object is made.
 * The bytes are known to be UTF-8. A newline ends a line, and is no space between tokens. Each function takes the place of a value's first byte and gives that after its last, or
 * -1 where the bytes before `end` are no such value.
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39

export function skipSpace(bytes: Uint8Array, from: number, end: number): number {
  let at = from
  for (; at < end; at++) {
    const byte = bytes[at]
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) break
  }
  return at
}

const HEX = /^[0-9a-fA-F]{4}$/

/** After the closing quote of the string whose opening quote is at `from`. */
export function skipString(bytes: Uint8Array, from: number, end: number): number {
  for (let at = from + 1; at < end; at++) {
    const byte = bytes[at] as number
    if (byte === QUOTE) return at + 1
    if (byte < 0x20) return -1
    if (byte === BACKSLASH) {
      at++
      if (at >= end) return -1
      const escaped = bytes[at] as number
      if (escaped === 0x75) {
        if (at + 4 >= end || !HEX.test(String.fromCharCode(...bytes.subarray(at + 1, at + 5)))) return -1
        at += 4
      } else if (!isEscape(escaped)) return -1
    }
  }
  return -1
}

/** One of `"\/bfnrt`. */
function isEscape(byte: number): boolean {
  return (
    byte === QUOTE ||
    byte === BACKSLASH ||
    byte === 0x2f ||
    byte === 0x62 ||
    byte === 0x66 ||
    byte === 0x6e ||
    byte === 0x72 ||
    byte === 0x74
  )
}

/** The number that `scanNumber` found last. */
export const scanned = new Float64Array(1)

const ascii = new TextDecoder('latin1')

/** Powers of ten that are exact as doubles. */
const POWERS = Float64Array.from({ length: 23 }, (_, i) => 10 ** i)

/**
 * A number; its value, rounded as `Number` rounds, is in `scanned[0]`. Up to 15 digits and 10^±22 one division or product of
 * exact doubles rounds rightly (W. Clinger, How to read floating point numbers accurately, 1990); the rest is `Number`'s.
 */
export function scanNumber(bytes: Uint8Array, from: number, end: number): number {
  let at = from
  const negative = bytes[at] === MINUS
  if (negative) at++
  let digits = 0
  let whole = 0
  let scale = 0
  let byte = at < end ? (bytes[at] as number) : 0
  if (byte === ZERO) {
    at++
    byte = at < end ? (bytes[at] as number) : 0
  } else {
    const first = at
    while (byte >= ZERO && byte <= NINE) {
      whole = whole * 10 + (byte - ZERO)
      at++
      byte = at < end ? (bytes[at] as number) : 0
    }
    digits = at - first
    if (digits === 0) return -1
  }
  if (byte === DOT) {
    at++
    const first = at
    byte = at < end ? (bytes[at] as number) : 0
    while (byte >= ZERO && byte <= NINE) {
      whole = whole * 10 + (byte - ZERO)
      at++
      byte = at < end ? (bytes[at] as number) : 0
    }
    if (at === first) return -1
    scale = at - first
    digits += scale
  }
  const hasExponent = byte === 0x65 || byte === 0x45
  if (hasExponent) {
    at++
    byte = at < end ? (bytes[at] as number) : 0
    if (byte === 0x2b || byte === MINUS) at++
    const first = at
    while (at < end && (bytes[at] as number) >= ZERO && (bytes[at] as number) <= NINE) at++
    if (at === first) return -1
  }
  if (hasExponent || digits > 15) scanned[0] = Number(ascii.decode(bytes.subarray(from, at)))
  else {
    const value = scale === 0 ? whole : whole / (POWERS[scale] as number)
    scanned[0] = negative ? -value : value
  }
  return at
}

/** `true`, `false` or `null`. */
export function skipName(bytes: Uint8Array, from: number, end: number): number {
  const name = bytes[from] === 0x74 ? TRUE : bytes[from] === 0x66 ? FALSE : NULL
  if (from + name.length > end) return -1
  for (let i = 0; i < name.length; i++) if (bytes[from + i] !== name[i]) return -1
  return from + name.length
}
const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')
const NULL = Buffer.from('null')

/** Any value. `too deep` past `depth_max` brackets within each other. */
export function skipValue(bytes: Uint8Array, from: number, end: number, depth_max: number): number | 'too deep' {
  /** Of each open bracket: is it an object? */
  const open: boolean[] = []
  let at = from
  for (;;) {
    // A value begins here.
    at = skipSpace(bytes, at, end)
    if (at >= end) return -1
    const byte = bytes[at] as number
    if (byte === 0x7b || byte === 0x5b) {
      const isObject = byte === 0x7b
      if (open.length >= depth_max) return 'too deep'
      open.push(isObject)
      at = skipSpace(bytes, at + 1, end)
      if (bytes[at] !== (isObject ? 0x7d : 0x5d) || at >= end) {
        if (isObject) {
          at = skipKey(bytes, at, end)
          if (at === -1) return -1
        }
        continue
      }
      // An empty one ends as any value.
      open.pop()
      at++
    } else {
      at =
        byte === QUOTE
          ? skipString(bytes, at, end)
          : byte === MINUS || (byte >= ZERO && byte <= NINE)
            ? scanNumber(bytes, at, end)
            : skipName(bytes, at, end)
      if (at === -1) return -1
    }
    // A value has ended: what is open goes on or ends.
    for (;;) {
      const isObject = open.at(-1)
      if (isObject === undefined) return at
      at = skipSpace(bytes, at, end)
      if (at >= end) return -1
      if (bytes[at] === 0x2c) {
        at++
        if (isObject) {
          at = skipKey(bytes, skipSpace(bytes, at, end), end)
          if (at === -1) return -1
        }
        break
      }
      if (bytes[at] !== (isObject ? 0x7d : 0x5d)) return -1
      open.pop()
      at++
    }
  }
}

/** A name and its colon. */
function skipKey(bytes: Uint8Array, from: number, end: number): number {
  if (from >= end || bytes[from] !== QUOTE) return -1
  const after = skipString(bytes, from, end)
  if (after === -1) return -1
  const at = skipSpace(bytes, after, end)
  return at < end && bytes[at] === 0x3a ? at + 1 : -1
}
