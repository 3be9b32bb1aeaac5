import { type Catalogue, catalogue, catalogueWith } from '../jobs/catalogue.ts'
import type { CliContext } from './context.ts'

/** The metrics of this installation: Hearth's, and those of the folder that is configured. */
export function metricsOf({ config }: Pick<CliContext, 'config'>): Catalogue {
  return config.jobs.metrics === '' ? catalogue() : catalogueWith(config.jobs.metrics)
}
