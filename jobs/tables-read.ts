import type { DuckDBConnection } from '@duckdb/node-api'
import { Problem } from '../contract/problem.ts'
import { DUCKDB_VIEWS } from './dialect.ts'
import type { Metric } from './metric.ts'
import { isRecord, nameOf, type SelectTree, selectTrees } from './select-tree.ts'
import { unitTime } from './shape.ts'

/** Functions that make rows of what they are given; others read what is no input. */
const ROWS_OF_VALUES: ReadonlySet<string> = new Set(['generate_series', 'range', 'unnest'])

/**
 * Sees to it that a metric is one SELECT, and that it reads what its header says and nothing else: on the connection stand views
 * of other metrics as well, and what is no input is not pinned. Raises `invalid`, naming the part of the metric that it is in.
 */
export async function checkTablesRead(connection: DuckDBConnection, metric: Metric): Promise<void> {
  const { name, sql, inputs, only, carry, checks } = metric
  const ofRows = (table: string, condition: string) => `SELECT 1 FROM ${table} WHERE (\n${condition}\n)`
  const named = inputs.map(({ table }) => table)
  const given = [...named, ...givenTo(metric)]
  const otherwise = `which its inputs do not name (${named.join(', ')})`
  const rows = { given: ['result'], otherwise: 'where it has the columns of the metric alone' }
  const parts: readonly Part[] = [
    { part: 'SELECT', text: sql, given, otherwise },
    {
      part: 'only',
      text: ofRows('events', only),
      given: ['events'],
      otherwise: 'where it has the columns of events alone',
    },
    ...(carry ? [{ part: 'carry', text: ofRows('result', carry.where), ...rows }] : []),
    ...checks.map((check) => ({ part: `check "${check.name}"`, text: ofRows('result', check.condition), ...rows })),
  ]
  const trees = await selectTrees(
    connection,
    parts.map(({ text }) => text),
  )
  for (const [i, one] of parts.entries()) {
    const wrong = wrongIn(trees[i], one)
    if (wrong !== undefined) throw new Problem('invalid', `${name}: its ${one.part}${wrong}`)
  }
}

/** A text of a metric, and the tables that it may read. */
type Part = {
  readonly part: string
  readonly text: string
  readonly given: readonly string[]
  readonly otherwise: string
}

function wrongIn(tree: SelectTree | undefined, { given, otherwise }: Part): string | undefined {
  if (!tree || 'refused' in tree) return `: ${tree?.refused}`
  const found = tree.selects.length
  if (found !== 1) return `: expected one SELECT, found ${found}`
  const other = [...tablesIn(tree.selects, new Set())].find((table) => !given.includes(table))
  return other === undefined ? undefined : ` reads ${other}, ${otherwise}`
}

/** What a SELECT is given beside its inputs. */
function givenTo({ name, shape, carry }: Metric): readonly string[] {
  const views = (DUCKDB_VIEWS[name] ?? []).map((view) => /VIEW (\w+)/.exec(view)?.[1] ?? '')
  return [`${unitTime(shape)?.column ?? 'hour'}s`, ...(carry ? ['before'] : []), ...views]
}

/** Tables that a part of a tree reads and that none of the names of a WITH around it stands for. */
function tablesIn(node: unknown, defined: ReadonlySet<string>): ReadonlySet<string> {
  if (Array.isArray(node)) return new Set((node as readonly unknown[]).flatMap((one) => [...tablesIn(one, defined)]))
  if (!isRecord(node)) return new Set()
  if (node['type'] === 'TABLE_FUNCTION' && isRecord(node['function'])) {
    const called = nameOf(node['function']['function_name'])
    if (!ROWS_OF_VALUES.has(called)) return new Set([`${called}(…)`])
  }
  if (node['type'] === 'BASE_TABLE') {
    const table = [node['catalog_name'], node['schema_name'], node['table_name']].map(nameOf).filter(Boolean).join('.')
    return new Set(defined.has(table) ? [] : [table])
  }
  const { cte_map, ...rest } = node
  const found = new Set<string>()
  const within = new Set(defined)
  const withs = isRecord(cte_map) && Array.isArray(cte_map['map']) ? (cte_map['map'] as readonly unknown[]) : []
  for (const one of withs) {
    if (!isRecord(one)) continue
    for (const table of tablesIn(one['value'], within)) found.add(table)
    within.add(nameOf(one['key']))
  }
  // The name of a recursive WITH is its own in its second half.
  if (node['type'] === 'RECURSIVE_CTE_NODE') within.add(nameOf(node['cte_name']))
  for (const table of tablesIn(Object.values(rest), within)) found.add(table)
  return found
}
