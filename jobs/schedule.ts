import { type Clock, sleep } from '../contract/clock.ts'
import type { Jobs, MetricRun } from './jobs.ts'

export type TickOptions = {
  readonly jobs: Jobs
  readonly signal: AbortSignal
  /** A tick did something: once for each share of a long back-fill. */
  readonly ran: (runs: readonly MetricRun[]) => void | Promise<void>
  /** A tick failed; the next one tries again. */
  readonly failed: (error: unknown) => void
}

export type ScheduleOptions = TickOptions & {
  readonly clock: Clock
  readonly interval_ms: number
}

/** Makes what is due, each interval, until the signal aborts. A tick with nothing to do costs one look at each log. */
export async function runSchedule(options: ScheduleOptions): Promise<void> {
  await eachInterval(options, () => tick(options))
}

/** Works, and again an interval after it has, until the signal aborts. */
export async function eachInterval(
  { clock, interval_ms, signal }: Pick<ScheduleOptions, 'clock' | 'interval_ms' | 'signal'>,
  work: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await work()
    await sleep(clock, interval_ms, signal).catch(() => undefined) // aborted
  }
}

/** Makes what is due now, a long back-fill share by share. What goes wrong is told, and the next tick's. */
export async function tick({ jobs, signal, ran, failed }: TickOptions): Promise<void> {
  try {
    await jobs.run({ signal, ran, patient: true })
  } catch (error) {
    if (!signal.aborted) failed(error)
  }
}
