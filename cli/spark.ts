import { join } from 'node:path'
import { openSparkEngine, type SparkEngine } from '../jobs/spark/engine.ts'
import type { CliContext } from './context.ts'

/** Spark for the days that are large, where it is configured. Started when there is one. */
export function configuredSpark(
  { clock, config, home, random }: CliContext,
  { from_mb, metrics }: { readonly from_mb: number; readonly metrics: string } = config.spark,
): SparkEngine | undefined {
  const { command } = config.spark
  if (command === '') return undefined
  return openSparkEngine({
    ...{ command, clock, random, from_bytes: from_mb * 1e6, scratch_folder: join(home, 'spool', 'jobs') },
    metrics: metrics === '' ? undefined : metrics.split(','),
  })
}
