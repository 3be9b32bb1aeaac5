import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Clock } from '../contract/clock.ts'
import { messageOf } from '../contract/problem.ts'
import type { Jobs, MetricRun, RunOptions } from '../jobs/jobs.ts'
import { SECONDS_BUCKETS } from './figure.ts'

export type JobsFigures = {
  /** Why the last run failed; undefined when it did not. */
  readonly failing: string | undefined
  /** The same jobs, whose runs are counted. */
  watch(jobs: Jobs): Jobs
}

/** What a run fails with before it comes to any metric. */
const ALL_METRICS = 'all'

/** `names`: of the metrics, each of which has a count of failures from the start. */
export function jobsFigures(metrics: Registry, clock: Clock, names: readonly string[]): JobsFigures {
  const registers = [metrics]
  const labelNames = ['metric'] as const
  const due = new Gauge({
    ...{ name: 'hearth_jobs_due_units', help: 'Units that the run now going on has found due and not made yet.' },
    ...{ labelNames, registers },
  })
  const made = new Counter({ name: 'hearth_jobs_units_total', help: 'Units made.', labelNames, registers })
  const rows = new Counter({ name: 'hearth_jobs_rows_total', help: 'Rows written.', labelNames, registers })
  const failures = new Counter({
    ...{ name: 'hearth_jobs_failures_total', help: 'Looks at which a metric failed, or waited since it had failed.' },
    ...{ labelNames, registers },
  })
  for (const metric of [...names, ALL_METRICS]) failures.inc({ metric }, 0)
  const took = new Histogram({
    ...{ name: 'hearth_jobs_run_seconds', help: 'Of one metric: from its plan to its commit.' },
    ...{ labelNames, registers, buckets: [...SECONDS_BUCKETS, 60, 300, 1_800] },
  })
  const success = new Gauge({
    ...{ name: 'hearth_jobs_last_success_timestamp_seconds', help: 'When everything due was last made.', registers },
  })
  let failing: string | undefined
  return {
    get failing() {
      return failing
    },
    watch: (jobs) => ({
      ...jobs,
      async run(options = {}) {
        const progress = (metric: string, done: number, total: number) => due.set({ metric }, total - done)
        const ran = async (runs: readonly MetricRun[]) => {
          for (const { metric, units, rows: count, ms } of runs) {
            made.inc({ metric }, units.length)
            rows.inc({ metric }, count)
            took.observe({ metric }, ms / 1000)
          }
          await options.ran?.(runs)
        }
        const failed = new Set<string>()
        const noteFailed: NonNullable<RunOptions['failed']> = (metric, error, units) => {
          failed.add(metric)
          options.failed?.(metric, error, units)
        }
        try {
          const runs = await jobs.run({ ...options, progress, ran, failed: noteFailed })
          failing = undefined
          due.reset()
          success.set(clock.now() / 1000)
          return runs
        } catch (error) {
          if (!options.signal?.aborted) {
            for (const metric of failed.size > 0 ? failed : [ALL_METRICS]) failures.inc({ metric })
            failing = messageOf(error)
          }
          throw error
        }
      },
    }),
  }
}
