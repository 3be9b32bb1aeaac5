import { type Clock, sleep } from '../contract/clock.ts'
import type { Jobs, MetricRun } from './jobs.ts'

export type ScheduleOptions = {
  readonly jobs: Jobs
  readonly clock: Clock
  readonly interval_ms: number
  readonly signal: AbortSignal
  /** A tick did something. */
  readonly ran: (runs: readonly MetricRun[]) => void | Promise<void>
  /** A tick failed; the next one tries again. */
  readonly failed: (error: unknown) => void
}

/** Makes what is due, each interval, until the signal aborts. A tick with nothing to do costs one look at each log. */
export async function runSchedule(options: ScheduleOptions): Promise<void> {
  const { jobs, clock, interval_ms, signal, ran, failed } = options
  while (!signal.aborted) {
    try {
      const runs = await jobs.run({ signal })
      if (runs.length > 0) await ran(runs)
    } catch (error) {
      if (!signal.aborted) failed(error)
    }
    try {
      await sleep(clock, interval_ms, signal)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}
