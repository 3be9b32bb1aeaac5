import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../contract/clock.ts'
import { isProblem, messageOf } from '../contract/problem.ts'
import { openFolderStore } from '../lake/folder-store.ts'
import { openLake } from '../lake/lake.ts'
import { overlayStore } from '../lake/overlay-store.ts'
import { catalogue } from './catalogue.ts'
import { type JobsOptions, type MetricRun, openJobs, type RunOptions } from './jobs.ts'
import { REHEARSAL_KEPT_MS } from './limits.ts'
import type { Unit } from './plan.ts'
import { unitKey } from './touched.ts'

const PREFIX = 'rehearsal-'

/** A unit that a run would make, or, with why, that it would fail to make. */
export type Rehearsed = Unit & { readonly failed?: string }

/**
 * Every unit that a run would make at this moment, by metric in order of calculation: those that are due by themselves,
 * and those that follow from them, which no one can tell without the numbers: the hours that a late session crosses,
 * the fleet's hours over hub hours that come out otherwise. So it is found by making them, over a lake that is thrown
 * away; it costs what the run will cost, and nothing when nothing is due. Of what cannot be made only that is known which is due
 * by itself; it is named by why. Raises what else a run raises.
 */
export async function rehearse(
  options: JobsOptions,
  runOptions: Pick<RunOptions, 'signal' | 'progress'> = {},
): Promise<readonly Rehearsed[]> {
  const { lake, random, metrics = catalogue() } = options
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
    const direct = await jobs.plan()
    if (direct.length === 0) return []
    const all = new Map<string, Map<string, Rehearsed>>(metrics.map(({ name }) => [name, new Map()]))
    const note = (units: readonly Rehearsed[]) => {
      for (const unit of units) all.get(unit.metric)?.set(unitKey(unit.hour_ms, unit.bucket), unit)
    }
    let hasFailed = false
    const failed = (_: string, error: unknown, units: readonly Unit[]) => {
      hasFailed = true
      note(units.map((unit) => ({ ...unit, failed: messageOf(error) })))
    }
    const ran = (runs: readonly MetricRun[]) => note(runs.flatMap(({ units }) => units))
    await jobs.run({ ...runOptions, ran, failed }).catch((error: unknown) => {
      if (!hasFailed || !isProblem(error, 'corrupt', 'missing')) throw error
      const left = direct.filter((unit) => !all.get(unit.metric)?.has(unitKey(unit.hour_ms, unit.bucket)))
      note(left)
    })
    return [...all.values()].flatMap((units) => [...units.values()])
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
