import { join } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { calculate } from '../jobs/calculate.ts'
import { catalogue } from '../jobs/catalogue.ts'
import { JOBS_MEMORY_LIMIT } from '../jobs/limits.ts'
import { runObjects } from '../jobs/run-objects.ts'
import { encodeMade, openTask } from '../jobs/task-form.ts'
import { openDuckDb } from '../lake/duckdb.ts'
import { openLocalFiles } from '../lake/local-files.ts'
import type { CliContext } from './context.ts'
import { existingLake } from './fleet.ts'
import { lakeCache } from './lake-store.ts'

/** Where Kubernetes says which pod of an Indexed Job this is. */
const INDEX_VARIABLE = 'JOB_COMPLETION_INDEX'

/** `hearth jobs task`: what a pod of a run does. */
export function registerTask(jobs: Command, context: CliContext): void {
  jobs
    .command('task <run> [index]')
    .description(`calculate one task of a run that a scheduler drives (index: ${INDEX_VARIABLE} unless given)`)
    .action((run: string, index?: string) => runTask(context, run, indexOf(index)))
}

function indexOf(said = process.env[INDEX_VARIABLE]): number {
  const index = Number(said)
  if (said !== undefined && /^\d{1,6}$/.test(said)) return index
  throw new InvalidArgumentError(`expected the index of a task, from 0, here or in ${INDEX_VARIABLE}`)
}

/** What is made already is not made again: a pod may be started twice. */
async function runTask(context: CliContext, run: string, index: number): Promise<void> {
  const { clock, config, home, random, signal } = context
  const lake = await existingLake(context)
  const objects = runObjects(lake.store, run)
  if ((await objects.made(index)) !== undefined) return context.note(`task ${index} of ${run} is made already`)
  const task = await openTask(lake, catalogue(), await objects.task(index))
  const scratch_folder = join(home, 'spool', 'jobs')
  await using local = await openLocalFiles(lake.store, { cache: lakeCache(context), clock })
  await using duck = await openDuckDb({
    ...{ threads: config.jobs.threads, memory_limit: JOBS_MEMORY_LIMIT, temp_folder: join(scratch_folder, 'temp') },
  })
  const parts = { lake, clock, random, scratch_folder, local }
  const made = await calculate(parts, duck, task, { signal })
  await objects.putMade(index, encodeMade(task, made))
  context.print(`${task.metric.name}: ${made.units.length} units, ${made.rows} rows`)
}
