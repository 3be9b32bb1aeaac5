import type { V1Job, V1PodTemplateSpec } from '@kubernetes/client-node'
import { Problem } from '../../contract/problem.ts'
import { PART_HOPELESS_EXIT } from '../limits.ts'
import type { RunRequest } from '../runner.ts'
import { FINISHED_KEPT_S, PART_RETRIES } from './limits.ts'

export const RUN_LABEL = 'hearth/run'
export const DIGEST_ANNOTATION = 'hearth/digest'

export type JobOptions = {
  /** The pod of a part, without what is said here: its image, resources, volumes and whose rights it has. */
  readonly template: V1PodTemplateSpec
  readonly parallelism: number
  readonly deadline_s: number
}

/**
 * The Indexed Job of a run: an index is a part. A node that is lost, drained or taken for something more urgent costs a part no
 * try; what the part itself says is hopeless is not tried again (kubernetes.io, "Handling retriable and non-retriable pod
 * failures with Pod failure policy"). Raises `invalid` for a template without a container.
 */
export function jobOf({ run, digest, metric, parts }: RunRequest, options: JobOptions): V1Job {
  const { parallelism, deadline_s } = options
  const template = structuredClone(options.template)
  const [container] = template.spec?.containers ?? []
  if (!template.spec || !container)
    throw new Problem('invalid', 'expected a pod template with a container, which calculates a part')
  const labels = { 'app.kubernetes.io/managed-by': 'hearth', 'hearth/metric': metric, [RUN_LABEL]: run }
  template.metadata ??= {}
  template.metadata.labels = { ...template.metadata.labels, ...labels }
  template.spec.restartPolicy = 'Never'
  container.args = ['jobs', 'task', run]
  // Its last words are then in the status of the pod, and nobody needs the right to read logs.
  container.terminationMessagePolicy = 'FallbackToLogsOnError'
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: run, labels, annotations: { [DIGEST_ANNOTATION]: digest } },
    spec: {
      completionMode: 'Indexed',
      completions: parts,
      parallelism: Math.min(parts, parallelism),
      backoffLimitPerIndex: PART_RETRIES,
      maxFailedIndexes: 0,
      activeDeadlineSeconds: deadline_s,
      // It is deleted when it is over: this is for one whose driver never came back.
      ttlSecondsAfterFinished: FINISHED_KEPT_S,
      podFailurePolicy: {
        rules: [
          { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
          {
            action: 'FailIndex',
            onExitCodes: { containerName: container.name, operator: 'In', values: [PART_HOPELESS_EXIT] },
          },
        ],
      },
      template,
    },
  }
}
