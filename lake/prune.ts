import type { ColumnType } from '../contract/column.ts'
import type { AddFile } from './action.ts'
import type { Comparison } from './predicate.ts'
import { promotedOf } from './promoted.ts'
import type { Snapshot } from './snapshot.ts'
import { decodeStatistics, FOUR_DIGIT_DATE, type StatisticsValue } from './statistics.ts'

/**
 * A condition with its values known, in the form of the statistics: numbers, texts, booleans, dates `2026-11-24`,
 * timestamps as ISO texts in whole ms (floored).
 */
export type Bound =
  | { readonly column: string; readonly comparison: Comparison; readonly value: StatisticsValue }
  | { readonly column: string; readonly comparison: 'in'; readonly values: readonly StatisticsValue[] }

/** The files of which some row may meet all conditions. Sound: in doubt a file stays. Pure. */
export function prune(snapshot: Snapshot, bounds: readonly Bound[]): readonly AddFile[] {
  const files = [...snapshot.files.values()]
  const columns = new Map(snapshot.columns.map((column) => [column.name, column]))
  // Of a column that is filled from `extra` the statistics do not tell all.
  const filled = new Set(promotedOf(snapshot).map(({ name }) => name))
  const known = bounds.filter(({ column }) => columns.has(column) && !filled.has(column))
  if (known.length === 0) return files
  const partition = new Set(snapshot.partition)
  return files.filter((file) => {
    // Decoded only when a condition on a stored column asks for it.
    let statistics: ReturnType<typeof decodeStatistics> | 'unread' = 'unread'
    return known.every((bound) => {
      const column = columns.get(bound.column)
      if (column === undefined) return true
      const { type, stored_name: name = bound.column } = column
      if (partition.has(bound.column)) {
        const value = partitionValue(type, file.partitionValues[name])
        return value !== null && mayHold(type, bound, value, value)
      }
      if (statistics === 'unread') statistics = decodeStatistics(file.stats)
      if (statistics === undefined) return true
      if (statistics.numRecords === 0) return false
      // A comparison with NULL is never true: a file of nothing else has no row.
      if (statistics.nullCount[name] === statistics.numRecords) return false
      // NaN is above every number in DuckDB, and in no maximum.
      if (type === 'double' && (bound.comparison === '>' || bound.comparison === '>=')) return true
      return mayHold(type, bound, statistics.minValues[name], statistics.maxValues[name])
    })
  })
}

/** A partition value in the form of the statistics; null where no row can meet a comparison (PROTOCOL.md: '' is null). */
function partitionValue(type: ColumnType, text: string | null | undefined): StatisticsValue | undefined | null {
  if (text === null || text === '') return null
  if (text === undefined) return undefined
  if (type === 'boolean') return text === 'true'
  return type === 'integer' || type === 'long' || type === 'double' ? Number(text) : text
}

/** May some value in [min, max] meet the condition? */
function mayHold(
  type: ColumnType,
  bound: Bound,
  least: StatisticsValue | undefined,
  greatest: StatisticsValue | undefined,
): boolean {
  const [min, max] = [ordered(type, least), ordered(type, greatest)]
  if (min === undefined || max === undefined) return true
  const holds = (comparison: Comparison, asked: StatisticsValue): boolean => {
    const value = ordered(type, asked)
    if (value === undefined) return true
    // Timestamps are floored to ms, so that < and > have to allow for equality.
    const atLeast = min <= value
    const atMost = value <= max
    return comparison === '=' ? atLeast && atMost : comparison === '<' || comparison === '<=' ? atLeast : atMost
  }
  return bound.comparison === 'in'
    ? bound.values.some((value) => holds('=', value))
    : holds(bound.comparison, bound.value)
}

/**
 * A value as what sorts like the column does: times as whole ms, whatever zone and fraction an engine wrote. Undefined
 * for what does not: texts are ordered by UTF-8 bytes in DuckDB and by UTF-16 units here, which is the same for ASCII.
 */
function ordered(type: ColumnType, value: StatisticsValue | undefined): StatisticsValue | undefined {
  switch (type) {
    case 'timestamp':
      return typeof value === 'string' ? wholeMs(value) : undefined
    case 'date':
      return typeof value === 'string' && FOUR_DIGIT_DATE.test(value) ? value : undefined
    case 'string':
      return typeof value === 'string' && !/[^ -~]/.test(value) ? value : undefined
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined
    case 'integer':
    case 'long':
    case 'double':
      return typeof value === 'number' && !Number.isNaN(value) ? value : undefined
    default:
      return undefined
  }
}

const TIME = /^([+-]\d{6}|\d{4})-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$/

/** ms since 1970, floored; a time without a zone is one of UTC. */
function wholeMs(text: string): number | undefined {
  const match = TIME.exec(text)
  if (!match) return undefined
  const [, , fraction = '', zone = 'Z'] = match
  const second = text.slice(0, text.length - fraction.length - (match[3] ?? '').length).replace(' ', 'T')
  const ms = Date.parse(`${second}.${fraction.slice(1, 4).padEnd(3, '0')}${zone}`)
  return Number.isNaN(ms) ? undefined : ms
}
