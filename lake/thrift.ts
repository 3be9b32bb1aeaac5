import type { ByteSink } from './byte-sink.ts'

/**
 * Thrift's compact protocol, as far as the metadata of Parquet needs it: structs of integers, booleans, texts, bytes, lists
 * and structs. https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
 */
export type ThriftValue =
  | { readonly i32: number }
  | { readonly i64: number }
  | { readonly bool: boolean }
  | { readonly bytes: Uint8Array }
  | { readonly text: string }
  | { readonly struct: ThriftStruct }
  | { readonly list: readonly ThriftValue[] }

/** Fields by number, ascending; absent ones are left out. */
export type ThriftStruct = Readonly<Record<number, ThriftValue | undefined>>

const TRUE = 1
const FALSE = 2
const I32 = 5
const I64 = 6
const BINARY = 8
const LIST = 9
const STRUCT = 12

function typeOf(value: ThriftValue): number {
  if ('i32' in value) return I32
  if ('i64' in value) return I64
  if ('bool' in value) return value.bool ? TRUE : FALSE
  if ('struct' in value) return STRUCT
  return 'list' in value ? LIST : BINARY
}

export function writeStruct(sink: ByteSink, struct: ThriftStruct): void {
  let last = 0
  for (const [key, value] of Object.entries(struct)) {
    if (value === undefined) continue
    const id = Number(key)
    const step = id - last
    if (step <= 15) sink.byte((step << 4) | typeOf(value))
    else {
      sink.byte(typeOf(value))
      sink.zigzag(id)
    }
    last = id
    writeValue(sink, value)
  }
  sink.byte(0)
}

function writeValue(sink: ByteSink, value: ThriftValue): void {
  if ('i32' in value) sink.zigzag(value.i32)
  else if ('i64' in value) sink.zigzag(value.i64)
  else if ('struct' in value) writeStruct(sink, value.struct)
  else if ('text' in value) writeBytes(sink, Buffer.from(value.text, 'utf8'))
  else if ('bytes' in value) writeBytes(sink, value.bytes)
  else if ('list' in value) {
    const [first] = value.list
    const type = first ? typeOf(first) : STRUCT
    if (value.list.length < 15) sink.byte((value.list.length << 4) | type)
    else {
      sink.byte(0xf0 | type)
      sink.varint(value.list.length)
    }
    for (const one of value.list) writeValue(sink, one)
  }
  // A boolean of a struct is in its type; lists of them are not needed.
}

function writeBytes(sink: ByteSink, bytes: Uint8Array): void {
  sink.varint(bytes.length)
  sink.append(bytes)
}
