import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteSink } from './byte-sink.ts'
import { type ByteReader, byte, varint, zigzag } from './testing/byte-reader.ts'
import { type ThriftStruct, type ThriftValue, writeStruct } from './thrift.ts'

/** What the protocol tells apart: texts are bytes to it. Structs are [field, value] in order. */
type Read = bigint | boolean | string | readonly Read[] | { readonly fields: readonly (readonly [number, Read])[] }

function readStruct(reader: ByteReader): Read {
  const fields: [number, Read][] = []
  let id = 0
  for (let head = byte(reader); head !== 0; head = byte(reader)) {
    id = head < 16 ? Number(zigzag(reader)) : id + (head >> 4)
    const type = head & 15
    fields.push([id, type < 3 ? type === 1 : readValue(reader, type)])
  }
  return { fields }
}

function readValue(reader: ByteReader, type: number): Read {
  if (type === 5 || type === 6) return zigzag(reader)
  if (type === 12) return readStruct(reader)
  if (type === 8) {
    const length = Number(varint(reader))
    reader.at += length
    return Buffer.from(reader.bytes.subarray(reader.at - length, reader.at)).toString('hex')
  }
  expect(type).toBe(9)
  const head = byte(reader)
  const length = head >> 4 === 15 ? Number(varint(reader)) : head >> 4
  return Array.from({ length }, () => readValue(reader, head & 15))
}

function expected(value: ThriftValue): Read {
  if ('i32' in value) return BigInt(value.i32)
  if ('i64' in value) return BigInt(value.i64)
  if ('bool' in value) return value.bool
  if ('text' in value) return Buffer.from(value.text, 'utf8').toString('hex')
  if ('bytes' in value) return Buffer.from(value.bytes).toString('hex')
  return 'list' in value ? value.list.map(expected) : expectedStruct(value.struct)
}

function expectedStruct(struct: ThriftStruct): Read {
  const fields = Object.entries(struct).flatMap(([id, value]) =>
    value === undefined ? [] : [[Number(id), expected(value)] as const],
  )
  return { fields }
}

const i32 = fc.record({ i32: fc.integer() })
const i64 = fc.record({ i64: fc.integer({ min: -(2 ** 52), max: 2 ** 52 }) })
const text = fc.record({ text: fc.string({ unit: 'binary', maxLength: 200 }) })
const bytes = fc.record({ bytes: fc.uint8Array({ maxLength: 20 }) })
const { struct } = fc.letrec<{ struct: ThriftStruct; value: ThriftValue }>((tie) => {
  const inner = fc.record({ struct: tie('struct') })
  const kinds: readonly fc.Arbitrary<ThriftValue>[] = [i32, i64, text, bytes, inner]
  // From 15 on the length of a list has bytes of its own.
  const lengths = [{ maxLength: 3 }, { minLength: 14, maxLength: 16 }]
  const listed = fc.oneof(...kinds.flatMap((one) => lengths.map((length) => fc.array(one, length))))
  return {
    value: fc.oneof(
      { maxDepth: 4, depthIdentifier: 'value' },
      fc.oneof(i32, i64, text, bytes, fc.record({ bool: fc.boolean() })),
      inner,
      fc.record({ list: listed }),
    ),
    // Numbers side by side, and further apart than the short form of a field says.
    struct: fc.dictionary(
      fc.oneof(fc.nat(20), fc.nat(32_766)).map((id) => String(id + 1)),
      fc.option(tie('value'), { nil: undefined }),
      { maxKeys: 6, depthIdentifier: 'value' },
    ),
  }
})

test('what is written is read by the compact protocol as it was, up to the last byte', () => {
  fc.assert(
    fc.property(struct, (value) => {
      const sink = new ByteSink(1)
      writeStruct(sink, value)
      const reader: ByteReader = { bytes: sink.take(), at: 0 }
      expect(readStruct(reader)).toEqual(expectedStruct(value))
      expect(reader.at).toBe(sink.length)
    }),
    { numRuns: 500 },
  )
})
