import { readFileSync } from 'node:fs'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import { assert } from '../contract/problem.ts'
import { type Metric, parseMetric } from './metric.ts'
import { OBJECTIVES_TABLE } from './objectives-table.ts'

/** All metrics, each after those that it reads. */
export type Catalogue = readonly Metric[]

/** The metrics of Hearth, in the order in which they are computed. */
export const METRICS = [
  'hubs',
  'command_traces',
  'sessions',
  'stream_hours',
  'hub_hours',
  'latency_hours',
  'fleet_hours',
  'device_days',
  'firmware_cohorts',
  'slo_hours',
] as const

/** Tables that metrics read and that are none. */
const GIVEN = [EVENTS_TABLE, OBJECTIVES_TABLE]

let loaded: Catalogue | undefined

/** The definitions in `jobs/metrics/`, read once. */
export function catalogue(): Catalogue {
  loaded ??= ordered(
    METRICS.map((name) =>
      parseMetric(`metrics/${name}.sql`, readFileSync(new URL(`./metrics/${name}.sql`, import.meta.url), 'utf8')),
    ),
  )
  return loaded
}

/** The same metrics, checked that each stands after those that it reads. */
export function ordered(metrics: readonly Metric[]): Catalogue {
  const names = new Set([...GIVEN, ...metrics.map((metric) => metric.name)])
  const seen = new Set<string>(GIVEN)
  for (const metric of metrics) {
    for (const { table } of metric.inputs) {
      assert(names.has(table), `${metric.name} reads ${table}, which nobody defines`)
      assert(seen.has(table), `${metric.name} reads ${table}, which stands after it`)
    }
    seen.add(metric.name)
  }
  return metrics
}
