import { join } from 'node:path'
import type { Command } from 'commander'
import { Problem } from '../contract/problem.ts'
import { catalogue, catalogueWith } from '../jobs/catalogue.ts'
import { checkMetric, type MetricCheck } from '../jobs/check-metric.ts'
import type { CliContext } from './context.ts'
import { existingLake } from './fleet.ts'
import { lakeCache } from './lake-store.ts'
import { placedMetrics, withoutMetrics } from './metrics-of.ts'
import { configuredSpark } from './spark.ts'
import { textTable } from './text-table.ts'

type Checked = { readonly metric: string; readonly checks: readonly MetricCheck[] }

/** `hearth jobs check`. */
export function registerCheck(jobs: Command, context: CliContext): void {
  jobs
    .command('check [paths...]')
    .description('try metrics of your own out on a sample of the lake: of these files and folders, or of jobs.metrics')
    .option('--json', 'print JSON')
    .action((paths: readonly string[], options: { readonly json?: boolean }) =>
      check(context, paths, options.json === true),
    )
}

/** Exit code 1 when a check fails. */
async function check(context: CliContext, paths: readonly string[], json: boolean): Promise<void> {
  const { clock, random, home, signal } = context
  const { metrics, faults } = paths.length > 0 ? catalogueWith(paths) : placedMetrics(context)
  if (faults.length > 0) throw new Problem('invalid', faults.join('; '))
  const asked = metrics.slice(catalogue().length)
  if (asked.length === 0) {
    const where =
      paths.length > 0 ? `found no *.sql in ${paths.join(', ')}` : 'here or as jobs.metrics (HEARTH_JOBS_METRICS)'
    throw new Problem(
      'invalid',
      (paths.length === 0 && withoutMetrics(context)) || `expected files with metrics, or folders of them, ${where}`,
    )
  }
  const lake = await existingLake(context)
  const place = { lake, cache: lakeCache(context), scratch_folder: join(home, 'spool', 'jobs') }
  const found: Checked[] = []
  await using spark = configuredSpark(context, { from_mb: 0, metrics: '' })
  try {
    for (const metric of asked) {
      const options = { ...place, clock, random, metrics, spark: spark?.engine, signal }
      found.push({ metric: metric.name, checks: await checkMetric(metric, options) })
    }
  } catch (error) {
    if (!signal.aborted) throw error
    throw new Problem('closed', 'interrupted; of what was tried nothing is left')
  }
  context.print(json ? JSON.stringify(found) : checkText(found))
  if (found.some(({ checks }) => checks.some(({ holds }) => holds === false))) process.exitCode = 1
}

/** A table of what was tried, and below it what takes more than a line. */
export function checkText(found: readonly Checked[]): string {
  const all = found.flatMap(({ metric, checks }) => checks.map((one) => ({ metric, ...one })))
  const rows = all.map(({ metric, name, holds, problem, note }) => [
    metric,
    name,
    HOLDS[`${holds}`],
    problem ?? note ?? '',
  ])
  const below = all.flatMap(({ metric, name, lines = [] }) =>
    lines.length === 0 ? [] : ['', `${metric}, ${name}:`, ...lines.map((line) => `  ${line}`)],
  )
  return [textTable(['metric', 'check', 'holds', ''], rows), ...below].join('\n')
}

const HOLDS = { true: 'yes', false: 'NO', null: '–' } as const
