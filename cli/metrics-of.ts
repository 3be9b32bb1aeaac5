import { isProblem, Problem } from '../contract/problem.ts'
import type { Catalogue } from '../jobs/catalogue.ts'
import { catalogue, catalogueWith, type Placed } from '../jobs/catalogue.ts'
import type { CliContext } from './context.ts'

const SETTING = 'jobs.metrics (HEARTH_JOBS_METRICS)'

/**
 * The metrics of this installation, Hearth's and those of the folder that is configured, and why others are not among them.
 * Raises `invalid`, naming the setting, when nothing is there.
 */
export function placedMetrics({ config }: Pick<CliContext, 'config'>): Placed {
  if (config.jobs.metrics === '') return { metrics: catalogue(), faults: [] }
  try {
    return catalogueWith([config.jobs.metrics])
  } catch (error) {
    if (!isProblem(error)) throw error
    throw new Problem(error.kind, `${SETTING}: ${error.message}`, { cause: error })
  }
}

/** Those that can be used. */
export function metricsOf(context: Pick<CliContext, 'config'>): Catalogue {
  return placedMetrics(context).metrics
}

/** What is to be told of a folder that is configured and has none. */
export function withoutMetrics({ config }: Pick<CliContext, 'config'>): string | undefined {
  const folder = config.jobs.metrics
  if (folder === '') return undefined
  const { metrics, faults } = placedMetrics({ config })
  const isNone = metrics.length === catalogue().length && faults.length === 0
  return isNone ? `${SETTING}: expected metrics, found no *.sql in ${folder}` : undefined
}
