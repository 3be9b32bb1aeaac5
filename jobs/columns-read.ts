import type { DuckDBConnection } from '@duckdb/node-api'
import { DUCKDB_VIEWS } from './dialect.ts'
import type { Metric } from './metric.ts'
import { isRecord, nameOf, selectTree } from './select-tree.ts'

/**
 * Which columns of its inputs a metric may read: none is left out that it does read. A day's `events` has thirty columns, and
 * a metric reads some ten.
 */
export type ColumnsRead = (table: string, column: string) => boolean

/** All that a metric says of tables and columns. */
export function textsOf({ name, sql, only }: Metric): readonly string[] {
  return [sql, only, ...(DUCKDB_VIEWS[name] ?? [])]
}

const known = new WeakMap<Metric, ColumnsRead>()

export async function columnsRead(connection: DuckDBConnection, metric: Metric): Promise<ColumnsRead> {
  const found = known.get(metric) ?? (await readBy(connection, metric))
  known.set(metric, found)
  return found
}

async function readBy(connection: DuckDBConnection, metric: Metric): Promise<ColumnsRead> {
  const words = new Set(textsOf(metric).join(' ').toLowerCase().match(/\w+/g))
  const tree = await selectTree(connection, metric.sql)
  // What DuckDB cannot take apart (PIVOT), or leaves a star out of (struct_pack(e.*)), may read anything.
  const isUnknown = 'refused' in tree || /(?<!count)\(\s*(\w+\.)?\*/i.test(metric.sql)
  const whole = new Set<string>()
  addWhole(tree, whole)
  // In a view of the dialect a star is not looked for: it names its columns.
  return (table, column) => isUnknown || whole.has(table.toLowerCase()) || words.has(column.toLowerCase())
}

/** Adds the tables of each SELECT that names no column where it reads some (DuckDB's `json_serialize_sql`). */
function addWhole(node: unknown, whole: Set<string>): void {
  if (Array.isArray(node)) {
    for (const one of node as readonly unknown[]) addWhole(one, whole)
    return
  }
  if (!isRecord(node)) return
  if (node['type'] === 'SELECT_NODE') {
    const tables = new Map<string, string>()
    const isNatural = addTables(node['from_table'], tables)
    const { from_table: _, cte_map: __, ...own } = node
    if (isNatural || hasStar(Object.values(own), tables)) for (const table of tables.values()) whole.add(table)
  }
  addWhole(Object.values(node), whole)
}

/** Tables of a FROM by the name that they have there, in lower case; is one of its joins NATURAL? */
function addTables(from: unknown, tables: Map<string, string>): boolean {
  if (!isRecord(from)) return false
  if (from['type'] === 'BASE_TABLE') {
    const table = nameOf(from['table_name'])
    tables.set(nameOf(from['alias']) || table, table)
  }
  const sides = [from['left'], from['right']].map((side) => addTables(side, tables))
  return from['ref_type'] === 'NATURAL' || sides.includes(true)
}

/** `*`, `e.*`, `COLUMNS(…)`, or a whole row by the name of its table; not within another SELECT. */
function hasStar(node: unknown, tables: ReadonlyMap<string, string>): boolean {
  if (Array.isArray(node)) return (node as readonly unknown[]).some((one) => hasStar(one, tables))
  if (!isRecord(node) || node['type'] === 'SELECT_NODE') return false
  if (node['class'] === 'STAR') return true
  const names = node['class'] === 'COLUMN_REF' ? node['column_names'] : undefined
  if (Array.isArray(names) && names.length === 1 && tables.has(nameOf(names[0]))) return true
  return hasStar(Object.values(node), tables)
}
