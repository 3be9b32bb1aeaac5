import type { Clock } from '../contract/clock.ts'
import { isProblem } from '../contract/problem.ts'
import { askText } from './ask-json.ts'
import { runningProcesses } from './doctor.ts'

const LAG = /^hearth_writer_lag_seconds\{.*?bucket="(\d+)".*?\} ([\d.e+-]+)$/gm

/** Seconds that each bucket is behind its log, as the writers of this state folder tell; undefined when none does. */
export async function writerLags(home: string, clock: Clock): Promise<ReadonlyMap<number, number> | undefined> {
  const lags = new Map<number, number>()
  for (const { name, alive, ops_url } of runningProcesses(home)) {
    if (!alive || ops_url === undefined || !/^(ingest|writer)/.test(name)) continue
    try {
      const text = await askText(clock, `${ops_url}/metrics`)
      for (const [, bucket, seconds] of text.matchAll(LAG)) lags.set(Number(bucket), Number(seconds))
    } catch (error) {
      if (!isProblem(error, 'unavailable')) throw error
    }
  }
  return lags.size === 0 ? undefined : lags
}
