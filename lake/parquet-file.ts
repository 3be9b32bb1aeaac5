import { promisify } from 'node:util'
import { constants, zstdCompress } from 'node:zlib'
import type { Column, ColumnType, OwnType } from '../contract/column.ts'
import { Problem } from '../contract/problem.ts'
import { ByteSink } from './byte-sink.ts'
import { type ChunkEncoder, type ChunkValues, type Leaf, openChunkEncoder, type Page } from './parquet-chunk.ts'
import { writePlain } from './parquet-encoding.ts'
import {
  type Annotation,
  type ChunkStatistics,
  type ColumnMetaData,
  DATE,
  dataPageHeader,
  dictionaryPageHeader,
  ENCODING,
  fileMetaData,
  MAP,
  REPETITION,
  type RowGroup,
  type SchemaElement,
  STRING,
  TIMESTAMP_MICROS,
  TYPE,
  type Type,
} from './parquet-metadata.ts'
import { isOwnType } from './schema.ts'
import type { WrittenBound, WrittenColumn } from './statistics.ts'
import { writeStruct } from './thrift.ts'
import { compareWords, type WordList } from './words.ts'

/** A file of rows that are given as columns; one row group at a time is in memory beside it. */
export type ParquetFile = {
  /** Appends a row group, asking for one column after the other: each may use the arrays of the one before. */
  add(rows: number, valuesOf: (column: Column) => ChunkValues): Promise<void>
  /** The whole file. Its statistics are those that `statisticsOf` takes. */
  finish(): { readonly bytes: Buffer; readonly rows: number; readonly written: ReadonlyMap<string, WrittenColumn> }
}

const MAGIC = Buffer.from('PAR1')
const compress = promisify(zstdCompress)

/** How the values of a leaf are stored, and what they mean. */
type Form = { readonly type: Type } & Partial<Annotation>

const TEXT: Form = { type: TYPE.BYTE_ARRAY, ...STRING }
const FORMS: Readonly<Record<Exclude<OwnType, 'map'>, Form>> = {
  string: TEXT,
  long: { type: TYPE.INT64 },
  integer: { type: TYPE.INT32 },
  double: { type: TYPE.DOUBLE },
  boolean: { type: TYPE.BOOLEAN },
  timestamp: { type: TYPE.INT64, ...TIMESTAMP_MICROS },
  date: { type: TYPE.INT32, ...DATE },
}

/**
 * Parquet with data pages of version 1, zstd, a page for each column of a row group, statistics of each. Texts and numbers
 * that repeat go into dictionaries, whole numbers else as differences. Columns are of Hearth's own types: any other raises
 * `invalid`. An encoder may be given for one file after the other.
 */
