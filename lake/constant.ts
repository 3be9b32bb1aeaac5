import type { DuckDBConnection } from '@duckdb/node-api'
import type { OwnType } from '../contract/column.ts'
import { rowsOf } from './duckdb.ts'
import type { Condition } from './predicate.ts'
import type { Bound } from './prune.ts'
import { duckDbType, isOwnType } from './schema.ts'
import type { Snapshot } from './snapshot.ts'
import type { SyntaxNode } from './statement.ts'
import type { StatisticsValue } from './statistics.ts'

/** Types of a constant with which a column is compared as what it is. With any other the engine may cast the column. */
const SAME_KIND: Readonly<Record<OwnType, RegExp>> = {
  string: /^VARCHAR$/,
  long: /^((U?(TINY|SMALL|BIG)INT)|U?INTEGER|FLOAT|DOUBLE|DECIMAL.*)$/,
  integer: /^((U?(TINY|SMALL|BIG)INT)|U?INTEGER|FLOAT|DOUBLE|DECIMAL.*)$/,
  double: /^((U?(TINY|SMALL|BIG)INT)|U?INTEGER|FLOAT|DOUBLE|DECIMAL.*)$/,
  boolean: /^BOOLEAN$/,
  timestamp: /^(TIMESTAMP.*|DATE|VARCHAR)$/,
  date: /^(TIMESTAMP.*|DATE|VARCHAR)$/,
  map: /^$/,
}

/** Conditions with their constants worked out by the engine itself; what it cannot say in advance is left out. */
export async function boundsOf(
  connection: DuckDBConnection,
  snapshot: Snapshot,
  conditions: readonly Condition[],
): Promise<readonly Bound[]> {
  const types = new Map(snapshot.columns.map(({ name, type }) => [name, type]))
  const bounds: Bound[] = []
  for (const condition of conditions) {
    const type = types.get(condition.column)
    if (type === undefined || !isOwnType(type)) continue
    const trees = condition.comparison === 'in' ? condition.constants : [condition.constant]
    const values: StatisticsValue[] = []
    for (const tree of trees) {
      const value = await valueOf(connection, tree, type)
      if (value !== undefined) values.push(value)
    }
    const [value] = values
    if (value === undefined || values.length !== trees.length) continue
    const { column, comparison } = condition
    bounds.push(comparison === 'in' ? { column, comparison, values } : { column, comparison, value })
  }
  return bounds
}

async function valueOf(
  connection: DuckDBConnection,
  tree: SyntaxNode,
  type: OwnType,
): Promise<StatisticsValue | undefined> {
  try {
    const [text] = await rowsOf(connection, 'SELECT json_deserialize_sql($1::JSON)::VARCHAR AS sql', [selectOf(tree)])
    const cast = `TRY_CAST(x AS ${duckDbType(type)})`
    const value = type === 'timestamp' ? `epoch_ms(${cast})` : type === 'date' ? `CAST(${cast} AS VARCHAR)` : cast
    const [row] = await rowsOf(
      connection,
      `SELECT typeof(x) AS kind, ${value} AS value FROM (${textOf(text?.['sql'])}) AS constant(x)`,
    )
    if (!row || !SAME_KIND[type].test(textOf(row['kind'])) || row['value'] === null) return undefined
    return statisticsForm(type, row['value'])
  } catch {
    // Not a constant that can be worked out alone: every file stays, and the query itself will say what is wrong.
    return undefined
  }
}

function statisticsForm(type: OwnType, value: unknown): StatisticsValue | undefined {
  if (type === 'timestamp') return new Date(Number(value)).toISOString()
  if (type === 'long' || type === 'integer' || type === 'double') {
    const number = Number(value)
    return Number.isSafeInteger(number) || (type === 'double' && Number.isFinite(number)) ? number : undefined
  }
  return typeof value === 'string' || typeof value === 'boolean' ? value : undefined
}

/** The syntax tree of a SELECT of one expression. Positions are dropped: "none" is a number past what JSON carries here. */
function selectOf(expression: SyntaxNode): string {
  const from_table = { type: 'EMPTY', alias: '', sample: null, query_location: 0 }
  const node = {
    type: 'SELECT_NODE',
    modifiers: [],
    cte_map: { map: [] },
    select_list: [expression],
    from_table,
    where_clause: null,
    group_expressions: [],
    group_sets: [],
    aggregate_handling: 'STANDARD_HANDLING',
    having: null,
    sample: null,
    qualify: null,
  }
  const statement = { error: false, statements: [{ node, named_param_map: [] }] }
  return JSON.stringify(statement, (key, value: unknown) => (key === 'query_location' ? 0 : value))
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
