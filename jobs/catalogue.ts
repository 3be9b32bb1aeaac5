import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import { assert, Problem } from '../contract/problem.ts'
import { JOB_RUNS_TABLE } from './job-runs.ts'
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

/**
 * Those of Hearth and those of a folder of `*.sql` files, each after what it reads. Raises `invalid`, naming the file, for one
 * that cannot be read, has the name of another or reads what nobody defines, itself included.
 */
export function catalogueWith(folder: string): Catalogue {
  const files = readdirSync(folder).filter((file) => file.endsWith('.sql'))
  return extended(files.sort().map((file) => parseMetric(file, readFileSync(join(folder, file), 'utf8'))))
}

/** Those of Hearth and more. Raises as `catalogueWith` does. */
export function extended(more: readonly Metric[]): Catalogue {
  const all = [...catalogue()]
  const taken = (name: string) =>
    [...GIVEN, JOB_RUNS_TABLE].includes(name) || all.some((metric) => metric.name === name)
  let waiting = [...more]
  while (waiting.length > 0) {
    const known = new Set([...GIVEN, ...all.map(({ name }) => name)])
    const ready = waiting.filter(({ inputs }) => inputs.every(({ table }) => known.has(table)))
    if (ready.length === 0) {
      const lacks = waiting.map(({ name, inputs }) => {
        const unknown = inputs.map(({ table }) => table).filter((table) => !known.has(table))
        return `${name} reads ${unknown.join(', ')}`
      })
      throw new Problem(
        'invalid',
        `${lacks.join('; ')}: expected events, objectives, or metrics that are defined before`,
      )
    }
    for (const metric of ready) {
      if (taken(metric.name)) throw new Problem('invalid', `there is a table or metric ${metric.name} already`)
      all.push(metric)
    }
    waiting = waiting.filter((metric) => !ready.includes(metric))
  }
  return all
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
