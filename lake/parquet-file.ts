import { promisify } from 'node:util'
import { constants, zstdCompress } from 'node:zlib'
import type { Column, OwnType } from '../contract/column.ts'
import { Problem } from '../contract/problem.ts'
import { ByteSink } from './byte-sink.ts'
import {
  type ChunkEncoder,
  type ChunkValues,
  type Leaf,
  openChunkEncoder,
  type Page,
  PLAIN,
  RLE,
} from './parquet-chunk.ts'
import type { WrittenColumn } from './statistics.ts'
import { type ThriftStruct, type ThriftValue, writeStruct } from './thrift.ts'
import { compareWords, type WordList } from './words.ts'

/** A file of rows that are given as columns; one row group at a time is in memory beside it. */
export type ParquetFile = {
  /** Appends a row group, asking for one column after the other: each may use the arrays of the one before. */
  add(rows: number, valuesOf: (column: Column) => ChunkValues): Promise<void>
  /** The whole file. Its statistics are those that `statisticsOf` takes. */
  finish(): { readonly bytes: Buffer; readonly rows: number; readonly written: ReadonlyMap<string, WrittenColumn> }
}

const MAGIC = Buffer.from('PAR1')
const ZSTD = 6
const OPTIONAL: ThriftValue = { i32: 1 }
const compress = promisify(zstdCompress)

/** Parquet's numbers of types, and what else says of a leaf how it is to be read: parquet.thrift. */
const FORM: Readonly<Record<OwnType, { readonly type: number; readonly rest: ThriftStruct } | undefined>> = {
  boolean: { type: 0, rest: {} },
  long: { type: 2, rest: {} },
  timestamp: {
    type: 2,
    rest: {
      6: { i32: 10 },
      10: { struct: { 8: { struct: { 1: { bool: true }, 2: { struct: { 2: { struct: {} } } } } } } },
    },
  },
  double: { type: 5, rest: {} },
  string: { type: 6, rest: { 6: { i32: 0 }, 10: { struct: { 1: { struct: {} } } } } },
  map: undefined,
  integer: undefined,
  date: undefined,
}

/**
 * Parquet with data pages of version 1, zstd, a page for each column of a row group, statistics of each. Texts and numbers
 * that repeat go into dictionaries, whole numbers else as differences. For the columns that events have: any other type
 * raises `invalid`. An encoder may be given for one file after the other.
 */
