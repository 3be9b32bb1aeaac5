import { closest } from '../contract/closest.ts'
import { Problem } from '../contract/problem.ts'

const NO_RUN = 'the jobs have not made it'

/** Tables of docs/tables.md that a new lake does not have, and why one may still be without them. */
export const LATER_TABLES: ReadonlyMap<string, string> = new Map([
  ['losses', 'no bucket was ever stopped'],
  ['job_runs', 'the jobs have not run'],
  ['hubs', NO_RUN],
  ['command_traces', NO_RUN],
  ['sessions', NO_RUN],
  ['stream_hours', NO_RUN],
  ['hub_hours', NO_RUN],
  ['latency_hours', NO_RUN],
  ['fleet_hours', NO_RUN],
  ['device_days', NO_RUN],
  ['firmware_cohorts', NO_RUN],
  ['slo_hours', NO_RUN],
  ['objectives', 'the jobs have not run'],
  ['slo_alerts', 'no alert on an objective has changed'],
])

/** Says of a table that is not there whether it may come, or else which one was probably meant. */
export function missingTable(name: string, there: readonly string[]): Problem {
  const why = LATER_TABLES.get(name)
  if (why !== undefined) return new Problem('missing', `no table ${name} yet: ${why}, see docs/tables.md`)
  const meant = closest(name, there)
  const list = there.join(', ') || 'none'
  return new Problem('missing', `no table ${name}; ${meant ? `did you mean ${meant}? There` : 'there'} are ${list}`)
}
