/**
 * What the objectives counted, as finely as alerts need it (docs/decisions/080): by the minute for as long as the short
 * windows reach, by the hour before. Loss is known by the hour alone. In DuckDB's SQL over the lake's tables.
 */
import { HOUR_MS } from '../limits.ts'
import { LONGEST_MS, MINUTE_MS } from './burn-rate.ts'
import { countedRows, OF_SCOPE, timeSql, withinSql } from './counted-sql.ts'

/** The windows of pages are in minutes, and so are those short ones of tickets that are not longer. */
const MINUTES_BACK_MS = 6 * HOUR_MS

/** From here on there are minutes. */
export function minutesFrom(at_ms: number): number {
  return Math.floor((at_ms - MINUTES_BACK_MS) / HOUR_MS) * HOUR_MS
}

/** objective, from_ms, to_ms, bad, total, unknown: all that `judgeAlerts` reads of the time up to `at_ms`, a whole minute. */
export function pointsSql(at_ms: number): string {
  const from_ms = minutesFrom(at_ms)
  const window = { from_ms, to_ms: at_ms }
  const minutes = withinSql(window)
  const commands = ['command_success', 'latency'].map(
    (measure) => `SELECT objective, time, bad, total FROM (\n${countedRows(measure, window)}\n  )`,
  )
  return `
WITH promised AS (SELECT * FROM objectives),
of_hubs AS (SELECT hour, hub_id, region, model, firmware, expected_ms FROM hub_hours WHERE ${minutes}),
in_sessions AS (
  SELECT hour, hub_id, epoch_ms(from_time) AS from_ms, epoch_ms(known_time) AS known_ms, epoch_ms(to_time) AS to_ms
  FROM sessions WHERE ${minutes}
),
-- The running hour is made up to a moment: open sessions tell which, or a hub that is expected all the time.
made AS (
  SELECT h.hour, CASE
      WHEN h.hour < MAX(h.hour) OVER () THEN epoch_ms(h.hour) + ${HOUR_MS}
      ELSE GREATEST(epoch_ms(h.hour) + h.expected_ms, COALESCE(s.to_ms, 0))
    END AS until_ms
  FROM (SELECT hour, CAST(MAX(expected_ms) AS BIGINT) AS expected_ms FROM of_hubs GROUP BY hour) h
  LEFT JOIN (SELECT hour, MAX(to_ms) AS to_ms FROM in_sessions GROUP BY hour) s ON s.hour = h.hour
),
expected AS (
  SELECT m.hour, b.hub_id, GREATEST(epoch_ms(b.valid_from), epoch_ms(m.hour)) AS from_ms,
    LEAST(COALESCE(epoch_ms(b.valid_to), m.until_ms), m.until_ms) AS to_ms
  FROM (SELECT * FROM hubs WHERE expected) b
  JOIN made m ON epoch_ms(b.valid_from) < m.until_ms AND COALESCE(b.valid_to > m.hour, TRUE)
),
spans AS (
  SELECT hour, hub_id, 0 AS good, 1 AS total, 0 AS unknown, from_ms, to_ms FROM expected
  UNION ALL
  SELECT e.hour, e.hub_id, 1, 0, 0, GREATEST(s.from_ms, e.from_ms), LEAST(s.known_ms, e.to_ms)
  FROM in_sessions s JOIN expected e ON e.hour = s.hour AND e.hub_id = s.hub_id
  UNION ALL
  SELECT e.hour, e.hub_id, 0, -1, 1, GREATEST(s.known_ms, e.from_ms), LEAST(s.to_ms, e.to_ms)
  FROM in_sessions s JOIN expected e ON e.hour = s.hour AND e.hub_id = s.hub_id
),
of_objectives AS (
  SELECT o.objective, s.good, s.total, s.unknown, s.from_ms - ${from_ms} AS from_ms, s.to_ms - ${from_ms} AS to_ms
  FROM spans s JOIN of_hubs h ON h.hour = s.hour AND h.hub_id = s.hub_id
  JOIN promised o ON o.measure = 'availability' AND ${OF_SCOPE}
  WHERE s.to_ms > s.from_ms
),
-- Of many spans the time within each minute: all that began less all that ended, each since its moment.
edges AS (
  SELECT objective, minute, SUM(n * good) AS good, SUM(n * good * ms) AS good_ms, SUM(n * total) AS total, SUM(n * total * ms) AS total_ms,
    SUM(n * unknown) AS unknown, SUM(n * unknown * ms) AS unknown_ms
  FROM (
    SELECT objective, good, total, unknown, 1 AS n, from_ms AS ms, from_ms // ${MINUTE_MS} AS minute FROM of_objectives
    UNION ALL SELECT objective, good, total, unknown, -1, to_ms, to_ms // ${MINUTE_MS} FROM of_objectives
  ) ends GROUP BY objective, minute
),
grid AS (
  SELECT o.objective, m.minute, (m.minute + 1) * ${MINUTE_MS} AS end_ms
  FROM (SELECT DISTINCT objective FROM of_objectives) o,
    (SELECT CAST(unnest(range(${(at_ms - from_ms) / MINUTE_MS})) AS BIGINT) AS minute) m
),
run_up AS (
  SELECT g.objective, g.minute,
    g.end_ms * SUM(COALESCE(e.good, 0)) OVER so_far - SUM(COALESCE(e.good_ms, 0)) OVER so_far AS good,
    g.end_ms * SUM(COALESCE(e.total, 0)) OVER so_far - SUM(COALESCE(e.total_ms, 0)) OVER so_far AS total,
    g.end_ms * SUM(COALESCE(e.unknown, 0)) OVER so_far - SUM(COALESCE(e.unknown_ms, 0)) OVER so_far AS unknown
  FROM grid g LEFT JOIN edges e ON e.objective = g.objective AND e.minute = g.minute
  WINDOW so_far AS (PARTITION BY g.objective ORDER BY g.minute)
),
availability AS (
  SELECT objective, minute, good - LAG(good, 1, 0) OVER before AS good, total - LAG(total, 1, 0) OVER before AS total,
    unknown - LAG(unknown, 1, 0) OVER before AS unknown
  FROM run_up WINDOW before AS (PARTITION BY objective ORDER BY minute)
),
commands AS (
  SELECT objective, (epoch_ms(time) - ${from_ms}) // ${MINUTE_MS} AS minute, SUM(total - bad) AS good, SUM(total) AS total, 0 AS unknown
  FROM (${commands.join(' UNION ALL ')}) GROUP BY objective, minute
),
by_minute AS (
  SELECT * FROM availability UNION ALL SELECT * FROM commands
),
by_hour AS (
  SELECT objective, epoch_ms(hour) AS from_ms, bad, total,
    IF(measure = 'availability', excluded, 0) AS unknown
  FROM slo_hours
  WHERE ${withinSql({ from_ms: at_ms - LONGEST_MS, to_ms: at_ms })}
    AND (measure = 'loss' OR hour < ${timeSql(from_ms)})
)
SELECT objective, ${from_ms} + minute * ${MINUTE_MS} AS from_ms, ${from_ms} + (minute + 1) * ${MINUTE_MS} AS to_ms,
  CAST(total - good AS DOUBLE) AS bad, CAST(total AS DOUBLE) AS total, CAST(unknown AS DOUBLE) AS unknown
FROM by_minute WHERE total <> 0 OR good <> 0 OR unknown <> 0
UNION ALL
SELECT objective, from_ms, from_ms + ${HOUR_MS}, CAST(bad AS DOUBLE), CAST(total AS DOUBLE), CAST(unknown AS DOUBLE)
FROM by_hour WHERE total <> 0 OR bad <> 0 OR unknown <> 0
ORDER BY ALL`
}
