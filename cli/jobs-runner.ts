import { Problem } from '../contract/problem.ts'
import { bySize } from '../jobs/by-size.ts'
import type { Calculate } from '../jobs/calculate.ts'
import { calculateElsewhere, endLeftRuns } from '../jobs/calculate-elsewhere.ts'
import type { Catalogue } from '../jobs/catalogue.ts'
import type { Runner } from '../jobs/runner.ts'
import type { Lake } from '../lake/lake.ts'
import type { CliContext } from './context.ts'

/**
 * Who calculates what is large, as it is configured; undefined when this process does it all. Runs that a driver left which
 * died are ended. `on_abort`: what becomes of a run when this process is told to stop. `waits` is told when the cluster is away.
 */
export async function calculateOf(
  context: CliContext,
  lake: Lake,
  metrics: Catalogue,
  on_abort: 'leave' | 'end',
  waits: (message: string) => void,
): Promise<((here: Calculate) => Calculate) | undefined> {
  const runner = await runnerOf(context, waits)
  if (!runner) return undefined
  await endLeftRuns({ lake, runner }, metrics, context.signal)
  const elsewhere = calculateElsewhere({ lake, metrics, runner, clock: context.clock, on_abort })
  return (here) => bySize(context.config.kubernetes.units_min, here, elsewhere)
}

/** Raises `invalid` where pods could not see the lake, or no cluster is known. */
export async function runnerOf(
  { clock, config }: CliContext,
  waits: (message: string) => void,
): Promise<Runner | undefined> {
  if (config.jobs.runner === 'process') return undefined
  if (config.lake.url === '')
    throw new Problem(
      'invalid',
      'jobs.runner is kubernetes: its pods need a lake that they can reach, lake.url: s3://…',
    )
  // Here, since it takes a quarter of a second to load, which no other command should wait for.
  const { kubernetesClient } = await import('./kubernetes-client.ts')
  const { openKubernetesRunner } = await import('../jobs/kubernetes/runner.ts')
  const client = kubernetesClient()
  const { namespace, pod_template: template, parallelism, parts_max, deadline_s } = config.kubernetes
  return openKubernetesRunner({ client, namespace, template, clock, parallelism, parts_max, deadline_s, waits })
}
