import { z } from 'zod'
import type { Lake } from '../lake/lake.ts'
import type { Query } from '../lake/query.ts'
import { type Failure, failure } from './failure.ts'
import { JOB_RUNS_TABLE } from './job-runs.ts'
import { FAILING_WITHIN_MS } from './limits.ts'

/**
 * A SELECT of failures, one row a metric. A run makes up for one that failed where it made the first of the hours that that
 * one did not: other days of a metric are made while one of them fails, before it and after it in the same run, too.
 */
export function failuresSql(now_ms: number): string {
  const from = new Date(now_ms - FAILING_WITHIN_MS).toISOString().slice(0, 19).replace('T', ' ')
  return `WITH runs AS (
  SELECT metric, started_time, outcome, reason, first_hour, last_hour,
    bool_or(outcome = 'failed') OVER (PARTITION BY metric, started_time) AS is_short
  FROM ${JOB_RUNS_TABLE}
  WHERE started_time >= TIMESTAMP '${from}'
), last AS (
  SELECT * FROM runs WHERE outcome = 'failed'
  QUALIFY row_number() OVER (PARTITION BY metric ORDER BY started_time DESC) = 1
), mended AS (
  SELECT l.metric, max(r.started_time) AS mended_time
  FROM last l JOIN runs r ON r.metric = l.metric AND r.outcome = 'committed' AND NOT r.is_short
    AND (l.first_hour IS NULL OR l.first_hour BETWEEN r.first_hour AND r.last_hour)
  GROUP BY l.metric
)
SELECT l.metric, any_value(coalesce(l.reason, '')) AS reason, epoch_ms(min(r.started_time)) AS since_ms,
  epoch_ms(max(r.started_time)) AS last_ms, count(*) AS times,
  epoch_ms(any_value(l.first_hour)) AS first_hour_ms, epoch_ms(any_value(l.last_hour)) AS last_hour_ms
FROM last l LEFT JOIN mended m ON m.metric = l.metric JOIN runs r ON r.metric = l.metric AND r.outcome = 'failed'
WHERE m.mended_time IS NULL OR r.started_time > m.mended_time
GROUP BY l.metric`
}

/** The failures that a lake tells of; none where no run was told yet. */
export async function failuresIn(lake: Lake, query: Query, now_ms: number): Promise<readonly Failure[]> {
  if (!(await lake.tables()).includes(JOB_RUNS_TABLE)) return []
  const { columns, rows } = await query.run(failuresSql(now_ms))
  return z
    .array(failure)
    .parse(rows.map((row) => Object.fromEntries(columns.map(({ name }, index) => [name, row[index]]))))
}
