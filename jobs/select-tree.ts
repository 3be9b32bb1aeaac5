import type { DuckDBConnection } from '@duckdb/node-api'
import { z } from 'zod'
import { assert } from '../contract/problem.ts'
import { rowsOf } from '../lake/duckdb.ts'
import { literal } from '../lake/schema.ts'

/** A text of SQL as DuckDB takes it apart (`json_serialize_sql`): its SELECTs, or why it is none. */
export type SelectTree = { readonly selects: readonly unknown[] } | { readonly refused: string }

const trees = z.union([
  z.object({ error: z.literal(false), statements: z.array(z.unknown()) }),
  z.object({ error: z.literal(true), error_message: z.string(), position: z.coerce.number().optional() }),
])

export async function selectTree(connection: DuckDBConnection, sql: string): Promise<SelectTree> {
  const [tree] = await selectTrees(connection, [sql])
  assert(tree, 'one text has one tree')
  return tree
}

/** Of each text, by one statement. */
export async function selectTrees(
  connection: DuckDBConnection,
  texts: readonly string[],
): Promise<readonly SelectTree[]> {
  const list = texts.map((sql, i) => `CAST(json_serialize_sql(${literal(sql)}) AS VARCHAR) AS t${i}`)
  const [row] = await rowsOf(connection, `SELECT ${list.join(', ')}`)
  const parsed = z.record(z.string(), z.string()).parse(row)
  return texts.map((sql, i) => treeOf(sql, parsed[`t${i}`] ?? ''))
}

function treeOf(sql: string, parsed: string): SelectTree {
  const tree = trees.parse(JSON.parse(parsed))
  if (!tree.error) return { selects: tree.statements }
  if (tree.position === undefined)
    return { refused: `expected one SELECT, and no other statement (${tree.error_message})` }
  const line = sql.slice(0, tree.position).split('\n').length
  return { refused: `${tree.error_message}\nLINE ${line}: ${sql.split('\n')[line - 1] ?? ''}` }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Names are one whatever their case. */
export function nameOf(value: unknown): string {
  return typeof value === 'string' ? value.toLowerCase() : ''
}
