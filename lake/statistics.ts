import { z } from 'zod'
import type { Column, ColumnType } from '../contract/column.ts'
import { STATISTICS_COLUMNS_MAX, STATISTICS_TEXT_MAX } from './limits.ts'

/** A minimum, a maximum. Timestamps are ISO texts in ms, dates `2026-11-24`. */
export type StatisticsValue = string | number | boolean

/** What is known of a data file's rows (PROTOCOL.md, "Per-file Statistics"). */
export type Statistics = {
  readonly numRecords: number
  readonly minValues: Readonly<Record<string, StatisticsValue>>
  readonly maxValues: Readonly<Record<string, StatisticsValue>>
  readonly nullCount: Readonly<Record<string, number>>
}

/** The least or the greatest value of a column: a timestamp in µs since 1970, a date as DuckDB writes it. */
export type WrittenBound = string | number | bigint | boolean

/** What is known of a column of a file that was written. */
export type WrittenColumn = {
  readonly min?: WrittenBound
  readonly max?: WrittenBound
  readonly null_count?: number
  readonly has_nan?: boolean
}

/** Properties of a table: names of the columns that statistics are kept for, or how many of the first; 32 unless set. */
export const STATISTICS_COLUMNS_KEY = 'delta.dataSkippingStatsColumns'
export const STATISTICS_COUNT_KEY = 'delta.dataSkippingNumIndexedCols'

/** Those of the stored columns that a table keeps statistics for: the names that it has a list of, else the first. */
export function withStatistics<T extends { readonly name: string }>(
  columns: readonly T[],
  configuration: Readonly<Record<string, string>>,
): readonly T[] {
  const listed = configuration[STATISTICS_COLUMNS_KEY]
  if (listed !== undefined) {
    // Names with a comma or a space stand between backticks, and a backtick in them is doubled.
    const names = [...listed.matchAll(/\s*(?:`((?:[^`]|``)*)`|([^,`]+))/g)]
    const kept = new Set(names.map(([, quoted, plain]) => quoted?.replaceAll('``', '`') ?? plain?.trim()))
    return columns.filter(({ name }) => kept.has(name))
  }
  const count = Number(configuration[STATISTICS_COUNT_KEY] ?? STATISTICS_COLUMNS_MAX)
  return count === -1 ? columns : columns.slice(0, count >= 0 ? count : STATISTICS_COLUMNS_MAX)
}

/**
 * Statistics of these columns of a written file. Bounds hold: timestamps are floored and ceiled to ms, texts are left out when long, and
 * what JSON or another engine could not tell rightly: NaN, which Spark has above all numbers, and years past 9999.
 */
export function statisticsOf(
  rows: number,
  columns: readonly Column[],
  written: ReadonlyMap<string, WrittenColumn>,
): Statistics {
  const minValues: Record<string, StatisticsValue> = {}
  const maxValues: Record<string, StatisticsValue> = {}
  const nullCount: Record<string, number> = {}
  for (const { name, type } of columns) {
    const column = written.get(name)
    if (!column || type === 'map') continue
    if (column.null_count !== undefined) nullCount[name] = column.null_count
    if (column.has_nan) continue
    const min = column.min === undefined ? undefined : bound(type, column.min, 'min')
    const max = column.max === undefined ? undefined : bound(type, column.max, 'max')
    if (min === undefined || max === undefined) continue
    minValues[name] = min
    maxValues[name] = max
  }
  return { numRecords: rows, minValues, maxValues, nullCount }
}

/** As the protocol writes dates; others do not sort as texts. */
export const FOUR_DIGIT_DATE = /^\d{4}-\d\d-\d\d$/

function bound(type: ColumnType, value: WrittenBound, side: 'min' | 'max'): StatisticsValue | undefined {
  switch (typeof value) {
    case 'bigint':
      return timestampBound(value, side)
    case 'number':
      return Math.abs(value) <= Number.MAX_SAFE_INTEGER ? value : undefined
    case 'string': {
      const isKept = type === 'date' ? FOUR_DIGIT_DATE.test(value) : value.length <= STATISTICS_TEXT_MAX
      return isKept ? value : undefined
    }
    default:
      return value
  }
}

const YEAR_0_MS = Date.parse('0000-01-01T00:00:00.000Z')
const YEAR_9999_END_MS = Date.parse('9999-12-31T23:59:59.999Z')

/** 2026-01-01 00:00:00.123456 → `2026-01-01T00:00:00.123Z`, or .124Z as a maximum. */
function timestampBound(us: bigint, side: 'min' | 'max'): string | undefined {
  const rest_us = ((us % 1000n) + 1000n) % 1000n
  const ms = Number((us - rest_us) / 1000n) + (side === 'max' && rest_us > 0n ? 1 : 0)
  return YEAR_0_MS <= ms && ms <= YEAR_9999_END_MS ? new Date(ms).toISOString() : undefined
}

const statisticsValue = z.union([z.string(), z.number(), z.boolean()])
const statistics = z.object({
  numRecords: z.number().int(),
  minValues: z.record(z.string(), z.unknown()).optional(),
  maxValues: z.record(z.string(), z.unknown()).optional(),
  nullCount: z.record(z.string(), z.unknown()).optional(),
})

/** The statistics of an add action; undefined when it has none that can be read, which only costs a look at the file. */
export function decodeStatistics(text: string | undefined): Statistics | undefined {
  if (text === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const parsed = statistics.safeParse(value)
  if (!parsed.success) return undefined
  return {
    numRecords: parsed.data.numRecords,
    minValues: only(parsed.data.minValues, statisticsValue),
    maxValues: only(parsed.data.maxValues, statisticsValue),
    nullCount: only(parsed.data.nullCount, z.number()),
  }
}

/** What fits the type; nested statistics of other engines are left out. */
function only<T>(values: Readonly<Record<string, unknown>> | undefined, type: z.ZodType<T>): Record<string, T> {
  const kept: Record<string, T> = {}
  for (const [name, value] of Object.entries(values ?? {})) {
    const parsed = type.safeParse(value)
    if (parsed.success) kept[name] = parsed.data
  }
  return kept
}
