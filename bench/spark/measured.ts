import type { Metric } from '../../jobs/metric.ts'

/**
 * Metrics that go a day at once, a statement each, on Spark as on DuckDB. Those that carry from hour to hour would be 24
 * statements each, which Spark was not made for.
 */
export const MEASURED: readonly string[] = ['hubs', 'command_traces', 'latency_hours']

export function isMeasured({ name }: Pick<Metric, 'name'>): boolean {
  return MEASURED.includes(name)
}
