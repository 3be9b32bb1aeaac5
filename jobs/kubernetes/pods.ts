import type { V1Pod } from '@kubernetes/client-node'
import type { Attempt } from '../calculate.ts'
import { LAST_WORDS_CHARACTERS } from './limits.ts'

const INDEX_ANNOTATION = 'batch.kubernetes.io/job-completion-index'
/** A container waits for these until somebody changes something. */
const NO_IMAGE = [
  'ErrImageNeverPull',
  'ErrImagePull',
  'ImageInspectError',
  'ImagePullBackOff',
  'InvalidImageName',
  'CreateContainerConfigError',
]

/** Which part of its run a pod calculates; undefined for a pod of something else. */
function partOf(pod: V1Pod): number | undefined {
  const index = pod.metadata?.annotations?.[INDEX_ANNOTATION]
  return index === undefined ? undefined : Number(index)
}

/** Each pod as a try of its part, in the order that they were made in. */
export function attemptsOf(pods: Iterable<V1Pod>): readonly Attempt[] {
  return [...pods]
    .sort((a, b) => createdOf(a) - createdOf(b))
    .flatMap((pod): Attempt[] => {
      const index = partOf(pod)
      if (index === undefined) return []
      const { phase } = pod.status ?? {}
      const place = [`pod ${pod.metadata?.name}`, ...(pod.spec?.nodeName ? [`node ${pod.spec.nodeName}`] : [])].join(
        ', ',
      )
      if (phase === 'Succeeded') return [{ index, place, outcome: 'done' }]
      const cause = causeOf(pod)
      if (phase === 'Failed' || pod.metadata?.deletionTimestamp)
        return [{ index, place, outcome: 'failed', cause: cause ?? 'its pod was deleted' }]
      return [{ index, place, outcome: 'running', ...(cause !== undefined && { cause }) }]
    })
}

/** How many parts have a pod that ended well. */
export function succeededOf(pods: Iterable<V1Pod>): number {
  return new Set([...pods].filter(({ status }) => status?.phase === 'Succeeded').map(partOf)).size
}

/** What keeps containers from ever starting: an image that cannot be had. One that another pod has is only on its way. */
export function imageTrouble(pods: Iterable<V1Pod>): string | undefined {
  const all = [...pods]
  if (all.some(({ status }) => status?.phase === 'Running' || status?.phase === 'Succeeded')) return undefined
  for (const pod of all) {
    for (const { state, image } of pod.status?.containerStatuses ?? []) {
      const { reason = '', message = '' } = state?.waiting ?? {}
      if (NO_IMAGE.includes(reason)) return `${image}: ${reason}: ${message}`
    }
  }
  return undefined
}

/** Why a pod failed, or does not run: in Kubernetes' words, and its own last ones. */
function causeOf({ status, metadata }: V1Pod): string | undefined {
  const disrupted = status?.conditions?.find(({ type, status: is }) => type === 'DisruptionTarget' && is === 'True')
  const unscheduled = status?.conditions?.find(({ type, status: is }) => type === 'PodScheduled' && is === 'False')
  const [container] = status?.containerStatuses ?? []
  const { terminated, waiting } = container?.state ?? {}
  const words = terminated?.message?.trim().slice(-LAST_WORDS_CHARACTERS)
  const parts = [
    status?.reason,
    status?.message,
    disrupted && `${disrupted.reason}: ${disrupted.message}`,
    terminated && terminated.exitCode !== 0 && `${terminated.reason} (exit code ${terminated.exitCode})`,
    terminated && terminated.exitCode !== 0 && words,
    waiting?.reason !== 'ContainerCreating' &&
      waiting?.reason &&
      [waiting.reason, waiting.message].filter(Boolean).join(': '),
    unscheduled && `${unscheduled.reason}: ${unscheduled.message}`,
    metadata?.deletionTimestamp && status?.phase !== 'Failed' && 'its pod was deleted',
  ]
  const told = parts.filter((part): part is string => typeof part === 'string' && part !== '')
  return told.length === 0 ? undefined : told.join('; ')
}

function createdOf({ metadata }: V1Pod): number {
  // A Date in an answer, and text in what a watch tells.
  return new Date(metadata?.creationTimestamp ?? 0).getTime()
}
