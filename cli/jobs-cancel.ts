import type { Command } from 'commander'
import { isProblem, Problem } from '../contract/problem.ts'
import { endRun } from '../jobs/calculate-elsewhere.ts'
import { runsUnderWay } from '../jobs/run-objects.ts'
import type { CliContext } from './context.ts'
import { existingLake } from './fleet.ts'
import { runnerOf } from './jobs-runner.ts'

/** `hearth jobs cancel`. */
export function registerCancel(jobs: Command, context: CliContext): void {
  jobs
    .command('cancel [runs...]')
    .description(
      'end runs that others calculate, nothing of them being committed; without a name, list those under way',
    )
    .option('--json', 'print JSON')
    .action((runs: readonly string[], { json = false }: { readonly json?: boolean }) => cancel(context, runs, json))
}

async function cancel(context: CliContext, asked: readonly string[], json: boolean): Promise<void> {
  const lake = await existingLake(context)
  const under = await runsUnderWay(lake.store)
  if (asked.length === 0) {
    const told = under.length === 0 ? 'no run is under way elsewhere' : under.join('\n')
    context.print(json ? JSON.stringify({ under_way: under }) : told)
    return
  }
  for (const run of asked) {
    if (under.includes(run)) continue
    const there = under.length === 0 ? 'none is' : `there are ${under.join(', ')}`
    throw new Problem('missing', `no run ${run} is under way; ${there}`)
  }
  const runner = await runnerOf(context, context.note)
  if (!runner)
    throw new Problem(
      'invalid',
      'jobs.runner is process here: what calculates a run elsewhere is ended where it is kubernetes',
    )
  for (const run of asked) {
    try {
      await endRun({ lake, runner }, run, { signal: context.signal })
    } catch (cause) {
      if (!isProblem(cause)) throw cause
      throw new Problem(cause.kind, `${run} is not ended and stays under way: ${cause.message}`, { cause })
    }
    if (!json) context.print(`${run} is ended, and nothing of it was committed; what is due stays due for the next run`)
  }
  if (json) context.print(JSON.stringify({ ended: asked }))
}
