import type { Catalogue } from '../jobs/catalogue.ts'
import { catalogue, catalogueWith, type Placed } from '../jobs/catalogue.ts'
import type { CliContext } from './context.ts'

/** The metrics of this installation, Hearth's and those of the folder that is configured, and why others are not among them. */
export function placedMetrics({ config }: Pick<CliContext, 'config'>): Placed {
  return config.jobs.metrics === '' ? { metrics: catalogue(), faults: [] } : catalogueWith(config.jobs.metrics)
}

/** Those that can be used. */
export function metricsOf(context: Pick<CliContext, 'config'>): Catalogue {
  return placedMetrics(context).metrics
}
