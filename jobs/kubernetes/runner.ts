import {
  BatchV1Api,
  CoreV1Api,
  type KubeConfig,
  type V1Job,
  type V1Pod,
  type V1PodTemplateSpec,
} from '@kubernetes/client-node'
import { type Clock, sleep } from '../../contract/clock.ts'
import { Problem } from '../../contract/problem.ts'
import type { EndOptions, Runner, RunRequest, WaitOptions } from '../runner.ts'
import { ask as askUntil, openWatch, orAborted } from './api.ts'
import { DIGEST_ANNOTATION, jobOf, RUN_LABEL } from './job.ts'
import { AWAY_LIMIT_MS, AWAY_MS, END_LIMIT_MS, IMAGE_WAIT_MS, LOOK_MS } from './limits.ts'
import { attemptsOf, imageTrouble, succeededOf } from './pods.ts'

export type KubernetesRunnerOptions = {
  readonly client: KubeConfig
  readonly namespace: string
  /** Name of the PodTemplate of that namespace that the pods of parts are made from. */
  readonly template: string
  readonly clock: Clock
  /** Pods of one run at once. */
  readonly parallelism: number
  readonly parts_max: number
  readonly deadline_s: number
  /** Told, once until it answers, that the API server is away and is waited for. */
  readonly waits?: (message: string) => void
  /** IMAGE_WAIT_MS unless given. */
  readonly image_wait_ms?: number
}

