import type { DuckDBConnection } from '@duckdb/node-api'
import { z } from 'zod'
import { rowsOf } from '../lake/duckdb.ts'
import { literal } from '../lake/schema.ts'
import { DUCKDB_VIEWS } from './dialect.ts'
import type { Metric } from './metric.ts'

/**
 * Which columns of its inputs a metric may read: none is left out that it does read. A day's `events` has thirty columns, and
 * a metric reads some ten.
 */
export type ColumnsRead = (table: string, column: string) => boolean

/** All that a metric says of tables and columns. */
export function textsOf({ name, sql, only }: Metric): readonly string[] {
  return [sql, only, ...(DUCKDB_VIEWS[name] ?? [])]
}

export async function columnsRead(connection: DuckDBConnection, metric: Metric): Promise<ColumnsRead> {
  const words = new Set(textsOf(metric).join(' ').match(/\w+/g))
  const parse = `SELECT CAST(json_serialize_sql(${literal(metric.sql)}) AS VARCHAR) AS parsed`
  const { parsed } = z.object({ parsed: z.string() }).parse((await rowsOf(connection, parse))[0])
  const whole = new Set<string>()
  addStarred(JSON.parse(parsed), whole)
  // In a view of the dialect a star is not looked for: it names its columns.
  return (table, column) => whole.has(table) || words.has(column)
}

/** Adds the tables of each SELECT with a star in it (DuckDB's `json_serialize_sql`). */
function addStarred(node: unknown, tables: Set<string>): void {
  if (Array.isArray(node)) {
    for (const one of node as readonly unknown[]) addStarred(one, tables)
    return
  }
  if (!isRecord(node)) return
  const { select_list: list, from_table: from } = node
  if (Array.isArray(list) && list.some((one) => isRecord(one) && one['class'] === 'STAR')) addTables(from, tables)
  addStarred(Object.values(node), tables)
}

function addTables(from: unknown, tables: Set<string>): void {
  if (!isRecord(from)) return
  if (from['type'] === 'BASE_TABLE') tables.add(String(from['table_name']))
  addTables(from['left'], tables)
  addTables(from['right'], tables)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
