import type { DuckDBConnection } from '@duckdb/node-api'
import { Problem } from '../contract/problem.ts'

/** A node of DuckDB's own syntax tree, as `json_serialize_sql` writes it. */
export type SyntaxNode = Readonly<Record<string, unknown>>

/** One SELECT that may be run, and the tables that it names. */
export type Statement = {
  readonly sql: string
  readonly tree: SyntaxNode
  /** Names of the tables and views that it reads, in lower case, without those that it defines itself. */
  readonly tables: ReadonlySet<string>
}

/** Functions that may stand in FROM; any other reads files, settings, or the engine's own insides. */
const TABLE_FUNCTIONS = new Set([
  'unnest',
  'range',
  'generate_series',
  'repeat_row',
  'repeat',
  'json_each',
  'json_tree',
])

/** What may stand in FROM. DESCRIBE, SHOW and the like come as SHOW_REF, and are not among them. */
const TABLE_NODES = new Set([
  'BASE_TABLE',
  'SUBQUERY',
  'JOIN',
  'TABLE_FUNCTION',
  'EXPRESSION_LIST',
  'EMPTY',
  'EMPTY_FROM',
  'PIVOT',
  'COLUMN_DATA',
])

/**
 * Scalar functions that read the machine, the session or the settings, or that run SQL given as text. The engine is
 * locked besides (query.ts): a function that is missing here still opens no file and sets nothing.
 */
const DENIED =
  /^(getenv|getvariable|current_setting|set_config|nextval|currval|current_quer(y|ies)|current_connection_id|current_transaction_id|txid_current|pg_.*|duckdb_.*|pragma_.*|read_.*|parquet_.*|sniff_.*|write_log|parse_duckdb_log.*|json_(de)?serialize.*|json_execute.*|query|query_table|sql_auto_complete|in_search_path|version|which_secret|checkpoint|force_checkpoint|sleep.*|test_.*|current_database|current_schemas?|current_user|user|session_user|current_role|getmacro.*|host|inet_.*)$/

/** Raises `invalid`: not exactly one SELECT, a table by path, or something that reads the machine; says which. */
export async function checkStatement(connection: DuckDBConnection, sql: string): Promise<Statement> {
  const reader = await connection.runAndReadAll('SELECT json_serialize_sql($1::VARCHAR)', [sql])
  const text = reader.getRows()[0]?.[0]
  const parsed: unknown = JSON.parse(String(text))
  if (!isNode(parsed)) throw new Problem('invalid', 'the statement could not be read')
  if (parsed['error'] === true) throw new Problem('invalid', syntaxMessage(sql, parsed))
  const statements = Array.isArray(parsed['statements']) ? parsed['statements'] : []
  if (statements.length !== 1) {
    throw new Problem(
      'invalid',
      `expected one SELECT, found ${statements.length} statements: ask one question at a time`,
    )
  }
  const tables = new Set<string>()
  walk(parsed, new Set(), tables)
  return { sql, tree: parsed, tables }
}

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function syntaxMessage(sql: string, parsed: SyntaxNode): string {
  const message = String(parsed['error_message'])
  if (parsed['error_type'] === 'not implemented') return 'only a SELECT can be asked here: the lake is read-only'
  const position = Number(parsed['position'])
  if (!Number.isInteger(position)) return message
  const before = sql.slice(0, position)
  const row = before.split('\n').length
  const column = position - before.lastIndexOf('\n')
  const line = sql.split('\n')[row - 1] ?? ''
  return `${message}, line ${row}, column ${column}\n  ${line}\n  ${' '.repeat(Math.max(0, column - 1))}^`
}

/** Visits every node: refuses what is not allowed and collects the tables. `defined` are the names of WITH in scope. */
function walk(node: unknown, defined: ReadonlySet<string>, tables: Set<string>): void {
  if (Array.isArray(node)) {
    for (const child of node) walk(child, defined, tables)
    return
  }
  if (!isNode(node)) return
  const scope = withNames(node, defined)
  checkTable(node, scope, tables)
  const name = typeof node['function_name'] === 'string' ? node['function_name'].toLowerCase() : undefined
  if (name !== undefined && DENIED.test(name))
    throw new Problem('invalid', `the function ${name} is not allowed here: it reads more than the lake`)
  if (node['class'] === 'PARAMETER')
    throw new Problem('invalid', 'parameters ($1, ?) have no value here: write the value')
  for (const child of Object.values(node)) walk(child, scope, tables)
}

function checkTable(node: SyntaxNode, scope: ReadonlySet<string>, tables: Set<string>): void {
  const type = node['type']
  if (type === 'BASE_TABLE') {
    const name = String(node['table_name']).toLowerCase()
    const schema = [node['catalog_name'], node['schema_name']].filter(Boolean).join('.')
    if (schema) {
      throw new Problem('invalid', `tables have no schema here: write ${name}, not ${schema}.${name}`)
    }
    if (!scope.has(name)) tables.add(name)
  }
  if (type === 'TABLE_FUNCTION') {
    const call = node['function']
    const name = isNode(call) ? String(call['function_name']).toLowerCase() : ''
    const schema = isNode(call) ? call['schema'] || call['catalog'] : undefined
    if (!TABLE_FUNCTIONS.has(name) || schema) {
      throw new Problem(
        'invalid',
        `${name || 'this function'}(…) is not allowed in FROM; allowed are ${[...TABLE_FUNCTIONS].join(', ')}`,
      )
    }
  }
  for (const place of ['from_table', 'left', 'right', 'source']) {
    const table = node[place]
    if (!isNode(table) || typeof table['type'] !== 'string') continue
    // `left` and `right` are also the sides of a comparison and of a UNION; those have a class, or are query nodes.
    if (table['class'] !== undefined || table['type'].endsWith('_NODE')) continue
    if (!TABLE_NODES.has(table['type']))
      throw new Problem('invalid', `${table['type']} is not allowed in FROM: only tables, subqueries and joins`)
  }
  if (type === 'SHOW_REF')
    throw new Problem(
      'invalid',
      'DESCRIBE, SHOW and SUMMARIZE are not allowed here: the schema is beside the editor, and in docs/tables.md',
    )
}

function withNames(node: SyntaxNode, defined: ReadonlySet<string>): ReadonlySet<string> {
  const names = new Set(defined)
  const map = node['cte_map']
  const entries = isNode(map) && Array.isArray(map['map']) ? map['map'] : []
  for (const entry of entries) if (isNode(entry)) names.add(String(entry['key']).toLowerCase())
  // A recursive or materialised WITH is a node of its own.
  if (typeof node['cte_name'] === 'string') names.add(node['cte_name'].toLowerCase())
  if (node['type'] === 'CTE_NODE' && typeof node['ctename'] === 'string') names.add(node['ctename'].toLowerCase())
  return names
}
