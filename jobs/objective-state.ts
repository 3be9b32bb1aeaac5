import { z } from 'zod'

/** What an objective counted over its window, and what it is judged by. */
const counted = z.object({
  objective: z.string(),
  measure: z.string(),
  good: z.coerce.number(),
  total: z.coerce.number(),
  matched: z.coerce.number(),
  target: z.number(),
  window_days: z.number(),
  minimum_total: z.coerce.number(),
  alert_minimum: z.coerce.number(),
})
export type Counted = z.infer<typeof counted>

/**
 * `no data`: nothing in its window is what the objective is about, so that it can neither be kept nor missed: its scope is
 * wrong, or a fleet is not there. `too little data`: less than its minimum, which is no reason to wake anybody.
 */
export type ObjectiveState = 'kept' | 'missed' | 'too little data' | 'no data'

export type Judged = Counted & {
  readonly state: ObjectiveState
  /** good ÷ total; undefined where there is no total. */
  readonly share: number | undefined
  /** Of the bad that the target allows, the share that is left; below 0 when it is overdrawn. */
  readonly budget_left: number | undefined
}

/** Each objective with what it counted in its window up to `now_ms`, for `judged`; in DuckDB's SQL over the lake's tables. */
export function countedSql(now_ms: number): string {
  const sum = (column: string) => `CAST(COALESCE(SUM(s.${column}), 0) AS BIGINT) AS ${column}`
  return `SELECT o.objective, o.measure, ${['good', 'total', 'matched'].map(sum).join(', ')}, o.target, o.window_days, o.minimum_total,
    COALESCE(o.alert_minimum, o.minimum_total) AS alert_minimum
    FROM objectives o LEFT JOIN slo_hours s
      ON s.objective = o.objective AND s.hour > to_timestamp(${now_ms / 1000}) - to_days(o.window_days)
    GROUP BY ALL ORDER BY o.objective`
}

/** Columns and rows of `countedSql`, judged. */
export function judged(columns: readonly string[], rows: readonly (readonly unknown[])[]): readonly Judged[] {
  return rows.map((row) => judge(counted.parse(Object.fromEntries(columns.map((name, i) => [name, row[i]])))))
}

function judge(one: Counted): Judged {
  const { good, total, matched, target, minimum_total } = one
  if (matched === 0) return { ...one, state: 'no data', share: undefined, budget_left: undefined }
  const share = total > 0 ? good / total : undefined
  const budget_left = share === undefined ? undefined : 1 - (1 - share) / (1 - target)
  if (share === undefined || total < minimum_total) return { ...one, state: 'too little data', share, budget_left }
  return { ...one, state: share >= target ? 'kept' : 'missed', share, budget_left }
}