export function openParquetFile(
  columns: readonly Column[],
  words: WordList,
  encoder: ChunkEncoder = openChunkEncoder(),
): ParquetFile {
  const parts: Buffer[] = [MAGIC]
  let size = MAGIC.length
  const leaves = columns.map(leavesOf)
  const groups: RowGroup[] = []
  const totals = columns.map((): Total => ({ nulls: 0, least: undefined, greatest: undefined }))

  function append(bytes: Buffer): void {
    parts.push(bytes)
    size += bytes.length
  }

  function encode(values: ChunkValues, { form }: LeafColumn, count: number): readonly Leaf[] {
    if ('words' in values) return [encoder.text(words, values.words, count)]
    if ('numbers' in values) return [encoder.numbers(form.type, values.numbers, count)]
    return encoder.map(words, values, count)
  }

  /** Appends the pages of a leaf, and tells about them. */
  function chunk({ path, form }: LeafColumn, leaf: Leaf, { dictionary, data }: PackedLeaf): ColumnMetaData {
    const from = size
    for (const { header, bytes } of dictionary ? [dictionary, data] : [data]) {
      append(header)
      append(bytes)
    }
    const { PLAIN, RLE } = ENCODING
    return {
      type: form.type,
      encodings: [...new Set([RLE, leaf.data.encoding, ...(dictionary ? [PLAIN] : [])])],
      path_in_schema: path,
      num_values: leaf.data.values,
      total_uncompressed_size: data.plain_bytes + (dictionary?.plain_bytes ?? 0),
      total_compressed_size: size - from,
      data_page_offset: dictionary ? from + dictionary.header.length + dictionary.bytes.length : from,
      dictionary_page_offset: dictionary && from,
      statistics: statistics(form.type, leaf, words),
    }
  }

  function boundOf(type: ColumnType, bound: number): WrittenBound | undefined {
    switch (type) {
      case 'string':
        return textOf(words, bound).toString('utf8')
      case 'timestamp':
        return BigInt(bound)
      case 'date':
        return dateText(bound)
      case 'boolean':
        return bound === 1
      default:
        return type === 'map' ? undefined : bound
    }
  }

  return {
    async add(count, valuesOf) {
      encoder.clear()
      const made = columns.flatMap((column, i) => {
        const of = leaves[i] as Leaves
        const encoded = encode(valuesOf(column), of[0], count)
        const total = totals[i]
        const [leaf] = encoded
        if (total && leaf) widen(total, leaf, column.type === 'string' ? words : undefined)
        return encoded.map((one, j) => [of[j] as LeafColumn, one] as const)
      })
      const packed = await Promise.all(made.map(([, leaf]) => packedLeaf(leaf)))
      const file_offset = size
      const chunks = made.map(([of, leaf], i) => chunk(of, leaf, packed[i] as PackedLeaf))
      groups.push({ columns: chunks, num_rows: count, file_offset })
    },
    finish() {
      const sink = new ByteSink()
      writeStruct(sink, fileMetaData({ schema: schemaOf(leaves), row_groups: groups }))
      const footer = sink.length
      sink.uint32(footer)
      sink.append(MAGIC)
      append(sink.take())
      const written = new Map(
        columns.map(({ name, type }, i): [string, WrittenColumn] => {
          const { nulls: null_count, least, greatest } = totals[i] as Total
          if (least === undefined || greatest === undefined) return [name, { null_count }]
          return [name, { null_count, min: boundOf(type, least), max: boundOf(type, greatest) }]
        }),
      )
      // Of its own memory, so that it can be handed to another thread.
      const bytes = Buffer.allocUnsafeSlow(size)
      let at = 0
      for (const part of parts) at += part.copy(bytes, at)
      return { bytes, rows: groups.reduce((rows, { num_rows }) => rows + num_rows, 0), written }
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

/** A leaf of the schema: where it is, and how its values are stored. */
type LeafColumn = { readonly path: readonly [string, ...string[]]; readonly form: Form }
/** Those of a column: itself, or keys and values of a map. */
type Leaves = readonly [LeafColumn, ...LeafColumn[]]

function leavesOf({ name, type }: Column): Leaves {
  if (!isOwnType(type)) {
    const types = [...Object.keys(FORMS), 'map'].join(', ')
    throw new Problem('invalid', `columns of a written file are of types ${types}; found ${name} of type ${type}`)
  }
  if (type !== 'map') return [{ path: [name], form: FORMS[type] }]
  const at = (end: string): LeafColumn => ({ path: [name, KEY_VALUE, end], form: TEXT })
  return [at('key'), at('value')]
}

type PackedPage = { readonly header: Buffer; readonly bytes: Buffer; readonly plain_bytes: number }
type PackedLeaf = { readonly dictionary: PackedPage | undefined; readonly data: PackedPage }

async function packedLeaf({ dictionary, data }: Leaf): Promise<PackedLeaf> {
  return {
    dictionary: dictionary && (await packedPage(dictionary, true)),
    data: await packedPage(data, false),
  }
}

async function packedPage(page: Page, isDictionary: boolean): Promise<PackedPage> {
  const params = { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL }
  // In one turn where it packs twofold: each turn goes to another thread and back.
  const chunkSize = Math.min(Math.max(page.bytes.length >> 1, 1024), 1 << 20)
  const bytes = await compress(page.bytes, { params, chunkSize })
  const sink = new ByteSink(64)
  const about = {
    uncompressed_page_size: page.bytes.length,
    compressed_page_size: bytes.length,
    num_values: page.values,
    encoding: page.encoding,
  }
  writeStruct(sink, isDictionary ? dictionaryPageHeader(about) : dataPageHeader(about))
  return { header: sink.take(), bytes, plain_bytes: page.bytes.length + sink.length }
}

/** Of 1.5 % larger files than level 3, zstd's own default, for less than half of its time (docs/decisions/029). */
const ZSTD_LEVEL = 1
/** A text longer than this bounds nothing here. */
const BOUND_MAX_BYTES = 256

function statistics(type: Type, { bounds, nulls }: Leaf, words: WordList): ChunkStatistics {
  if (!bounds) return { null_count: nulls }
  const [least, greatest] = bounds
  const [min_value, max_value] = [bytesOf(type, least, words, -0), bytesOf(type, greatest, words, 0)]
  const isShort = Math.max(min_value.length, max_value.length) <= BOUND_MAX_BYTES
  return { null_count: nulls, ...(isShort && { min_value, max_value }) }
}

/** As PLAIN writes it. Zero as a double has two signs: the least is told as -0 and the greatest as 0. */
function bytesOf(type: Type, value: number, words: WordList, zero: number): Buffer {
  if (type === TYPE.BYTE_ARRAY) return textOf(words, value)
  const sink = new ByteSink(8)
  writePlain(sink, type, type === TYPE.DOUBLE && value === 0 ? zero : value)
  return sink.take()
}

function schemaOf(columns: readonly Leaves[]): readonly SchemaElement[] {
  return [{ name: 'schema', num_children: columns.length }, ...columns.flatMap(elementsOf)]
}

/** A map's group in a group: https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#maps */
const KEY_VALUE = 'key_value'

function elementsOf([{ path, form }]: Leaves): readonly SchemaElement[] {
  const { REQUIRED, OPTIONAL, REPEATED } = REPETITION
  const [name, ...below] = path
  if (below.length === 0) return [{ name, repetition_type: OPTIONAL, ...form }]
  return [
    { name, repetition_type: OPTIONAL, num_children: 1, ...MAP },
    { name: KEY_VALUE, repetition_type: REPEATED, num_children: 2 },
    { name: 'key', repetition_type: REQUIRED, ...TEXT },
    { name: 'value', repetition_type: OPTIONAL, ...TEXT },
  ]
}

function textOf({ bytes, starts }: WordList, word: number): Buffer {
  return Buffer.from(bytes.subarray(starts[word], starts[word + 1]))
}

const DAY_MS = 86_400_000
/** Days that a Date can tell. */
const DATE_MAX_DAYS = 1e8

/** Days since 1970 as `2026-11-24`. */
function dateText(days: number): string | undefined {
  return Math.abs(days) <= DATE_MAX_DAYS ? new Date(days * DAY_MS).toISOString().split('T')[0] : undefined
}
