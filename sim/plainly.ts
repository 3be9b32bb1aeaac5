import type { Clock } from '../contract/clock.ts'
import type { JobsOptions } from '../jobs/jobs.ts'
import type { Lakeside } from './lake-process.ts'
import { openPlainBenches } from './plain-benches.ts'
import { writePlainRows } from './plain-rows.ts'
import type { Life } from './world.ts'

/** How far the clock of a driver may be off: by years, it would make the hours of years. */
const OFF_MAX_MS = 2 * 3_600_000

/** What processes of the jobs have in common: their clocks, and rows in their plain form. */
export function plainly({ world, plant }: Lakeside, { clock, random }: Life): Omit<JobsOptions, 'lake'> {
  const off = (now_ms: number) => Math.min(Math.max(now_ms - world.wall_ms(), -OFF_MAX_MS), OFF_MAX_MS)
  const near: Clock = { ...clock, now: () => Math.round(world.wall_ms() + off(clock.now())) }
  const openBenches = async (options: JobsOptions) => {
    const benches = openPlainBenches(options)
    return plant?.benches?.(benches) ?? benches
  }
  return { clock: near, random, scratch_folder: '', openBenches, writeRows: writePlainRows }
}
