import type { DuckDBConnection } from '@duckdb/node-api'
import { Problem } from '../../contract/problem.ts'
import { catalogue } from '../../jobs/catalogue.ts'
import type { MetricLook } from '../jobs-api.ts'
import type { JobsLook } from '../jobs-look.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const WITHIN_MS = 15 * MINUTE_MS

/** For tests only: where metrics stand, by arithmetic. `behind`: those by the hour end four hours ago; `failing`: a day of one is not made. */
export function sampleJobs(now_ms: number, state: string | undefined): JobsLook {
  const none = state === 'empty' || state === 'unmeasured'
  const behind_ms = state === 'behind' ? 4 * HOUR_MS : 0
  return {
    standing: async () => ({
      metrics: catalogue().map((metric): MetricLook => {
        const unit = metric.shape === 'bucket' ? 'history' : metric.shape === 'day-all' ? 'day' : 'hour'
        const about = { metric: metric.name, unit, revision: metric.revision, definition: metric.hash } as const
        if (unit === 'history') {
          const units = { cause: 'never computed', units: 4, first_ms: 0, last_ms: 0 }
          const due = state === 'unmeasured' ? [units] : []
          return { ...about, computed: none ? 0 : 4, newest_ms: null, complete_to_ms: null, fresh_until_ms: null, due }
        }
        const length_ms = unit === 'day' ? DAY_MS : HOUR_MS
        // Of days the newest is never behind: at one in the morning four hours ago would be another day.
        const to_ms = Math.floor((now_ms - (unit === 'day' ? 0 : behind_ms)) / length_ms) * length_ms
        const never = { cause: 'never computed', units: 240, first_ms: to_ms - 10 * DAY_MS, last_ms: to_ms - length_ms }
        if (none) {
          const [due, fresh_until_ms] =
            state === 'unmeasured' ? [[never], never.first_ms + length_ms + WITHIN_MS] : [[], null]
          return { ...about, computed: 0, newest_ms: null, complete_to_ms: null, fresh_until_ms, due }
        }
        return {
          ...{ ...about, computed: unit === 'day' ? 10 : metric.shape === 'hour' ? 960 : 240 },
          ...{ newest_ms: unit === 'day' ? to_ms - length_ms : to_ms, complete_to_ms: to_ms },
          fresh_until_ms: to_ms + length_ms + WITHIN_MS,
          due: dueOf(metric.name, unit, to_ms, behind_ms, state),
        }
      }),
      under_way: none
        ? []
        : [
            {
              ...{ run: 'latency-hours-1f0c9a-6k-9b1e44', since_ms: now_ms - 6 * MINUTE_MS, made: 5 },
              about: { metric: 'latency_hours', units: 2_208, parts: 8 },
            },
            { run: 'hub-weeks-1f0c9a-2s-77ab01', since_ms: now_ms - 2 * DAY_MS, made: 0, about: null },
          ],
    }),
    explain: async (name, hour_ms) => {
      const metric = catalogue().find((one) => one.name === name)
      if (!metric) throw new Problem('missing', `there is no metric ${name}; there are hubs, sessions, …`)
      if (none || hour_ms > now_ms) throw new Problem('missing', `${name} has no such hour: it has not begun`)
      const buckets = metric.shape === 'hour' || metric.shape === 'bucket' ? [0, 1, 2, 3] : [null]
      const inputs = Object.fromEntries(metric.inputs.map(({ table }, i) => [table, 4_812 - 731 * i]))
      const hashes = { carry: '0c11d2e3f4a5b6c7', rows: '9f8e7d6c5b4a3921' }
      const made = { inputs, ...hashes, revision: metric.revision, definition: metric.hash, open: false }
      return {
        buckets: buckets.map((bucket) => ({
          ...{ bucket, made: bucket === 3 ? null : made, frozen: null },
          cause: bucket === 3 ? 'never computed' : bucket === 1 ? 'events moved' : null,
        })),
      }
    },
  }
}

