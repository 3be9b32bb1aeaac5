import { z } from 'zod'
import type { Column, ColumnType, ForeignType, OwnType } from '../contract/column.ts'
import { assert, messageOf, Problem } from '../contract/problem.ts'

/** One definition of a column, and its form in Delta (PROTOCOL.md, "Schema Serialization Format") and in DuckDB. */

const MAP_TYPE = { type: 'map', keyType: 'string', valueType: 'string', valueContainsNull: true } as const

const DUCKDB_TYPES: Readonly<Record<OwnType, string>> = {
  string: 'VARCHAR',
  long: 'BIGINT',
  integer: 'INTEGER',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  timestamp: 'TIMESTAMPTZ',
  date: 'DATE',
  map: 'MAP(VARCHAR, VARCHAR)',
}

const NAME = /^[a-z][a-z0-9_]{0,62}$/

/** Is it one of the types that Hearth's own tables have? */
export function isOwnType(type: ColumnType): type is OwnType {
  return Object.hasOwn(DUCKDB_TYPES, type)
}

export function duckDbType(type: ColumnType): string {
  return isOwnType(type) ? DUCKDB_TYPES[type] : type
}

/** A column of a table as it is stored. */
export type TableColumn = Column & {
  /** Its name in data files, partition values and statistics, where that is another (PROTOCOL.md, "Column Mapping"). */
  readonly stored_name?: string
  /** Its number in data files, where columns are found by number. */
  readonly field_id?: number
}

/** Raises `invalid` for a name that readers would trip over: lower-case snake_case only, each once. */
export function checkColumns(columns: readonly Column[]): void {
  const seen = new Set<string>()
  for (const { name } of columns) {
    if (!NAME.test(name) || seen.has(name)) {
      throw new Problem('invalid', `columns are unique lower-case snake_case names; found ${JSON.stringify(name)}`)
    }
    seen.add(name)
  }
}

/** The schemaString of a table; unit and meaning go along as `comment`, where Spark shows it. */
export function encodeSchema(columns: readonly Column[]): string {
  return JSON.stringify({ type: 'struct', fields: columns.map(encodeField) })
}

function encodeField({ name, type, unit, meaning }: Column) {
  assert(isOwnType(type), `${name} has a type of Hearth's own`)
  return {
    name,
    type: type === 'map' ? MAP_TYPE : type,
    nullable: true,
    metadata: { ...(unit && { unit }), ...(meaning && { comment: meaning }) },
  }
}

/** A schemaString with more columns, before those of the partition; what it says of the others stays as it is. */
export function addToSchema(schemaString: string, columns: readonly Column[], partition: readonly string[]): string {
  const { fields, ...rest } = decodeStruct(schemaString)
  const stored = fields.filter(({ name }) => !partition.includes(name))
  const last = fields.filter(({ name }) => partition.includes(name))
  return JSON.stringify({ ...rest, fields: [...stored, ...columns.map(encodeField), ...last] })
}

const field = z.looseObject({
  name: z.string(),
  type: z.unknown(),
  metadata: z.record(z.string(), z.unknown()).optional(),
})
const struct = z.looseObject({ type: z.literal('struct'), fields: z.array(field) })

/** Raises `corrupt` for what is no schema, `invalid` for a type or feature that Hearth does not read, by its name. */
export function decodeSchema(schemaString: string, mapping = 'none'): readonly TableColumn[] {
  return decodeStruct(schemaString).fields.map(({ name, type, metadata }) => ({
    name,
    type: decodeType(name, type, mapping),
    ...(typeof metadata?.['unit'] === 'string' && { unit: metadata['unit'] }),
    meaning: typeof metadata?.['comment'] === 'string' ? metadata['comment'] : '',
    ...(mapping !== 'none' && storedAs(metadata, mapping)),
  }))
}

function decodeStruct(schemaString: string): z.infer<typeof struct> {
  try {
    return struct.parse(JSON.parse(schemaString))
  } catch (error) {
    throw new Problem('corrupt', `the table's schemaString is not a Delta schema: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

function storedAs(metadata: Readonly<Record<string, unknown>> | undefined, mapping: string) {
  const { 'delta.columnMapping.physicalName': name, 'delta.columnMapping.id': id } = metadata ?? {}
  return {
    ...(typeof name === 'string' && { stored_name: name }),
    ...(mapping === 'id' && typeof id === 'number' && { field_id: id }),
  }
}

const ownType = z.enum(['string', 'long', 'integer', 'double', 'boolean', 'timestamp', 'date'])
const ownMap = z.looseObject({ type: z.literal('map'), keyType: z.literal('string'), valueType: z.literal('string') })

function decodeType(name: string, type: unknown, mapping: string): ColumnType {
  const own = ownType.safeParse(type)
  if (own.success) return own.data
  if (ownMap.safeParse(type).success) return 'map'
  const foreign = foreignType(type, mapping)
  if (foreign !== undefined && isForeign(foreign)) return foreign
  throw new Problem(
    'invalid',
    `column ${name} has the type ${JSON.stringify(type)}${mapping === 'none' ? '' : ` under column mapping (mode ${mapping})`}, which Hearth does not read: ask the engine that made the table`,
  )
}

function isForeign(type: string): type is ForeignType {
  return !Object.hasOwn(DUCKDB_TYPES, type)
}

/** Types of other engines' tables that DuckDB has as well (PROTOCOL.md, "Primitive Types"). */
const FOREIGN_TYPES: Readonly<Record<string, string>> = {
  short: 'SMALLINT',
  byte: 'TINYINT',
  float: 'FLOAT',
  binary: 'BLOB',
  timestamp_ntz: 'TIMESTAMP',
}
const nestedType = z.discriminatedUnion('type', [
  z.object({ type: z.literal('array'), elementType: z.unknown() }),
  z.object({ type: z.literal('map'), keyType: z.unknown(), valueType: z.unknown() }),
  struct,
])

/** DuckDB's name of a type, at any depth; undefined for one that it lacks, and for fields whose names are mapped. */
function foreignType(type: unknown, mapping: string): string | undefined {
  if (typeof type === 'string') {
    const own = ownType.safeParse(type)
    if (own.success) return DUCKDB_TYPES[own.data]
    if (/^decimal\(\d+,\d+\)$/.test(type)) return type.toUpperCase()
    return Object.hasOwn(FOREIGN_TYPES, type) ? FOREIGN_TYPES[type] : undefined
  }
  const nested = nestedType.safeParse(type)
  if (!nested.success) return undefined
  const inner = (one: unknown) => foreignType(one, mapping)
  switch (nested.data.type) {
    case 'array': {
      const element = inner(nested.data.elementType)
      return element && `${element}[]`
    }
    case 'map': {
      const [key, value] = [inner(nested.data.keyType), inner(nested.data.valueType)]
      return key && value && `MAP(${key}, ${value})`
    }
    default: {
      if (mapping !== 'none') return undefined
      const fields = nested.data.fields.map(({ name, type }) => ({ name, type: inner(type) }))
      if (fields.some(({ type }) => type === undefined)) return undefined
      return `STRUCT(${fields.map(({ name, type }) => `${identifier(name)} ${type}`).join(', ')})`
    }
  }
}

/** Quotes a name for SQL. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Quotes a text for SQL. */
export function literal(value: string): string {
  return `'${value.replaceAll("'", "''")}'`
}
