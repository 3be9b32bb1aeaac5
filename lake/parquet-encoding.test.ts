import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteSink } from './byte-sink.ts'
import { bitsFor, writeDelta, writeHybrid, writeLevels, writePlain } from './parquet-encoding.ts'
import { TYPE } from './parquet-metadata.ts'
import { type ByteReader, byte, varint, zigzag } from './testing/byte-reader.ts'

/** Encodings.md of apache/parquet-format read again, a bit at a time. */

/** The lowest bit of a byte is the first. */
function packed(reader: ByteReader, count: number, width: number): bigint[] {
  const bits = Array.from({ length: (count * width) / 8 }, () => byte(reader)).flatMap((one) =>
    Array.from({ length: 8 }, (_, i) => (one >> i) & 1),
  )
  return Array.from({ length: count }, (_, i) =>
    bits.slice(i * width, (i + 1) * width).reduceRight((value, bit) => value * 2n + BigInt(bit), 0n),
  )
}

function readHybrid(reader: ByteReader, count: number, width: number): number[] {
  const values: bigint[] = []
  while (values.length < count) {
    const head = Number(varint(reader))
    if (head % 2 === 1) values.push(...packed(reader, ((head - 1) / 2) * 8, width))
    else {
      const run_bytes = Array.from({ length: Math.ceil(width / 8) }, () => byte(reader))
      const value = run_bytes.reduceRight((sum, one) => sum * 256n + BigInt(one), 0n)
      values.push(...Array.from({ length: head / 2 }, () => value))
    }
  }
  expect(values.slice(count).every((value) => value === 0n)).toBe(true)
  return values.slice(0, count).map(Number)
}

function readDelta(reader: ByteReader): { readonly values: readonly number[]; readonly widths: readonly number[] } {
  const [block, miniblocks, count] = [Number(varint(reader)), Number(varint(reader)), Number(varint(reader))]
  let last = zigzag(reader)
  const values = [last]
  const all: number[] = []
  while (values.length < count) {
    const least = zigzag(reader)
    const widths = Array.from({ length: miniblocks }, () => byte(reader))
    all.push(...widths)
    for (const width of widths) {
      if (values.length >= count) expect(width).toBe(0)
      else
        for (const above of packed(reader, block / miniblocks, width)) {
          last += least + above
          values.push(last)
        }
    }
  }
  return { values: values.slice(0, count).map(Number), widths: all }
}

/** Its memory was used before; a small one grows while it is written. */
function openSink(size_bytes: number): ByteSink {
  const sink = new ByteSink(size_bytes)
  sink.bytes.fill(0xff)
  return sink
}
const size = fc.constantFrom(1, 1 << 16)

/** Values below 2^width in runs, many of which end beside the border of a group of eight. */
const runs = fc
  .integer({ min: 0, max: 25 })
  .chain((width) =>
    fc
      .array(
        fc.tuple(
          fc.nat(2 ** width - 1),
          fc.oneof(fc.constant(1), fc.constantFrom(7, 8, 9, 15, 16, 17), fc.integer({ min: 1, max: 300 })),
        ),
        { maxLength: 40 },
      )
      .map((list) => ({ width, values: list.flatMap(([value, length]) => Array.from({ length }, () => value)) })),
  )

test('the hybrid of runs and packed groups says the values, wherever runs begin and end', () => {
  fc.assert(
    fc.property(runs, size, ({ width, values }, size_bytes) => {
      const sink = openSink(size_bytes)
      writeHybrid(sink, Uint32Array.from(values), values.length, width)
      const reader = { bytes: sink.take(), at: 0 }
      expect(readHybrid(reader, values.length, width)).toEqual(values)
      expect(reader.at).toBe(sink.length)
    }),
    { numRuns: 300 },
  )
})

test('levels say how many bytes they take', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(3), { maxLength: 100 }), size, (levels, size_bytes) => {
      const sink = openSink(size_bytes)
      sink.byte(7)
      writeLevels(sink, Uint8Array.from(levels), levels.length, 2)
      const bytes = sink.take()
      const reader = { bytes, at: 5 }
      expect(readHybrid(reader, levels.length, 2)).toEqual(levels)
      expect(bytes.readUInt32LE(1)).toBe(reader.at - 5)
      expect(reader.at).toBe(bytes.length)
    }),
  )
})

const WIDEST = 2 ** 51 - 1
/** Stretches of numbers, each within so many bits of a start. */
const stretches = fc
  .array(
    fc
      .tuple(
        fc.integer({ min: 0, max: 51 }),
        fc.integer({ min: -WIDEST, max: WIDEST }),
        fc.integer({ min: 1, max: 140 }),
      )
      .chain(([bits, start, length]) => {
        const value = fc.integer({
          min: Math.max(-WIDEST, start - 2 ** bits),
          max: Math.min(WIDEST, start + 2 ** bits),
        })
        return fc.array(value, { minLength: length, maxLength: length })
      }),
    { maxLength: 6 },
  )
  .map((list) => list.flat())

test('differences say the numbers, whatever bits they take and wherever blocks end', () => {
  fc.assert(
    fc.property(stretches, size, (values, size_bytes) => {
      const sink = openSink(size_bytes)
      writeDelta(sink, Float64Array.from(values), values.length)
      const reader = { bytes: sink.take(), at: 0 }
      expect(readDelta(reader).values).toEqual(values)
      expect(reader.at).toBe(sink.length)
    }),
    { numRuns: 300 },
  )
})

test.each(Array.from({ length: 51 }, (_, i) => i + 3))('differences that are %i bits apart take so many', (width) => {
  const far = 2 ** (width - 2) - 1
  const between = Array.from({ length: 30 }, (_, i) => Math.floor(far * Math.sin(i)))
  const values = [far, -far, far, ...between]
  const sink = openSink(1)
  writeDelta(sink, Float64Array.from(values), values.length)
  expect(readDelta({ bytes: sink.take(), at: 0 })).toEqual({ values, widths: [width, 0, 0, 0] })
})

test.each([
  [0, 0],
  [1, 1],
  [2, 2],
  [255, 8],
  [256, 9],
  [2 ** 32 - 1, 32],
])('numbers up to %i need %i bits', (most, bits) => {
  expect(bitsFor(most)).toBe(bits)
})

test('PLAIN numbers are little-endian two’s complement and IEEE 754', () => {
  fc.assert(
    fc.property(fc.integer(), fc.maxSafeInteger(), fc.double(), fc.boolean(), (small, whole, real, yes) => {
      const sink = openSink(1)
      writePlain(sink, TYPE.INT32, small)
      writePlain(sink, TYPE.INT64, whole)
      writePlain(sink, TYPE.DOUBLE, real)
      writePlain(sink, TYPE.BOOLEAN, Number(yes))
      const bytes = sink.take()
      expect([bytes.readInt32LE(0), bytes.readBigInt64LE(4)]).toEqual([small, BigInt(whole)])
      expect([bytes.readDoubleLE(12), bytes[20], bytes.length]).toEqual([real, Number(yes), 21])
    }),
  )
})
