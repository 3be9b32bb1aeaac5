import type { DuckDBConnection } from '@duckdb/node-api'
import { closest } from '../contract/closest.ts'
import { Problem } from '../contract/problem.ts'
import { ALLOWED_FUNCTIONS, ALLOWED_TABLE_FUNCTIONS } from './functions.ts'
import { STATEMENT_MAX_CHARACTERS, STATEMENT_QUERIES_MAX } from './limits.ts'

/** A node of DuckDB's own syntax tree, as `json_serialize_sql` writes it. */
export type SyntaxNode = Readonly<Record<string, unknown>>

/** One SELECT that may be run, and the tables that it names. */
export type Statement = {
  readonly sql: string
  readonly tree: SyntaxNode
  /** Names of the tables and views that it reads, in lower case, without those that it defines itself. */
  readonly tables: ReadonlySet<string>
}

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

/** Characters of a line that a message shows on each side of a mistake. */
const SHOWN_AROUND = 60

/** What the whole walk through one statement gathers. */
type Walk = { readonly tables: Set<string>; queries: number }

/** Names of WITH that a table's name may mean where it stands. */
type Scope = ReadonlySet<string>

/**
 * Reads a statement by the engine's own parser. Raises `invalid`: not exactly one SELECT, longer or deeper than the
 * limits, or a table, function or clause that is not known to compute from the lake's tables alone; says which.
 */
export async function checkStatement(connection: DuckDBConnection, sql: string): Promise<Statement> {
  if (sql.length > STATEMENT_MAX_CHARACTERS) {
    throw new Problem(
      'invalid',
      `a statement has at most ${STATEMENT_MAX_CHARACTERS} characters; this one has ${sql.length}`,
    )
  }
  // The engine's text ends at a NUL, so what it checks and what it runs could differ.
  if (sql.includes('\0')) throw new Problem('invalid', 'a statement has no NUL characters')
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
  const found: Walk = { tables: new Set(), queries: 0 }
  walk(parsed, new Set(), found)
  return { sql, tree: parsed, tables: found.tables }
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
  // Of a long line only what is around the place.
  const from = Math.max(0, column - 1 - SHOWN_AROUND)
  const shown = line.slice(from, column - 1 + SHOWN_AROUND)
  return `${message}, line ${row}, column ${column}\n  ${shown}\n  ${' '.repeat(Math.max(0, column - 1 - from))}^`
}

/** Visits every node: refuses what is not allowed and collects the tables. */
function walk(node: unknown, scope: Scope, found: Walk): void {
  if (Array.isArray(node)) {
    for (const child of node) walk(child, scope, found)
    return
  }
  if (!isNode(node)) return
  if (node['cte_map'] !== undefined && ++found.queries > STATEMENT_QUERIES_MAX) {
    throw new Problem('invalid', `a statement has at most ${STATEMENT_QUERIES_MAX} SELECTs, joined or nested`)
  }
  checkTable(node, scope, found.tables)
  checkFunction(node)
  if (node['class'] === 'PARAMETER')
    throw new Problem('invalid', 'parameters ($1, ?) have no value here: write the value')
  const inside = walkWith(node, scope, found)
  for (const [key, child] of Object.entries(node)) if (key !== 'cte_map') walk(child, inside, found)
}

/**
 * Visits the queries of a WITH, and gives the scope of what follows it. As the engine has it: each sees those before
 * it, and itself only when it is recursive; a name that is not in scope means a table, whatever WITH says elsewhere.
 */
function walkWith(node: SyntaxNode, scope: Scope, found: Walk): Scope {
  const map = node['cte_map']
  const entries = isNode(map) && Array.isArray(map['map']) ? map['map'].filter(isNode) : []
  let names = scope
  for (const entry of entries) {
    walk(entry['value'], names, found)
    names = new Set([...names, String(entry['key']).toLowerCase()])
  }
  return node['type'] === 'RECURSIVE_CTE_NODE' ? new Set([...names, String(node['cte_name']).toLowerCase()]) : names
}

function checkFunction(node: SyntaxNode): void {
  if (typeof node['function_name'] !== 'string') return
  const name = node['function_name'].toLowerCase()
  // The call of a table function comes by here too, after checkTable.
  if (ALLOWED_FUNCTIONS.has(name) || ALLOWED_TABLE_FUNCTIONS.has(name)) return
  const meant = closest(name, [...ALLOWED_FUNCTIONS])
  throw new Problem(
    'invalid',
    `the function ${name} is not allowed here${meant ? `; did you mean ${meant}?` : ': only functions that compute from their arguments are, and nothing that reads files, settings or the machine'}`,
  )
}

function checkTable(node: SyntaxNode, scope: Scope, tables: Set<string>): void {
  const type = node['type']
  // Whatever stands in FROM has an alias and a sample, and is no expression.
  if (typeof type !== 'string' || node['class'] !== undefined || !('alias' in node && 'sample' in node)) return
  if (type === 'SHOW_REF') {
    throw new Problem(
      'invalid',
      'DESCRIBE, SHOW and SUMMARIZE are not allowed here: hearth lake describe and docs/tables.md have the columns',
    )
  }
  if (!TABLE_NODES.has(type))
    throw new Problem('invalid', `${type} is not allowed in FROM: only tables, subqueries and joins`)
  if (type === 'BASE_TABLE') {
    const name = String(node['table_name']).toLowerCase()
    const schema = [node['catalog_name'], node['schema_name']].filter(Boolean).join('.')
    if (schema) throw new Problem('invalid', `tables have no schema here: write ${name}, not ${schema}.${name}`)
    if (node['at_clause'])
      throw new Problem('invalid', `an older ${name} is asked for beside the SQL: --at, not AT (…)`)
    if (!scope.has(name)) tables.add(name)
  }
  if (type === 'TABLE_FUNCTION') {
    const call = node['function']
    const name = isNode(call) ? String(call['function_name']).toLowerCase() : ''
    const schema = isNode(call) ? call['schema'] || call['catalog'] : undefined
    if (!isNode(call) || !ALLOWED_TABLE_FUNCTIONS.has(name) || schema) {
      throw new Problem(
        'invalid',
        `${name || 'this function'}(…) is not allowed in FROM; allowed are ${[...ALLOWED_TABLE_FUNCTIONS].join(', ')}`,
      )
    }
  }
}
