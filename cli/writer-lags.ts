import type { Clock } from '../contract/clock.ts'
import { isProblem } from '../contract/problem.ts'
import type { BucketLag } from '../dashboards/lake-routes.ts'
import { askText } from './ask-json.ts'
import { runningProcesses } from './doctor.ts'

const FIGURE = /^hearth_writer_(lag_seconds|stopped)\{.*?bucket="(\d+)".*?\} ([\d.e+-]+)$/gm

/** How far each bucket is behind its log, as the writers of this state folder tell; undefined when none does. */
export async function writerLags(home: string, clock: Clock): Promise<ReadonlyMap<number, BucketLag> | undefined> {
  const lags = new Map<number, BucketLag>()
  for (const { name, alive, ops_url } of runningProcesses(home)) {
    if (!alive || ops_url === undefined || !/^(ingest|writer)/.test(name)) continue
    try {
      for (const [bucket, lag] of bucketLags(await askText(clock, `${ops_url}/metrics`))) lags.set(bucket, lag)
    } catch (error) {
      if (!isProblem(error, 'unavailable')) throw error
    }
  }
  return lags.size === 0 ? undefined : lags
}

/** From the figures of a writer. A bucket whose log cannot be read has no lag there, and is stopped. */
export function bucketLags(metrics: string): ReadonlyMap<number, BucketLag> {
  const lags = new Map<number, BucketLag>()
  for (const [, figure, bucket, value] of metrics.matchAll(FIGURE)) {
    const known = lags.get(Number(bucket)) ?? { seconds: undefined, stopped: false }
    const told = figure === 'stopped' ? { stopped: Number(value) === 1 } : { seconds: Number(value) }
    lags.set(Number(bucket), { ...known, ...told })
  }
  return lags
}
