import { z } from 'zod'
import { failure } from '../jobs/failure.ts'
import { time_ms as askedTime_ms, windowQuery } from './api.ts'

/** What the Jobs page is answered. */

const time_ms = z.number().describe('ms since 1970 UTC')
const metricName = z.string().regex(/^[a-z][a-z0-9_]*$/)

const dueLook = z.object({
  cause: z.string().describe('never computed, hour is over, definition rose, carry changed, or which input moved'),
  units: z.number(),
  first_ms: time_ms.describe('begin of the oldest; 0 for a whole history'),
  last_ms: time_ms,
})

const metricLook = z.object({
  metric: z.string(),
  unit: z.enum(['hour', 'day', 'history']).describe('what one unit is made of'),
  revision: z.number(),
  definition: z.string().describe('its hash'),
  computed: z.number().describe('units whose rows stand'),
  newest_ms: time_ms.nullable().describe('begin of the newest of them; null for a whole history'),
  complete_to_ms: time_ms.nullable().describe('end of the newest unit whose rows are final in every bucket'),
  fresh_until_ms: time_ms.nullable().describe('late once this has passed'),
  due: z.array(dueLook),
})
export type MetricLook = z.infer<typeof metricLook>

const runUnderWay = z.object({
  run: z.string(),
  since_ms: time_ms,
  made: z.number().describe('parts that are made'),
  about: z
    .object({ metric: z.string(), units: z.number(), parts: z.number() })
    .nullable()
    .describe('null for a run of another Hearth'),
})

/** What is known from the tables' logs and the store, without a data file. */
export const standingLook = z.object({ metrics: z.array(metricLook), under_way: z.array(runUnderWay) })
export type StandingLook = z.infer<typeof standingLook>

const runLook = z.object({
  run_id: z.string(),
  started_ms: time_ms,
  metric: z.string(),
  units: z.number(),
  first_ms: time_ms.nullable().describe('earliest hour that was made; null for a whole history'),
  last_ms: time_ms.nullable(),
  rows: z.number(),
  ms: z.number().describe('how long it took'),
  cause: z.string(),
  outcome: z.string().describe('committed or failed'),
  reason: z.string().nullable().describe('why it failed'),
  runner: z.string().nullable().describe('who calculated it; null for runs from before that was told'),
  parts: z.number().nullable(),
  attempts: z.number().nullable(),
  failures: z.string().nullable().describe('each try that failed, a line each'),
})
export type RunLook = z.infer<typeof runLook>

export const jobsQuery = windowQuery.extend({
  metric: metricName.optional().describe('runs of this metric only'),
  failed: z.literal('1').optional().describe('only runs that failed'),
})

const metricNow = metricLook.extend({
  failing: failure.nullable().describe('what its last run failed with, while what that was to make is due'),
})
export type MetricNow = z.infer<typeof metricNow>

export const jobsAnswer = standingLook.extend({
  metrics: z.array(metricNow),
  under_way: z.array(
    runUnderWay.extend({ failed: z.number().describe('runs of its metric that failed since it was begun') }),
  ),
  runs: z.object({
    rows: z.array(runLook).describe('that began in the window, newest first'),
    failed: z.number().describe('of all that began in it, whatever is asked for'),
    total: z.number(),
    sql: z.string().nullable().describe('null while there was no run yet'),
  }),
})
export type JobsAnswer = z.infer<typeof jobsAnswer>

export const explainParams = z.object({ metric: metricName })
export const explainQuery = z.object({
  hour: askedTime_ms.describe('a time in the hour or day that is asked for, ms since 1970 UTC'),
})

const explainedLook = z.object({
  bucket: z.number().nullable().describe('null for all of them'),
  cause: z.string().nullable().describe('why it is due; null when it is not'),
  made: z
    .object({
      inputs: z.record(z.string(), z.number()).describe('version of each table that it was made from'),
      revision: z.number(),
      definition: z.string(),
      carry: z.string().describe('hash of what the hour before left'),
      rows: z.string().describe('hash of its rows'),
      open: z.boolean().describe('it was still running'),
    })
    .nullable()
    .describe('null while it was never made'),
  frozen: z
    .object({ table: z.string(), from_ms: time_ms })
    .nullable()
    .describe('set when it is never made again: which table keeps no rows from before when'),
})
export const explainAnswer = z.object({ buckets: z.array(explainedLook) })
export type ExplainAnswer = z.infer<typeof explainAnswer>
