import { z } from 'zod'
import type { Column, ColumnType } from '../contract/column.ts'
import { messageOf, Problem } from '../contract/problem.ts'

/** One definition of a column, and its form in Delta (PROTOCOL.md, "Schema Serialization Format") and in DuckDB. */

const MAP_TYPE = { type: 'map', keyType: 'string', valueType: 'string', valueContainsNull: true } as const

const DUCKDB_TYPES: Readonly<Record<ColumnType, string>> = {
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

export function duckDbType(type: ColumnType): string {
  return DUCKDB_TYPES[type]
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
  return JSON.stringify({
    type: 'struct',
    fields: columns.map((column) => ({
      name: column.name,
      type: column.type === 'map' ? MAP_TYPE : column.type,
      nullable: true,
      metadata: { ...(column.unit && { unit: column.unit }), ...(column.meaning && { comment: column.meaning }) },
    })),
  })
}

const field = z.object({
  name: z.string(),
  type: z.unknown(),
  metadata: z.record(z.string(), z.unknown()).optional(),
})
const struct = z.object({ type: z.literal('struct'), fields: z.array(field) })
const simpleType = z.enum(['string', 'long', 'integer', 'double', 'boolean', 'timestamp', 'date'])
const mapType = z.looseObject({ type: z.literal('map'), keyType: z.literal('string'), valueType: z.literal('string') })

/** Raises `corrupt` for what is no schema, `invalid` for a type or feature that Hearth does not read, by its name. */
export function decodeSchema(schemaString: string): readonly Column[] {
  let fields: z.infer<typeof struct>['fields']
  try {
    fields = struct.parse(JSON.parse(schemaString)).fields
  } catch (error) {
    throw new Problem('corrupt', `the table's schemaString is not a Delta schema: ${messageOf(error)}`, {
      cause: error,
    })
  }
  return fields.map(({ name, type, metadata }) => ({
    name,
    type: decodeType(name, type),
    ...(typeof metadata?.['unit'] === 'string' && { unit: metadata['unit'] }),
    meaning: typeof metadata?.['comment'] === 'string' ? metadata['comment'] : '',
  }))
}

function decodeType(name: string, type: unknown): ColumnType {
  const simple = simpleType.safeParse(type)
  if (simple.success) return simple.data
  if (mapType.safeParse(type).success) return 'map'
  throw new Problem(
    'invalid',
    `column ${name} has the type ${JSON.stringify(type)}, which Hearth does not read; it reads ${Object.keys(DUCKDB_TYPES).join(', ')} (a map of string to string)`,
  )
}

/** Quotes a name for SQL. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** Quotes a text for SQL. */
export function literal(value: string): string {
  return `'${value.replaceAll("'", "''")}'`
}
