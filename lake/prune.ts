import type { ColumnType } from '../contract/column.ts'
import type { AddFile } from './action.ts'
import type { Comparison } from './predicate.ts'
import type { Snapshot } from './snapshot.ts'
import { decodeStatistics, type StatisticsValue } from './statistics.ts'

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
  const types = new Map(snapshot.columns.map(({ name, type }) => [name, type]))
  const known = bounds.filter(({ column }) => types.has(column))
  if (known.length === 0) return files
  const partition = new Set(snapshot.partition)
  return files.filter((file) => {
    // Decoded only when a condition on a stored column asks for it.
    let statistics: ReturnType<typeof decodeStatistics> | 'unread' = 'unread'
    return known.every((bound) => {
      const type = types.get(bound.column)
      if (type === undefined) return true
      if (partition.has(bound.column)) {
        const value = partitionValue(type, file.partitionValues[bound.column] ?? null)
        return value === undefined || mayHold(bound, value, value)
      }
      if (statistics === 'unread') statistics = decodeStatistics(file.stats)
      if (statistics === undefined) return true
      if (statistics.numRecords === 0) return false
      // A comparison with NULL is never true: a file of nothing else has no row.
      if (statistics.nullCount[bound.column] === statistics.numRecords) return false
      const [min, max] = [statistics.minValues[bound.column], statistics.maxValues[bound.column]]
      // NaN is above every number in DuckDB, and in no maximum.
      if (type === 'double' && (bound.comparison === '>' || bound.comparison === '>=')) return true
      return min === undefined || max === undefined || mayHold(bound, min, max)
    })
  })
}

function partitionValue(type: ColumnType, text: string | null): StatisticsValue | undefined {
  if (text === null) return undefined
  return type === 'integer' || type === 'long' || type === 'double' ? Number(text) : text
}

/** May some value in [min, max] meet the condition? */
function mayHold(bound: Bound, min: StatisticsValue, max: StatisticsValue): boolean {
  if (bound.comparison === 'in') return bound.values.some((value) => within(value, min, max))
  const { value } = bound
  if (!comparable(value, min, max)) return true
  switch (bound.comparison) {
    case '=':
      return within(value, min, max)
    case '<':
      // Timestamps are floored to ms, so that `<` has to allow for equality.
      return min <= value
    case '<=':
      return min <= value
    default:
      return max >= value
  }
}

function within(value: StatisticsValue, min: StatisticsValue, max: StatisticsValue): boolean {
  return !comparable(value, min, max) || (min <= value && value <= max)
}

/** Texts are ordered by UTF-8 bytes in DuckDB and by UTF-16 units here: the same for ASCII, and only for that decided. */
function comparable(...values: readonly StatisticsValue[]): boolean {
  const [first] = values
  return values.every((value) => typeof value === typeof first && (typeof value !== 'string' || !/[^ -~]/.test(value)))
}
