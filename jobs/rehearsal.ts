import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../contract/clock.ts'
import { openFolderStore } from '../lake/folder-store.ts'
import { openLake } from '../lake/lake.ts'
import { overlayStore } from '../lake/overlay-store.ts'
import { type JobsOptions, openJobs, type RunOptions } from './jobs.ts'
import { REHEARSAL_KEPT_MS } from './limits.ts'
import type { Unit } from './plan.ts'

const PREFIX = 'rehearsal-'

/**
 * Every unit that a run would make at this moment, by metric in order of calculation: those that are due by themselves,
 * and those that follow from them, which no one can tell without the numbers: the hours that a late session crosses,
 * the fleet's hours over hub hours that come out otherwise. So it is found by making them, over a lake that is thrown
 * away; it costs what the run will cost, and nothing when nothing is due. Raises what a run raises.
 */
export async function rehearse(
  options: JobsOptions,
  runOptions: Pick<RunOptions, 'signal' | 'only' | 'progress'> = {},
): Promise<readonly Unit[]> {
  const { lake, random } = options
  const now_ms = options.clock.now()
  const clock: Clock = {
    now: () => now_ms,
    monotonic: () => options.clock.monotonic(),
    timer: (delay_ms, callback) => options.clock.timer(delay_ms, callback),
  }
  await mkdir(options.scratch_folder, { recursive: true })
  await sweep(options.scratch_folder, now_ms)
  const folder = await mkdtemp(join(options.scratch_folder, PREFIX))
  try {
    const store = overlayStore(lake.store, openFolderStore(join(folder, 'lake')))
    const tried = await openLake({ store, clock, random })
    // In this process: no other can see that lake.
    const here = { ...options, calculate: undefined, clock, lake: tried, scratch_folder: join(folder, 'scratch') }
    await using jobs = await openJobs(here)
    if ((await jobs.plan()).length === 0) return []
    const runs = await jobs.run(runOptions)
    return runs.flatMap(({ units }) => units)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Removes what rehearsals left that were killed: folders that nobody has touched for long. */
async function sweep(scratch_folder: string, now_ms: number): Promise<void> {
  for (const name of await readdir(scratch_folder)) {
    if (!name.startsWith(PREFIX)) continue
    const folder = join(scratch_folder, name)
    const { mtimeMs } = await stat(folder)
    if (now_ms - mtimeMs > REHEARSAL_KEPT_MS) await rm(folder, { recursive: true, force: true })
  }
}
