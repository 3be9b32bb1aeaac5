/** Of whom nothing is known, and since when: relays that gave no sign of life. DuckDB's SQL over the lake's tables. */
import { z } from 'zod'
import { promisedSql } from './behind-sql.ts'
import { OF_SCOPE, timeSql, type Window, withinSql } from './counted-sql.ts'

/** A relay that is silent, with the hubs whose connections it held. */
export type Silent = {
  readonly relay: string
  readonly since_ms: number
  readonly hubs: number
  /** Of so many that are expected in all. */
  readonly of: number
}

const silentRow = z.tuple([z.string(), z.number(), z.number(), z.number()])

/** relay, since_ms, hubs, of: for `silentOf`, those with the most hubs first. */
export function silentSql(objective: string, window: Window): string {
  return `WITH ${promisedSql(objective)},
hubs_expected AS (
  SELECT DISTINCT h.hub_id FROM (SELECT * FROM hub_hours WHERE ${withinSql(window)}) h
  JOIN promised o ON ${OF_SCOPE} WHERE h.expected_ms > 0
),
silent AS (
  SELECT relay, hub_id, alive_time FROM sessions
  WHERE ${withinSql(window)}
    AND to_time > GREATEST(known_time, ${timeSql(window.from_ms)}) AND hub_id IN (SELECT hub_id FROM hubs_expected)
)
SELECT relay, CAST(epoch_ms(MAX(alive_time)) AS DOUBLE), CAST(COUNT(DISTINCT hub_id) AS DOUBLE),
  CAST((SELECT COUNT(*) FROM hubs_expected) AS DOUBLE)
FROM silent GROUP BY relay ORDER BY COUNT(DISTINCT hub_id) DESC, relay`
}

export function silentOf(rows: readonly (readonly unknown[])[]): readonly Silent[] {
  return rows.map((row) => {
    const [relay, since_ms, hubs, of] = silentRow.parse(row)
    return { relay, since_ms, hubs, of }
  })
}