function dueOf(
  name: string,
  unit: 'hour' | 'day',
  to_ms: number,
  behind_ms: number,
  state: string | undefined,
): MetricLook['due'] {
  if (state === 'failing' && name === 'command_traces') {
    const day_ms = Math.floor(to_ms / DAY_MS) * DAY_MS - DAY_MS
    return [{ cause: 'never computed', units: 96, first_ms: day_ms, last_ms: day_ms + 23 * HOUR_MS }]
  }
  if (behind_ms > 0 && unit === 'hour')
    return [
      { cause: 'never computed', units: 16, first_ms: to_ms + HOUR_MS, last_ms: to_ms + 4 * HOUR_MS },
      { cause: 'hour is over', units: 4, first_ms: to_ms, last_ms: to_ms },
    ]
  if (name !== 'latency_hours') return []
  return [
    { cause: 'definition rose', units: 2_204, first_ms: to_ms - 23 * DAY_MS, last_ms: to_ms - 2 * HOUR_MS },
    { cause: 'events moved', units: 4, first_ms: to_ms - HOUR_MS, last_ms: to_ms },
  ]
}

/** For tests only: what runs did, each five minutes; every seventh by pods, one of them with a try that failed. */
export async function makeSampleRuns(
  connection: DuckDBConnection,
  now_ms: number,
  state: string | undefined,
): Promise<void> {
  await connection.run(`
    CREATE TABLE job_runs AS
    WITH ticks AS (
      SELECT i, make_timestamp(${now_ms}::BIGINT * 1000) - to_minutes((2 + 5 * i)::INT) AS started_time,
        (['hub_hours', 'command_traces', 'fleet_hours', 'latency_hours', 'sessions'])[1 + (i % 5)::INT] AS metric
      FROM range(0, 400) r(i)
    )
    SELECT md5('run' || i) AS run_id, started_time, metric,
      CASE WHEN i = 4 THEN 0 WHEN i % 7 = 3 THEN 2208 ELSE 4 END::BIGINT AS units,
      CASE WHEN i != 4 THEN date_trunc('hour', started_time) - to_hours(CASE WHEN i % 7 = 3 THEN 552 ELSE 0 END) END AS first_hour,
      CASE WHEN i != 4 THEN date_trunc('hour', started_time) END AS last_hour,
      CASE WHEN i = 4 THEN 0 ELSE 25 + i % 11 END::BIGINT AS rows,
      CASE WHEN i = 4 THEN 0 WHEN i % 7 = 3 THEN 184211.0 ELSE 380.4 + i END AS ms,
      CASE WHEN i = 4 THEN '' WHEN i % 7 = 3 THEN 'definition rose' ELSE 'events moved, hour is over' END AS cause,
      CASE WHEN i = 4 THEN 'failed' ELSE 'committed' END AS outcome,
      CASE WHEN i = 4 THEN 'of 8 parts of sessions-1f0c9a-6j-9b1e44 not 6 came to an end; part 6 (pod sessions-6-x7k2p): it was killed for its memory (OOMKilled, limit 2Gi)' END AS reason,
      (100 + i)::BIGINT AS version,
      CASE WHEN i % 7 = 3 OR i = 4 THEN 'kubernetes' ELSE 'process' END AS runner,
      CASE WHEN i % 7 = 3 OR i = 4 THEN 8 ELSE 1 END::BIGINT AS parts,
      CASE WHEN i = 4 THEN 11 WHEN i = 3 THEN 9 WHEN i % 7 = 3 THEN 8 ELSE 1 END::BIGINT AS attempts,
      CASE WHEN i = 4 THEN 'part 6 (pod sessions-6-8d2qa): it was killed for its memory (OOMKilled, limit 2Gi)' || chr(10)
        || 'part 6 (pod sessions-6-mm01c): it was killed for its memory (OOMKilled, limit 2Gi)' || chr(10)
        || 'part 6 (pod sessions-6-x7k2p): it was killed for its memory (OOMKilled, limit 2Gi)'
        WHEN i = 3 THEN 'part 2 (pod latency-hours-2-kq81x): its node went away (NodeLost)' END AS failures
    FROM ticks`)
  if (state !== 'failing') return
  const day_ms = Math.floor(now_ms / DAY_MS) * DAY_MS - DAY_MS
  await connection.run(`
    INSERT INTO job_runs
    SELECT md5('failed' || i), make_timestamp(${now_ms}::BIGINT * 1000) - to_minutes((1 + 3 * i)::INT), 'command_traces', 96,
      make_timestamp(${day_ms}::BIGINT * 1000), make_timestamp(${day_ms + 23 * HOUR_MS}::BIGINT * 1000), 0, 1240.5, 'never computed',
      'failed', 'the data file events/event_date=2026-11-27/bucket=3/part-00007.parquet cannot be read: damaged or replaced; restore it from a copy, or ask for other days (The width (121) of the bitpacked data exceeds the supported max width (32))',
      NULL, 'process', 1, 1, NULL
    FROM range(0, 19) r(i)`)
}
