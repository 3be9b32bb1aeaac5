import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import { assert, isProblem, messageOf, Problem } from '../contract/problem.ts'
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

/** Metrics of Hearth and more, each after what it reads, and why others cannot be among them. */
export type Placed = { readonly metrics: Catalogue; readonly faults: readonly string[] }

/**
 * Those of Hearth, of files and of the `*.sql` of folders: one that is wrong keeps no other, and is told with its file. Raises
 * `invalid` for a path at which nothing is.
 */
export function catalogueWith(paths: readonly string[]): Placed {
  const own = new Map<Metric, string>()
  const faults: string[] = []
  for (const file of new Set(paths.flatMap(filesAt))) {
    try {
      own.set(parseMetric(file, readFileSync(file, 'utf8')), file)
    } catch (error) {
      faults.push(isProblem(error) ? error.message : `${file}: ${messageOf(error)}`)
    }
  }
  const { metrics, faults: more } = placed([...own.keys()], (metric) => own.get(metric) ?? 'Hearth')
  return { metrics, faults: [...faults, ...more] }
}

function filesAt(path: string): readonly string[] {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found) throw new Problem('invalid', `expected a folder of metrics, or a file with one; nothing is at ${path}`)
  if (!found.isDirectory()) return [path]
  const names = readdirSync(path).filter((file) => file.endsWith('.sql'))
  return names.sort().map((name) => join(path, name))
}

/** Those of Hearth and more. Raises `invalid` for one that has the name of another or reads what nobody defines. */
export function extended(more: readonly Metric[]): Catalogue {
  const { metrics, faults } = placed(more, ({ name }) => name)
  if (faults.length > 0) throw new Problem('invalid', faults.join('; '))
  return metrics
}

/** `placeOf`: for people, where each was found. */
function placed(more: readonly Metric[], placeOf: (metric: Metric) => string): Placed {
  const metrics = [...catalogue()]
  const faults: string[] = []
  const tables = [...GIVEN, JOB_RUNS_TABLE]
  const takenBy = (name: string) => {
    const other = metrics.find((metric) => metric.name === name)
    return other && more.includes(other) ? placeOf(other) : other || tables.includes(name) ? 'Hearth' : undefined
  }
  let waiting = [...more]
  while (waiting.length > 0) {
    const known = new Set([...GIVEN, ...metrics.map(({ name }) => name)])
    const ready = waiting.filter(({ inputs }) => inputs.every(({ table }) => known.has(table)))
    if (ready.length === 0) {
      const lacks = waiting.map(({ name, inputs }) => {
        const unknown = inputs.map(({ table }) => table).filter((table) => !known.has(table))
        return `${name} reads ${unknown.join(', ')}: expected events, objectives, or metrics that are defined before`
      })
      return { metrics, faults: [...faults, ...lacks] }
    }
    for (const metric of ready) {
      const other = takenBy(metric.name)
      if (other === undefined) metrics.push(metric)
      else faults.push(`${placeOf(metric)}: there is a table or metric ${metric.name} already, of ${other}`)
    }
    waiting = waiting.filter((metric) => !ready.includes(metric))
  }
  return { metrics, faults }
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