export function openParquetFile(
  columns: readonly Column[],
  words: WordList,
  encoder: ChunkEncoder = openChunkEncoder(),
): ParquetFile {
  const parts: Buffer[] = [MAGIC]
  let size = MAGIC.length
  let rows = 0
  const groups: ThriftValue[] = []
  const totals = columns.map((): Total => ({ nulls: 0, least: undefined, greatest: undefined }))

  function append(bytes: Buffer): void {
    parts.push(bytes)
    size += bytes.length
  }

  function leavesOf(column: Column, values: ChunkValues, count: number): readonly Leaf[] {
    if ('words' in values) return [encoder.text(words, values.words, count)]
    if ('numbers' in values) return [encoder.numbers(typeOf(column), values.numbers, count)]
    return encoder.map(words, values, count)
  }

  function valueText(column: Column, bound: number): string {
    switch (column.type) {
      case 'string':
        return Buffer.from(words.bytes.subarray(words.starts[bound], words.starts[bound + 1])).toString('utf8')
      case 'timestamp':
        return timestampText(bound)
      default:
        return column.type === 'boolean' ? String(bound === 1) : String(bound)
    }
  }

  return {
    async add(count, valuesOf) {
      encoder.clear()
      const leaves = columns.flatMap((column, i) => {
        const made = leavesOf(column, valuesOf(column), count)
        const total = totals[i]
        const [leaf] = made
        if (total && leaf) widen(total, leaf, column.type === 'string' ? words : undefined)
        const paths =
          made.length === 1 ? [[column.name]] : ['key', 'value'].map((end) => [column.name, 'key_value', end])
        return made.map((one, j) => ({
          leaf: one,
          column,
          path: paths[j] ?? [],
          type: made.length === 1 ? typeOf(column) : ('string' as const),
        }))
      })
      const packed = await Promise.all(
        leaves.map(async ({ leaf }) => ({
          dictionary: leaf.dictionary && (await packedPage(leaf.dictionary, true)),
          data: await packedPage(leaf.data, false),
        })),
      )
      const start = size
      let plain_bytes = 0
      const chunks = packed.map(({ dictionary, data }, i): ThriftValue => {
        const one = leaves[i] as (typeof leaves)[number]
        const { leaf, path, type } = one
        const from = size
        for (const page of dictionary ? [dictionary, data] : [data]) {
          append(page.header)
          append(page.bytes)
        }
        const plain = data.plain_bytes + (dictionary?.plain_bytes ?? 0)
        plain_bytes += plain
        const encodings = [...new Set([RLE, leaf.data.encoding, ...(leaf.dictionary ? [PLAIN] : [])])]
        return {
          struct: {
            2: { i64: from },
            3: {
              struct: {
                1: { i32: FORM[type]?.type ?? 0 },
                2: { list: encodings.map((encoding) => ({ i32: encoding })) },
                3: { list: path.map((text) => ({ text })) },
                4: { i32: ZSTD },
                5: { i64: leaf.data.values },
                6: { i64: plain },
                7: { i64: size - from },
                9: { i64: dictionary ? from + dictionary.header.length + dictionary.bytes.length : from },
                11: dictionary && { i64: from },
                12: statistics(type, leaf, words),
              },
            },
          },
        }
      })
      const group: ThriftStruct = {
        ...{ 1: { list: chunks }, 2: { i64: plain_bytes }, 3: { i64: count }, 5: { i64: start } },
        ...{ 6: { i64: size - start } },
      }
      groups.push({ struct: group })
      rows += count
    },
    finish() {
      const sink = new ByteSink()
      const elements = [rootElement(columns.length), ...columns.flatMap(elementsOf)]
      const leaves = columns.reduce((sum, { type }) => sum + (type === 'map' ? 2 : 1), 0)
      const order: ThriftValue = { struct: { 1: { struct: {} } } }
      writeStruct(sink, {
        ...{ 1: { i32: 1 }, 2: { list: elements }, 3: { i64: rows }, 4: { list: groups }, 6: { text: 'Hearth' } },
        ...{ 7: { list: Array.from({ length: leaves }, () => order) } },
      })
      const footer = sink.length
      sink.uint32(footer)
      sink.append(MAGIC)
      append(sink.take())
      const written = new Map(
        columns.map(({ name, ...column }, i): [string, WrittenColumn] => {
          const { nulls, least, greatest } = totals[i] as Total
          const null_count = String(nulls)
          if (least === undefined || greatest === undefined) return [name, { null_count }]
          const of = { name, ...column }
          return [name, { null_count, min: valueText(of, least), max: valueText(of, greatest) }]
        }),
      )
      // Of its own memory, so that it can be handed to another thread.
      const bytes = Buffer.allocUnsafeSlow(size)
      let at = 0
      for (const part of parts) at += part.copy(bytes, at)
      return { bytes, rows, written }
    },
  }
}

type Total = { nulls: number; least: number | undefined; greatest: number | undefined }

function widen(total: Total, leaf: Leaf, words: WordList | undefined): void {
  total.nulls += leaf.nulls
  if (!leaf.bounds) return
  const compare = (a: number, b: number) => (words ? compareWords(words, a, b) : a - b)
  const [least, greatest] = leaf.bounds
  if (total.least === undefined || compare(least, total.least) < 0) total.least = least
  if (total.greatest === undefined || compare(greatest, total.greatest) > 0) total.greatest = greatest
}

