import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Command } from 'commander'
import { Problem } from '../contract/problem.ts'
import { catalogue, extended } from '../jobs/catalogue.ts'
import { checkMetric, type MetricCheck } from '../jobs/check-metric.ts'
import { parseMetric } from '../jobs/metric.ts'
import type { CliContext } from './context.ts'
import { existingLake } from './fleet.ts'
import { lakeCache } from './lake-store.ts'
import { placedMetrics } from './metrics-of.ts'
import { configuredSpark } from './spark.ts'
import { textTable } from './text-table.ts'

/** `hearth jobs check`. */
export function registerCheck(jobs: Command, context: CliContext): void {
  jobs
    .command('check [files...]')
    .description('try metrics of your own out on a sample of the lake: those of these files, or of jobs.metrics')
    .option('--json', 'print JSON')
    .action((files: readonly string[], options: { readonly json?: boolean }) =>
      check(context, files, options.json === true),
    )
}

/** Exit code 1 when a check fails. */
async function check(context: CliContext, files: readonly string[], json: boolean): Promise<void> {
  const { clock, random, home } = context
  const own = files.map((file) => parseMetric(basename(file), readFileSync(file, 'utf8')))
  const placed = files.length > 0 ? { metrics: extended(own), faults: [] } : placedMetrics(context)
  if (placed.faults.length > 0) throw new Problem('invalid', placed.faults.join('; '))
  const { metrics } = placed
  const asked = metrics.filter(({ name }) => !catalogue().some((metric) => metric.name === name))
  if (asked.length === 0)
    throw new Problem(
      'invalid',
      'expected files with metrics, or a folder of them as jobs.metrics (HEARTH_JOBS_METRICS)',
    )
  const lake = await existingLake(context)
  const scratch_folder = join(home, 'spool', 'jobs')
  const found: { readonly metric: string; readonly checks: readonly MetricCheck[] }[] = []
  await using spark = configuredSpark(context, { from_mb: 0, metrics: '' })
  for (const metric of asked) {
    const options = { lake, clock, random, cache: lakeCache(context), scratch_folder, metrics, spark: spark?.engine }
    found.push({ metric: metric.name, checks: await checkMetric(metric, options) })
  }
  const rows = found.flatMap(({ metric, checks }) =>
    checks.map(({ name, problem, note }) => [
      metric,
      name,
      problem === undefined ? 'yes' : 'NO',
      problem ?? note ?? '',
    ]),
  )
  context.print(json ? JSON.stringify(found) : textTable(['metric', 'check', 'holds', ''], rows))
  if (found.some(({ checks }) => checks.some(({ problem }) => problem !== undefined))) process.exitCode = 1
}
