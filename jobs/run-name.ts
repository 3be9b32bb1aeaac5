import { createHash } from 'node:crypto'
import type { Metric } from './metric.ts'

/** So that a Job of this name, a dash and an index is a host name of 63 characters. */
const METRIC_CHARACTERS = 26
const HASH_DIGITS = 6

/** What the name of a run says. */
export type RunName = {
  /** `runsOf` the metric, in its lake. */
  readonly of: string
  /** Version of the metric's table that it goes on from. */
  readonly version: number
}

/** What the names of all runs of a metric of a lake begin with. */
export function runsOf(lake_id: string, { name }: Metric): string {
  const short = name.replaceAll('_', '-').slice(0, METRIC_CHARACTERS)
  return `${short}-${hash(`${lake_id} ${name}`)}`
}

/**
 * `hub-hours-1f0c9a-2s-9b1e44`: a metric of a lake, the version of its table that the run goes on from, its definition. As
 * each commit makes a new version, at most one run of a name is ever committed: whoever is to make the next finds it by it.
 */
export function runName(lake_id: string, metric: Metric, version: number): string {
  return `${runsOf(lake_id, metric)}-${version.toString(36)}-${hash(metric.file_hash)}`
}

/** undefined for what is not such a name. */
export function readRunName(run: string): RunName | undefined {
  const [, of, version] = /^(.+-[0-9a-f]{6})-([0-9a-z]+)-[0-9a-f]{6}$/.exec(run) ?? []
  return of === undefined || version === undefined ? undefined : { of, version: Number.parseInt(version, 36) }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, HASH_DIGITS)
}