function typeOf({ name, type }: Column): OwnType {
  const own = (Object.keys(FORM) as OwnType[]).find((one) => one === type)
  if (own && (FORM[own] || own === 'map')) return own
  throw new Problem('invalid', `column ${name} has type ${type}, which rows of events cannot have`)
}

async function packedPage(page: Page, isDictionary: boolean) {
  const params = { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL }
  // In one turn where it packs twofold: each turn goes to another thread and back.
  const chunkSize = Math.min(Math.max(page.bytes.length >> 1, 1024), 1 << 20)
  const bytes = await compress(page.bytes, { params, chunkSize })
  const sink = new ByteSink(64)
  const about: ThriftStruct = isDictionary
    ? { 7: { struct: { 1: { i32: page.values }, 2: { i32: PLAIN } } } }
    : { 5: { struct: { 1: { i32: page.values }, 2: { i32: page.encoding }, 3: { i32: RLE }, 4: { i32: RLE } } } }
  writeStruct(sink, {
    ...{ 1: { i32: isDictionary ? 2 : 0 }, 2: { i32: page.bytes.length }, 3: { i32: bytes.length } },
    ...about,
  })
  return { header: sink.take(), bytes, plain_bytes: page.bytes.length + sink.length }
}

/** Of 1.5 % larger files than level 3, zstd's own default, for less than half of its time (docs/decisions/029). */
const ZSTD_LEVEL = 1
/** A text longer than this bounds nothing here. */
const BOUND_MAX_BYTES = 256

function statistics(type: OwnType, leaf: Leaf, words: WordList): ThriftValue {
  const [least, greatest] = leaf.bounds ?? []
  const bounds =
    least === undefined || greatest === undefined
      ? undefined
      : [bytesOf(type, least, words, -0), bytesOf(type, greatest, words, 0)]
  const isShort = bounds?.every(({ length }) => length <= BOUND_MAX_BYTES)
  const [min, max] = isShort && bounds ? bounds : []
  return {
    struct: { 3: { i64: leaf.nulls }, 5: max && { bytes: max }, 6: min && { bytes: min } },
  }
}

/** As PLAIN writes it. Zero as a double has two signs: the least is told as -0 and the greatest as 0. */
function bytesOf(type: OwnType, value: number, words: WordList, zero: number): Buffer {
  if (type === 'string') return Buffer.from(words.bytes.subarray(words.starts[value], words.starts[value + 1]))
  const sink = new ByteSink(8)
  if (type === 'boolean') sink.byte(value)
  else if (type === 'double') sink.double(value === 0 ? zero : value)
  else sink.int64(value)
  return sink.take()
}

function rootElement(children: number): ThriftValue {
  return { struct: { 4: { text: 'schema' }, 5: { i32: children } } }
}

function elementsOf(column: Column): readonly ThriftValue[] {
  const { name } = column
  const form = FORM[typeOf(column)]
  if (form) return [{ struct: { 1: { i32: form.type }, 3: OPTIONAL, 4: { text: name }, ...form.rest } }]
  const text = FORM.string
  const leaf = (of: string, repetition: number): ThriftValue => ({
    struct: { 1: { i32: text?.type ?? 0 }, 3: { i32: repetition }, 4: { text: of }, ...text?.rest },
  })
  return [
    { struct: { 3: OPTIONAL, 4: { text: name }, 5: { i32: 1 }, 6: { i32: 1 }, 10: { struct: { 2: { struct: {} } } } } },
    { struct: { 3: { i32: 2 }, 4: { text: 'key_value' }, 5: { i32: 2 } } },
    leaf('key', 0),
    leaf('value', 1),
  ]
}

/** µs since 1970 as DuckDB writes it: `2026-01-01 00:00:00.123456+00`. */
function timestampText(us: number): string {
  const whole_s = Math.floor(us / 1e6)
  const second = new Date(whole_s * 1000).toISOString().slice(0, 19).replace('T', ' ')
  return `${second}.${String(us - whole_s * 1e6).padStart(6, '0')}+00`
}
