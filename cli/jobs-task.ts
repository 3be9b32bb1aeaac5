import { join } from 'node:path'
import type { Command } from 'commander'
import { isProblem, Problem } from '../contract/problem.ts'
import { calculatePart } from '../jobs/calculate-part.ts'
import { PART_HOPELESS_EXIT } from '../jobs/limits.ts'
import type { CliContext } from './context.ts'
import { existingLake } from './fleet.ts'
import { lakeCache } from './lake-store.ts'
import { metricsOf } from './metrics-of.ts'

/** Where Kubernetes says which pod of an Indexed Job this is. */
const INDEX_VARIABLE = 'JOB_COMPLETION_INDEX'

/** What another try would meet as well. */
const HOPELESS = ['conflict', 'corrupt', 'invalid', 'missing', 'unauthorized'] as const

/** `hearth jobs task`: what a pod of a run does. */
export function registerTask(jobs: Command, context: CliContext): void {
  jobs
    .command('task <run> [index]')
    .description(`calculate one part of a run that a scheduler drives (index: ${INDEX_VARIABLE} unless given)`)
    .action((run: string, index?: string) => runTask(context, run, indexOf(index)))
}

function indexOf(said = process.env[INDEX_VARIABLE]): number {
  const index = Number(said)
  if (said !== undefined && /^\d{1,6}$/.test(said)) return index
  const found = said === undefined ? 'none' : JSON.stringify(said)
  throw new Problem(
    'invalid',
    `expected the index of a part, from 0, after the run or in ${INDEX_VARIABLE}; found ${found}`,
  )
}

async function runTask(context: CliContext, run: string, index: number): Promise<void> {
  try {
    const { clock, config, home, random, signal } = context
    const lake = await existingLake(context)
    const options = { lake, clock, random, cache: lakeCache(context), threads: config.jobs.threads, signal }
    const scratch_folder = join(home, 'spool', 'jobs')
    const part = await calculatePart({ ...options, scratch_folder, metrics: metricsOf(context) }, run, index)
    context.print(
      part
        ? `${part.metric}: ${part.made.units.length} units, ${part.made.rows} rows`
        : `part ${index} of ${run} is made already`,
    )
  } catch (error) {
    if (!isProblem(error, ...HOPELESS)) throw error
    context.note(`hearth: ${error.message}`)
    // Whatever the failed one left open must not keep it.
    process.exit(PART_HOPELESS_EXIT)
  }
}
