import { z } from 'zod'
import type { Clock } from '../contract/clock.ts'
import { type Failure, failure, failureOf } from '../jobs/failure.ts'
import { failuresSql } from '../jobs/failures-told.ts'
import { JOB_RUNS_TABLE } from '../jobs/job-runs.ts'
import { count, numeric, rowsOf } from './answer-rows.ts'
import { explainAnswer, explainParams, explainQuery, type JobsAnswer, jobsAnswer, jobsQuery } from './jobs-api.ts'
import { FAILURES_SHOWN_CHARACTERS, RUNS_MAX } from './limits.ts'
import type { Queries } from './query-protocol.ts'
import { hangUp, type Router } from './route.ts'
import { shareAnswers } from './shared-answers.ts'
import { lines, timestamp } from './sql-text.ts'

/** Where the metrics stand: what is due and why, what is being calculated, and what runs did. */
export function mountJobs(route: Router, options: { readonly queries: Queries; readonly clock: Clock }): void {
  const { queries, clock } = options
  const shared = shareAnswers(clock)
  // A shared answer must not die with the first who asked for it; the query's own time limit ends it.
  const nobody = new AbortController().signal
  route({
    method: 'GET',
    url: '/api/jobs',
    summary: 'Each metric, how far it reaches and what is due of it; runs under way; runs of a window.',
    scope: 'query',
    fleet: true,
    query: jobsQuery,
    answer: jobsAnswer,
    handle: async ({ query }): Promise<JobsAnswer> => {
      const key = `runs ${query.from} ${query.to} ${query.metric ?? ''} ${query.failed ?? ''}`
      const [{ metrics, under_way }, failures, runs] = await Promise.all([
        shared('standing', () => queries.standing(nobody)),
        shared('failures', () => failuresOf(queries, clock.now(), nobody)),
        shared(key, () => runsOf(queries, query, nobody)),
      ])
      const failed = await Promise.all(
        under_way.map(async ({ run, about, since_ms }) =>
          about ? await shared(`failed ${run}`, () => failedSince(queries, about.metric, since_ms, nobody)) : 0,
        ),
      )
      return {
        metrics: metrics.map((one) => ({ ...one, failing: failureOf(failures, one.metric, one.due) ?? null })),
        under_way: under_way.map((run, index) => ({ ...run, failed: failed[index] ?? 0 })),
        runs,
      }
    },
  })
  route({
    method: 'GET',
    url: '/api/jobs/:metric/explain',
    summary: 'From what each bucket of an hour was made, and why it is due if it is.',
    scope: 'query',
    fleet: true,
    params: explainParams,
    query: explainQuery,
    answer: explainAnswer,
    handle: ({ params, query }, { request, reply }) =>
      queries.explain({ metric: params.metric, hour_ms: query.hour }, hangUp(request, reply)),
  })
}

const text = z.string().nullable()
const runRow = z.object({
  ...{ run_id: z.string(), metric: z.string(), cause: z.string(), outcome: z.string(), reason: text, runner: text },
  ...{ failures: text, started_ms: count, first_ms: numeric, last_ms: numeric, units: count, rows: count, ms: count },
  ...{ parts: numeric, attempts: numeric },
})

async function runsOf(
  queries: Queries,
  { from, to, metric, failed }: z.infer<typeof jobsQuery>,
  signal: AbortSignal,
): Promise<JobsAnswer['runs']> {
  const columns = await runColumns(queries, signal)
  if (!columns) return { rows: [], failed: 0, total: 0, sql: null }
  // A table that no run has been added to since an upgrade has not all of the columns.
  const of = (name: string, as = name) => `${columns.has(name) ? as : 'NULL'} AS ${name}`
  const window = `started_time >= ${timestamp(from)} AND started_time < ${timestamp(to)}`
  const sql = lines(`
    SELECT run_id, epoch_ms(started_time) AS started_ms, metric, units, epoch_ms(first_hour) AS first_ms,
      epoch_ms(last_hour) AS last_ms, rows, ms, cause, outcome, reason, ${of('runner')}, ${of('parts')},
      ${of('attempts')}, ${of('failures', `left(failures, ${FAILURES_SHOWN_CHARACTERS})`)}
    FROM ${JOB_RUNS_TABLE}
    WHERE ${[window, ...(metric ? [`metric = '${metric}'`] : []), ...(failed ? [`outcome = 'failed'`] : [])].join(' AND ')}
    ORDER BY started_time DESC, metric
    LIMIT ${RUNS_MAX}`)
  const totals = `SELECT count(*) AS total, count(*) FILTER (outcome = 'failed') AS failed FROM ${JOB_RUNS_TABLE} WHERE ${window}`
  const [rows, sums] = await Promise.all([
    queries.run({ sql, max_rows: RUNS_MAX }, signal),
    queries.run({ sql: totals, max_rows: 1 }, signal),
  ])
  const [sum = { total: 0, failed: 0 }] = rowsOf(sums, z.object({ total: count, failed: count }))
  return { rows: rowsOf(rows, runRow), ...sum, sql }
}

async function failuresOf(queries: Queries, now_ms: number, signal: AbortSignal): Promise<readonly Failure[]> {
  if (!(await runColumns(queries, signal))) return []
  return rowsOf(await queries.run({ sql: failuresSql(now_ms), max_rows: RUNS_MAX }, signal), failure)
}

async function failedSince(queries: Queries, metric: string, since_ms: number, signal: AbortSignal): Promise<number> {
  if (!(await runColumns(queries, signal))) return 0
  const sql = `SELECT count(*) AS failed FROM ${JOB_RUNS_TABLE} WHERE metric = '${metric.replaceAll("'", "''")}' AND outcome = 'failed' AND started_time >= ${timestamp(since_ms)}`
  const [row] = rowsOf(await queries.run({ sql, max_rows: 1 }, signal), z.object({ failed: count }))
  return row?.failed ?? 0
}

/** Undefined while there was no run yet. */
async function runColumns(queries: Queries, signal: AbortSignal): Promise<ReadonlySet<string> | undefined> {
  const table = (await queries.schema(signal)).tables.find(({ name }) => name === JOB_RUNS_TABLE)
  return table && new Set(table.columns.map(({ name }) => name))
}