/** Runs parts as pods of an Indexed Job a run, whose name is the run's: whoever drives the run finds it. */
export function openKubernetesRunner(options: KubernetesRunnerOptions): Runner {
  const { client, namespace, clock, image_wait_ms = IMAGE_WAIT_MS } = options
  const [batch, core] = [client.makeApiClient(BatchV1Api), client.makeApiClient(CoreV1Api)]

  let told = false
  const waits = () => {
    if (told) return
    told = true
    const server = client.getCurrentCluster()?.server ?? 'no server'
    options.waits?.(`waiting for the API server at ${server}, up to ${AWAY_LIMIT_MS / 60_000} min`)
  }
  async function ask<T>(what: string, call: () => Promise<T>, how?: EndOptions): Promise<T | undefined> {
    const answer = await askUntil(clock, what, call, { ...how, waits })
    told = false
    return answer
  }

  const look = <T>(what: string, call: () => Promise<T>, how?: EndOptions) =>
    ask(what, () => orAborted(call(), how?.signal), how)
  const read = (run: string, how?: EndOptions) =>
    look(`read Job ${run}`, () => batch.readNamespacedJob({ namespace, name: run }), how)

  async function template(signal?: AbortSignal): Promise<V1PodTemplateSpec> {
    const name = options.template
    const read = () => core.readNamespacedPodTemplate({ namespace, name })
    const found = await look(`read PodTemplate ${name}`, read, { signal })
    if (!found?.template)
      throw new Problem('invalid', `there is no PodTemplate ${name} in namespace ${namespace}, to make pods from`)
    return found.template
  }

  /** A Job of this run and text: there is one when it resolves. */
  async function start(request: RunRequest, signal?: AbortSignal): Promise<void> {
    for (;;) {
      const found = await read(request.run, { signal })
      if (found?.metadata?.annotations?.[DIGEST_ANNOTATION] === request.digest && !found.metadata.deletionTimestamp)
        return
      if (found) await end(request.run, undefined, { signal })
      const body = jobOf(request, { ...options, template: await template(signal) })
      const create = () => batch.createNamespacedJob({ namespace, body })
      if (await ask(`create Job ${request.run}`, create, { signal })) return
      if (!(await read(request.run, { signal })))
        throw new Problem('invalid', `there is no namespace ${namespace} to create a Job in`)
    }
  }

  async function end(run: string, digest?: string, how: EndOptions = {}): Promise<void> {
    const begun_ms = clock.monotonic()
    for (;;) {
      const found = await read(run, how)
      if (!found || (digest !== undefined && found.metadata?.annotations?.[DIGEST_ANNOTATION] !== digest)) return
      const { uid = '', deletionTimestamp } = found.metadata ?? {}
      const body = { propagationPolicy: 'Foreground', preconditions: { uid } }
      if (!deletionTimestamp)
        await ask(`delete Job ${run}`, () => batch.deleteNamespacedJob({ namespace, name: run, body }), how)
      if (clock.monotonic() - begun_ms > END_LIMIT_MS)
        throw new Problem(
          'unavailable',
          `Job ${run} was deleted, and its pods are still there after ${END_LIMIT_MS / 1000} s`,
        )
      await sleep(clock, AWAY_MS / 10, how.signal)
    }
  }

  async function run(request: RunRequest, { signal, heard }: WaitOptions): Promise<string | undefined> {
    const pods = new Map<string, V1Pod>()
    let job: V1Job | undefined
    let wake = () => {}
    const see = (pod: V1Pod) => pods.set(pod.metadata?.uid ?? '', pod)
    const labelSelector = `${RUN_LABEL}=${request.run}`
    const pathOf = (group: string, kind: string) => `/${group}/namespaces/${namespace}/${kind}`
    const hearPod = (pod: V1Pod) => {
      see(pod)
      wake()
    }
    const hearJob = (told: V1Job, phase: string) => {
      job = phase === 'DELETED' ? undefined : told
      wake()
    }
    const [podsPath, jobsPath] = [pathOf('api/v1', 'pods'), pathOf('apis/batch/v1', 'jobs')]
    using ofPods = openWatch<V1Pod>({ client, path: podsPath, labelSelector, heard: hearPod })
    using ofJob = openWatch<V1Job>({ client, path: jobsPath, labelSelector, heard: hearJob })

    /** What no watch told, since it had broken off. */
    async function lookAll(): Promise<void> {
      await orAborted(Promise.all([ofPods.renew(), ofJob.renew()]), signal)
      job = await read(request.run, { signal })
      const list = () => core.listNamespacedPod({ namespace, labelSelector })
      for (const pod of (await look(`list the pods of ${request.run}`, list, { signal }))?.items ?? []) see(pod)
    }

    await start(request, signal)
    const begun_ms = clock.monotonic()
    await lookAll()
    let looked_ms = begun_ms
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve
      })
      heard(attemptsOf(pods.values()))
      const succeeded = succeededOf(pods.values())
      const waited_ms = clock.monotonic() - begun_ms
      const trouble = waited_ms > image_wait_ms ? imageTrouble(pods.values()) : undefined
      const failure = succeeded === request.parts ? undefined : (failureOf(job) ?? trouble)
      if (failure !== undefined || succeeded === request.parts || isComplete(job)) {
        const told = failure === undefined ? undefined : [failure, await refusedPods(request.run, pods.size, signal)]
        return told?.filter(Boolean).join('; ')
      }
      await wokenOr(woken, LOOK_MS)
      signal?.throwIfAborted()
      if (clock.monotonic() - looked_ms < LOOK_MS) continue
      await lookAll()
      looked_ms = clock.monotonic()
    }

    /** Leaves no timer behind: a process that is done must not wait for it. */
    async function wokenOr(woken: Promise<void>, most_ms: number): Promise<void> {
      const wakeUp = () => wake()
      const cancel = clock.timer(most_ms, wakeUp)
      signal?.addEventListener('abort', wakeUp)
      await woken
      signal?.removeEventListener('abort', wakeUp)
      cancel()
    }
  }

  /** Why no pod was made at all: a quota, a policy, a service account that is not there. */
  async function refusedPods(run: string, pods: number, signal?: AbortSignal): Promise<string | undefined> {
    if (pods > 0) return undefined
    const fieldSelector = `involvedObject.kind=Job,involvedObject.name=${run}`
    const list = () => core.listNamespacedEvent({ namespace, fieldSelector })
    const events = await look(`list the events of ${run}`, list, { signal })
    return events?.items.findLast(({ reason }) => reason === 'FailedCreate')?.message
  }

  return { name: 'kubernetes', parts_max: options.parts_max, run, end }
}

function conditionOf(job: V1Job | undefined, type: string) {
  return job?.status?.conditions?.find((one) => one.type === type && one.status === 'True')
}

function isComplete(job: V1Job | undefined): boolean {
  return conditionOf(job, 'Complete') !== undefined
}

function failureOf(job: V1Job | undefined): string | undefined {
  if (!job || job.metadata?.deletionTimestamp) return 'its Job was deleted'
  const failed = conditionOf(job, 'Failed') ?? conditionOf(job, 'FailureTarget')
  return failed && `${failed.reason}: ${failed.message}`
}
