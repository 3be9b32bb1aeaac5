import type { ThriftStruct, ThriftValue } from './thrift.ts'

/**
 * The metadata of a Parquet file as Thrift: structs and fields with the names and numbers of
 * https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift, as far as files of ours need them.
 */

export const TYPE = { BOOLEAN: 0, INT32: 1, INT64: 2, DOUBLE: 5, BYTE_ARRAY: 6 } as const
export type Type = (typeof TYPE)[keyof typeof TYPE]

export const REPETITION = { REQUIRED: 0, OPTIONAL: 1, REPEATED: 2 } as const

export const ENCODING = { PLAIN: 0, RLE: 3, DELTA_BINARY_PACKED: 5, RLE_DICTIONARY: 8 } as const
export type Encoding = (typeof ENCODING)[keyof typeof ENCODING]

const PAGE = { DATA_PAGE: 0, DICTIONARY_PAGE: 2 } as const
const CODEC = { ZSTD: 6 } as const

const EMPTY: ThriftValue = { struct: {} }

/** What values of a physical type mean: a LogicalType, and the ConvertedType that it superseded, for older readers. */
export type Annotation = { readonly converted_type: number; readonly logicalType: ThriftStruct }
export const STRING: Annotation = { converted_type: 0, logicalType: { 1: EMPTY } }
export const MAP: Annotation = { converted_type: 1, logicalType: { 2: EMPTY } }
/** Days since 1970. */
export const DATE: Annotation = { converted_type: 6, logicalType: { 6: EMPTY } }
/** µs since 1970, adjusted to UTC. */
export const TIMESTAMP_MICROS: Annotation = {
  converted_type: 10,
  logicalType: { 8: { struct: { 1: { bool: true }, 2: { struct: { 2: EMPTY } } } } },
}

/** A leaf has a `type`, a group `num_children`, and all but the root a `repetition_type`. */
export type SchemaElement = {
  readonly type?: Type
  readonly repetition_type?: number
  readonly name: string
  readonly num_children?: number
} & Partial<Annotation>

function schemaElement(of: SchemaElement): ThriftStruct {
  return {
    1: i32(of.type),
    3: i32(of.repetition_type),
    4: { text: of.name },
    5: i32(of.num_children),
    6: i32(of.converted_type),
    10: of.logicalType && { struct: of.logicalType },
  }
}

type PageSizes = {
  readonly uncompressed_page_size: number
  readonly compressed_page_size: number
  readonly num_values: number
}

/** PageHeader of a data page of version 1, its levels in RLE. */
export function dataPageHeader(of: PageSizes & { readonly encoding: Encoding }): ThriftStruct {
  const levels: ThriftValue = { i32: ENCODING.RLE }
  const header: ThriftStruct = { 1: { i32: of.num_values }, 2: { i32: of.encoding }, 3: levels, 4: levels }
  return { ...pageHeader(PAGE.DATA_PAGE, of), 5: { struct: header } }
}

/** PageHeader of a dictionary, which is PLAIN. */
export function dictionaryPageHeader(of: PageSizes): ThriftStruct {
  const header: ThriftStruct = { 1: { i32: of.num_values }, 2: { i32: ENCODING.PLAIN } }
  return { ...pageHeader(PAGE.DICTIONARY_PAGE, of), 7: { struct: header } }
}

function pageHeader(type: number, of: PageSizes): ThriftStruct {
  return { 1: { i32: type }, 2: { i32: of.uncompressed_page_size }, 3: { i32: of.compressed_page_size } }
}

/** Bounds are in PLAIN, texts without their length. */
export type ChunkStatistics = {
  readonly null_count: number
  readonly max_value?: Uint8Array | undefined
  readonly min_value?: Uint8Array | undefined
}

function statistics({ null_count, max_value, min_value }: ChunkStatistics): ThriftStruct {
  return {
    3: { i64: null_count },
    5: max_value && { bytes: max_value },
    6: min_value && { bytes: min_value },
  }
}

/** Pages packed by zstd. Offsets are from the start of the file, sizes include the headers of pages. */
export type ColumnMetaData = {
  readonly type: Type
  readonly encodings: readonly Encoding[]
  readonly path_in_schema: readonly string[]
  readonly num_values: number
  readonly total_uncompressed_size: number
  readonly total_compressed_size: number
  readonly data_page_offset: number
  readonly dictionary_page_offset: number | undefined
  readonly statistics: ChunkStatistics
}

function columnMetaData(of: ColumnMetaData): ThriftStruct {
  return {
    1: { i32: of.type },
    2: { list: of.encodings.map((encoding) => ({ i32: encoding })) },
    3: { list: of.path_in_schema.map((text) => ({ text })) },
    4: { i32: CODEC.ZSTD },
    5: { i64: of.num_values },
    6: { i64: of.total_uncompressed_size },
    7: { i64: of.total_compressed_size },
    9: { i64: of.data_page_offset },
    11: of.dictionary_page_offset === undefined ? undefined : { i64: of.dictionary_page_offset },
    12: { struct: statistics(of.statistics) },
  }
}

export type RowGroup = {
  readonly columns: readonly ColumnMetaData[]
  readonly num_rows: number
  readonly file_offset: number
}

function rowGroup({ columns, num_rows, file_offset }: RowGroup): ThriftStruct {
  const sum = (of: (one: ColumnMetaData) => number): ThriftValue => ({
    i64: columns.reduce((total, one) => total + of(one), 0),
  })
  return {
    1: { list: columns.map((column) => ({ struct: columnChunk(column) })) },
    2: sum((one) => one.total_uncompressed_size),
    3: { i64: num_rows },
    5: { i64: file_offset },
    6: sum((one) => one.total_compressed_size),
  }
}

/** Its `file_offset` is deprecated, but required: where the chunk begins. */
function columnChunk(column: ColumnMetaData): ThriftStruct {
  const file_offset = column.dictionary_page_offset ?? column.data_page_offset
  return { 2: { i64: file_offset }, 3: { struct: columnMetaData(column) } }
}

export type FileMetaData = {
  /** The root first, each group before its children. */
  readonly schema: readonly SchemaElement[]
  readonly row_groups: readonly RowGroup[]
}

/** Of format version 1; each leaf's bounds are in the order of its type. */
export function fileMetaData({ schema, row_groups }: FileMetaData): ThriftStruct {
  const typeOrder: ThriftValue = { struct: { 1: EMPTY } }
  return {
    1: { i32: 1 },
    2: { list: schema.map((element) => ({ struct: schemaElement(element) })) },
    3: { i64: row_groups.reduce((rows, { num_rows }) => rows + num_rows, 0) },
    4: { list: row_groups.map((group) => ({ struct: rowGroup(group) })) },
    6: { text: 'Hearth' },
    7: { list: schema.filter(({ type }) => type !== undefined).map(() => typeOrder) },
  }
}

function i32(value: number | undefined): ThriftValue | undefined {
  return value === undefined ? undefined : { i32: value }
}
