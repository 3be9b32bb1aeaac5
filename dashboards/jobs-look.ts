import type { Clock } from '../contract/clock.ts'
import type { Catalogue } from '../jobs/catalogue.ts'
import { type Explained, type MetricStatus, openLook } from '../jobs/look.ts'
import type { Metric } from '../jobs/metric.ts'
import type { Unit } from '../jobs/plan.ts'
import { lookAtRuns } from '../jobs/runs-under-way.ts'
import { ALL } from '../jobs/touched.ts'
import { turnstile } from '../lake/in-parallel.ts'
import type { Lake } from '../lake/lake.ts'
import { openMemoryStore } from '../lake/memory-store.ts'
import { overlayStore } from '../lake/overlay-store.ts'
import type { ExplainAnswer, MetricLook, StandingLook } from './jobs-api.ts'

/** What is made and what is due, from the logs of the tables: no data file is read, and nothing is written. */
export type JobsLook = {
  /** What nothing was committed to since the last look is not planned again. */
  standing(): Promise<StandingLook>
  /** Raises `missing` for a metric or an hour that there is not. */
  explain(metric: string, hour_ms: number): Promise<ExplainAnswer>
}

export function openJobsLook(options: {
  readonly lake: Lake
  readonly clock: Clock
  readonly metrics: Catalogue
}): JobsLook {
  const { lake, clock, metrics } = options
  // Folds of what was touched are the jobs' to keep: those that are made here stay here.
  const look = openLook({ lake, clock, metrics, folds: overlayStore(lake.store, openMemoryStore({ clock })) })
  const looks = new WeakMap<MetricStatus, MetricLook>()
  // A look goes on from the one before.
  const inTurn = turnstile(1)

  function lookOf(status: MetricStatus): readonly MetricLook[] {
    const metric = metrics.find(({ name }) => name === status.metric)
    if (!metric) return []
    const made = looks.get(status) ?? metricLook(metric, status)
    looks.set(status, made)
    return [made]
  }

  return {
    async standing() {
      const under = await lookAtRuns(lake.store, metrics)
      return {
        metrics: (await inTurn(() => look.status())).flatMap(lookOf),
        under_way: under.map(({ about = null, ...run }) => ({ ...run, about })),
      }
    },
    explain: async (metric, hour_ms) => ({
      buckets: (await inTurn(() => look.explain(metric, hour_ms))).map(explainedLook),
    }),
  }
}

const UNITS = { hour: 'hour', 'hour-all': 'hour', 'day-all': 'day', bucket: 'history' } as const

function metricLook({ name, shape, revision, hash }: Metric, status: MetricStatus): MetricLook {
  const { computed, newest_ms = null, complete_to_ms = null, fresh_until_ms = null, due } = status
  const whole = shape === 'bucket'
  return {
    ...{ metric: name, unit: UNITS[shape], revision, definition: hash },
    ...{ computed, newest_ms: whole ? null : newest_ms, complete_to_ms, fresh_until_ms, due: byCause(due) },
  }
}

/** Units of a plan by why they are due, the cause of most of them first. */
export function byCause(due: readonly Unit[]): MetricLook['due'] {
  return [...Map.groupBy(due, ({ cause }) => cause)]
    .map(([cause, units]) => {
      const [first_ms = 0, last_ms = first_ms] = [units[0]?.hour_ms, units.at(-1)?.hour_ms]
      return { cause, units: units.length, first_ms, last_ms }
    })
    .sort((a, b) => b.units - a.units)
}

function explainedLook({ bucket, record, cause, frozen }: Explained): ExplainAnswer['buckets'][number] {
  return { bucket: bucket === ALL ? null : bucket, cause: cause ?? null, made: record ?? null, frozen: frozen ?? null }
}
