import { isNode, type SyntaxNode } from './statement.ts'

export type Comparison = '=' | '<' | '<=' | '>' | '>='

/** A condition that every row of the answer meets: column against constant. Constants are still syntax trees. */
export type Condition =
  | { readonly column: string; readonly comparison: Comparison; readonly constant: SyntaxNode }
  | { readonly column: string; readonly comparison: 'in'; readonly constants: readonly SyntaxNode[] }

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  COMPARE_EQUAL: '=',
  COMPARE_LESSTHAN: '<',
  COMPARE_LESSTHANOREQUALTO: '<=',
  COMPARE_GREATERTHAN: '>',
  COMPARE_GREATERTHANOREQUALTO: '>=',
}
const MIRRORED: Readonly<Record<Comparison, Comparison>> = { '=': '=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' }

/**
 * For each place where a statement reads a table: the conditions that the WHERE beside it puts on it, when the table
 * stands alone in its FROM. In a join the conditions are not looked at, and none are given, which is always sound. Pure.
 */
export function conditionsOf(tree: SyntaxNode): ReadonlyMap<string, readonly (readonly Condition[])[]> {
  const found = new Map<string, (readonly Condition[])[]>()
  const note = (table: string, conditions: readonly Condition[]) => {
    const places = found.get(table) ?? []
    places.push(conditions)
    found.set(table, places)
  }
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) {
      for (const child of node) visit(child)
      return
    }
    if (!isNode(node)) return
    const from = node['from_table']
    if (isNode(from) && from['type'] === 'BASE_TABLE' && (from['sample'] ?? undefined) === undefined) {
      // `events AS e(a, b, …)` gives the columns other names: a condition then speaks of another column.
      const renamed = Array.isArray(from['column_name_alias']) && from['column_name_alias'].length > 0
      note(String(from['table_name']).toLowerCase(), renamed ? [] : conjuncts(node['where_clause']))
      for (const [key, child] of Object.entries(node)) if (key !== 'from_table') visit(child)
      return
    }
    if (node['type'] === 'BASE_TABLE') note(String(node['table_name']).toLowerCase(), [])
    for (const child of Object.values(node)) visit(child)
  }
  visit(tree)
  return found
}

/** The parts of a conjunction that are conditions; other parts only make the answer smaller, and are passed over. */
function conjuncts(node: unknown): readonly Condition[] {
  if (!isNode(node)) return []
  const children = Array.isArray(node['children']) ? node['children'] : []
  if (node['type'] === 'CONJUNCTION_AND') return children.flatMap(conjuncts)
  if (node['type'] === 'COMPARE_BETWEEN') {
    const column = columnOf(node['input'])
    const { lower, upper } = node
    if (column === undefined || !isConstant(lower) || !isConstant(upper)) return []
    return [
      { column, comparison: '>=', constant: lower },
      { column, comparison: '<=', constant: upper },
    ]
  }
  if (node['type'] === 'COMPARE_IN') {
    const [first, ...rest] = children
    const column = columnOf(first)
    return column !== undefined && rest.length > 0 && rest.every(isConstant)
      ? [{ column, comparison: 'in', constants: rest }]
      : []
  }
  const comparison = COMPARISONS[String(node['type'])]
  if (comparison === undefined) return []
  const { left, right } = node
  const [leftColumn, rightColumn] = [columnOf(left), columnOf(right)]
  if (leftColumn !== undefined && isConstant(right)) return [{ column: leftColumn, comparison, constant: right }]
  if (rightColumn !== undefined && isConstant(left))
    return [{ column: rightColumn, comparison: MIRRORED[comparison], constant: left }]
  return []
}

/** The plain name of a column, alone and under no other name. */
export function columnOf(node: unknown): string | undefined {
  if (!isNode(node) || node['type'] !== 'COLUMN_REF' || !Array.isArray(node['column_names'])) return undefined
  if (node['alias']) return undefined
  const name: unknown = node['column_names'].at(-1)
  // `a.b` may also be a field of a struct or map a; only of a plain name can one be sure.
  return node['column_names'].length === 1 && typeof name === 'string' ? name.toLowerCase() : undefined
}

/** What depends on a row; and a collation, under which other texts are equal than those that the statistics order. */
const NOT_CONSTANT = new Set([
  ...['COLUMN_REF', 'SUBQUERY', 'STAR', 'WINDOW', 'LAMBDA', 'LAMBDA_REF', 'POSITIONAL_REFERENCE'],
  'COLLATE',
])

/** Does it depend on no row: no column, no subquery, no aggregate or window? And does it compare as it stands? */
function isConstant(node: unknown): node is SyntaxNode {
  if (!isNode(node)) return false
  const check = (value: unknown): boolean => {
    if (Array.isArray(value)) return value.every(check)
    if (!isNode(value)) return true
    if (NOT_CONSTANT.has(String(value['class']))) return false
    if (value['class'] === 'FUNCTION' && /random|uuid|setseed/i.test(String(value['function_name']))) return false
    return Object.values(value).every(check)
  }
  return check(node)
}
