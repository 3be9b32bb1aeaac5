import { isProblem, Problem } from '../contract/problem.ts'
import { calculate, type Made } from './calculate.ts'
import type { Catalogue } from './catalogue.ts'
import { openDuckDbBenches } from './duckdb-bench.ts'
import type { JobsOptions } from './jobs.ts'
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
  const { lake, metrics } = options
  const objects = runObjects(lake.store, run)
  const begun = await objects.begun()
  if ((await objects.made(begun, index)) !== undefined) return undefined
  const { parts } = await openTask(lake, metrics, begun.text)
  const task = parts[index]
  if (!task) throw new Problem('invalid', `${run} has ${parts.length} parts, from 0; found ${index}`)
  await using benches = await (options.openBenches ?? openDuckDbBenches)(options)
  const made = await calculate(benches, task, options).catch(async (error: unknown) => {
    if (isProblem(error, 'corrupt', 'missing')) await objects.putMade(begun, index, encodeRefusal(task, error))
    throw error
  })
  await objects.putMade(begun, index, encodeMade(task, made))
  return { metric: task.metric.name, made }
}
