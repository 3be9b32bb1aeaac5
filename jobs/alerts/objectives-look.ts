import { z } from 'zod'
import type { Query } from '../../lake/query.ts'
import { countedSql, type Judged, judged } from '../objective-state.ts'
import type { Burnt, Point } from './burn-rate.ts'
import { pointsSql } from './points-sql.ts'

/** Of `pointsSql`. */
export const pointRow = z.tuple([z.string(), z.coerce.number(), z.coerce.number(), z.number(), z.number(), z.number()])

export type LookedAt = Judged & Burnt

/** Each objective with what it counted over its window, and what its alerts are judged by at `at_ms`, a whole minute. */
export async function lookAtObjectives(
  query: Query,
  at_ms: number,
  signal?: AbortSignal,
): Promise<readonly LookedAt[]> {
  const options = signal ? { signal } : {}
  const counted = await query.run(countedSql(at_ms), options)
  const points = new Map<string, Point[]>()
  for (const row of (await query.run(pointsSql(at_ms), options)).rows) {
    const [objective, from_ms, to_ms, bad, total, unknown] = pointRow.parse(row)
    const list = points.get(objective) ?? []
    list.push({ from_ms, to_ms, bad, total, unknown })
    points.set(objective, list)
  }
  const names = counted.columns.map(({ name }) => name)
  return judged(names, counted.rows).map((one) => ({ ...one, points: points.get(one.objective) ?? [] }))
}
