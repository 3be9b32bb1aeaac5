import type { ByteSink } from './byte-sink.ts'
import { TYPE, type Type } from './parquet-metadata.ts'

/** Encodings of Parquet: https://github.com/apache/parquet-format/blob/master/Encodings.md */

/** PLAIN of one number. A boolean, which pages pack by eight, takes the byte that it has in statistics. */
export function writePlain(sink: ByteSink, type: Type, value: number): void {
  if (type === TYPE.INT64) sink.int64(value)
  else if (type === TYPE.INT32) sink.uint32(value >>> 0)
  else if (type === TYPE.DOUBLE) sink.double(value)
  else sink.byte(value)
}

/** Bits that numbers up to `most` need. */
export function bitsFor(most: number): number {
  return 32 - Math.clz32(most)
}

/**
 * RLE/bit-packed hybrid of the first `length` values, each below 2^width, width at most 25: runs of eight and more by
 * their length, the rest packed in groups of eight.
 */
export function writeHybrid(sink: ByteSink, values: Uint32Array | Uint8Array, length: number, width: number): void {
  const run_bytes = (width + 7) >> 3
  let at = 0
  while (at < length) {
    const value = values[at] as number
    let end = at + 1
    while (end < length && values[end] === value) end++
    if (end - at >= 8 || end === length) {
      sink.varint((end - at) * 2)
      for (let i = 0; i < run_bytes; i++) sink.byte((value >>> (8 * i)) & 0xff)
      at = end
      continue
    }
    const first = at
    do at += 8
    while (at < length && !isRun(values, at, length))
    writePacked(sink, values, first, Math.min(at, length), width)
  }
}

function isRun(values: Uint32Array | Uint8Array, from: number, length: number): boolean {
  if (from + 8 > length) return false
  const value = values[from]
  for (let i = 1; i < 8; i++) if (values[from + i] !== value) return false
  return true
}

/** Whole groups of eight; what the last one lacks is 0. */
function writePacked(sink: ByteSink, values: Uint32Array | Uint8Array, from: number, to: number, width: number): void {
  const groups = (to - from + 7) >> 3
  sink.varint(groups * 2 + 1)
  sink.reserve(groups * width + 4)
  const end = sink.length + groups * width
  const at = packNarrow(sink.bytes, sink.length, values, from, to, width)
  sink.bytes.fill(0, at, end)
  sink.length = end
}

/** Levels of a data page of version 1: their bytes' number, then the hybrid. */
export function writeLevels(sink: ByteSink, levels: Uint8Array, length: number, width: number): void {
  const start = sink.length
  sink.uint32(0)
  writeHybrid(sink, levels, length, width)
  sink.bytes.writeUInt32LE(sink.length - start - 4, start)
}

const BLOCK = 128
const MINIBLOCKS = 4
const MINIBLOCK = BLOCK / MINIBLOCKS

/** DELTA_BINARY_PACKED of the first `length` values: whole numbers within ±2^51. */
export function writeDelta(sink: ByteSink, values: Float64Array, length: number): void {
  sink.varint(BLOCK)
  sink.varint(MINIBLOCKS)
  sink.varint(length)
  sink.zigzag(length > 0 ? (values[0] as number) : 0)
  const deltas = new Float64Array(BLOCK)
  for (let from = 1; from < length; from += BLOCK) {
    const count = Math.min(BLOCK, length - from)
    let least = Number.POSITIVE_INFINITY
    for (let i = 0; i < count; i++) {
      const delta = (values[from + i] as number) - (values[from + i - 1] as number)
      deltas[i] = delta
      if (delta < least) least = delta
    }
    sink.zigzag(least)
    sink.reserve(MINIBLOCKS)
    const widths = sink.length
    sink.length += MINIBLOCKS
    for (let mini = 0; mini < MINIBLOCKS; mini++) {
      const start = mini * MINIBLOCK
      const end = Math.min(start + MINIBLOCK, count)
      let most = 0
      for (let i = start; i < end; i++) {
        const above = (deltas[i] as number) - least
        deltas[i] = above
        if (above > most) most = above
      }
      const width = most < 2 ** 32 ? bitsFor(most) : 32 + bitsFor(Math.floor(most / 2 ** 32))
      // A miniblock that holds no value has no bytes.
      sink.bytes[widths + mini] = start < count ? width : 0
      if (start < count) packMiniblock(sink, deltas, start, end, width)
    }
  }
}

/** 32 values, what is missing as 0. */
function packMiniblock(sink: ByteSink, values: Float64Array, from: number, to: number, width: number): void {
  const size = (MINIBLOCK * width) >> 3
  sink.reserve(size)
  const { bytes } = sink
  const end = sink.length + size
  const at = (width <= 24 ? packNarrow : packWide)(bytes, sink.length, values, from, to, width)
  bytes.fill(0, at, end)
  sink.length = end
}

/** Up to 25 bits: with the seven that may be left over they fill an integer. Tells where the next byte goes. */
function packNarrow(
  bytes: Buffer,
  start: number,
  values: Float64Array | Uint32Array | Uint8Array,
  from: number,
  to: number,
  width: number,
): number {
  let at = start
  let packed = 0
  let bits = 0
  for (let i = from; i < to; i++) {
    packed |= (values[i] as number) << bits
    bits += width
    while (bits >= 8) {
      bytes[at++] = packed
      packed >>>= 8
      bits -= 8
    }
  }
  if (bits > 0) bytes[at++] = packed
  return at
}

/** Up to 53 bits, sixteen at a time, so that all of it is done on 32-bit integers. */
function packWide(bytes: Buffer, start: number, values: Float64Array, from: number, to: number, width: number): number {
  let at = start
  let packed = 0
  let bits = 0
  for (let i = from; i < to; i++) {
    const value = values[i] as number
    let rest = value >>> 0
    for (let left = width; left > 0; left -= 16) {
      if (left === width - 32) rest = Math.floor(value / 2 ** 32)
      packed |= (rest & 0xffff) << bits
      rest >>>= 16
      bits += Math.min(left, 16)
      while (bits >= 8) {
        bytes[at++] = packed
        packed >>>= 8
        bits -= 8
      }
    }
  }
  if (bits > 0) bytes[at++] = packed
  return at
}
