import { join } from 'node:path'
import { isProblem, Problem } from '../contract/problem.ts'
import { openDuckDb } from '../lake/duckdb.ts'
import { openLocalFiles } from '../lake/local-files.ts'
import { calculate, type Made } from './calculate.ts'
import type { Catalogue } from './catalogue.ts'
import type { JobsOptions } from './jobs.ts'
import { JOBS_MEMORY_LIMIT } from './limits.ts'
import { runObjects } from './run-objects.ts'
import { encodeMade, encodeRefusal, openTask } from './task-form.ts'

export type PartOptions = Omit<JobsOptions, 'calculate' | 'metrics'> & {
  readonly metrics: Catalogue
  readonly signal?: AbortSignal
}

/**
 * Calculates one part of a run and leaves what it made, or why it refuses to, for who drives it; undefined when that is there
 * already: it may be started twice. Raises `missing` when the run is over, `invalid` when it has no such part or is another
 * Hearth's, and what calculate.ts raises.
 */
export async function calculatePart(
  options: PartOptions,
  run: string,
  index: number,
): Promise<{ readonly metric: string; readonly made: Made } | undefined> {
  const { lake, metrics, scratch_folder, signal } = options
  const objects = runObjects(lake.store, run)
  const begun = await objects.begun()
  if ((await objects.made(begun, index)) !== undefined) return undefined
  const { parts } = await openTask(lake, metrics, begun.text)
  const task = parts[index]
  if (!task) throw new Problem('invalid', `${run} has ${parts.length} parts, from 0; found ${index}`)
  await using local = await openLocalFiles(lake.store, { cache: options.cache, clock: options.clock })
  await using duck = await openDuckDb({
    ...{ threads: options.threads ?? 1, memory_limit: JOBS_MEMORY_LIMIT, temp_folder: join(scratch_folder, 'temp') },
  })
  const made = await calculate({ ...options, local }, duck, task, { signal }).catch(async (error: unknown) => {
    if (isProblem(error, 'corrupt', 'missing')) await objects.putMade(begun, index, encodeRefusal(task, error))
    throw error
  })
  await objects.putMade(begun, index, encodeMade(task, made))
  return { metric: task.metric.name, made }
}
