import { BatchV1Api, CoreV1Api, type V1Pod, type V1PodTemplateSpec } from '@kubernetes/client-node'
import { writeDay } from '../../bench/day.ts'
import { type Kubernetes, startKubernetes } from '../../infra/kubernetes/cluster.ts'
import { buildHearthImage } from '../../infra/kubernetes/hearth-image.ts'
import { type S3Server, startS3 } from '../../infra/s3/server.ts'
import { openDuckDb } from '../../lake/duckdb.ts'
import { createLake } from '../../lake/lake.ts'
import { openS3Store } from '../../lake/s3-store.ts'
import { seededRandom } from '../../sim/clock.ts'
import { machineClock } from '../machine.ts'
import { openSystem, type System, until } from './system.ts'

export const NAMESPACE = 'hearth'
const TEMPLATE = 'hearth-task'
const SLOW_MS = 8_000
const DAY_MS = 86_400_000
/** The day before today, which the lakes of these tests are filled with. */
export const YESTERDAY_MS = Math.floor(machineClock.now() / DAY_MS - 1) * DAY_MS

/** A cluster and an S3 server that its pods reach, with this checkout's image. */
export type JobCluster = {
  readonly cluster: Kubernetes
  readonly s3: S3Server
  readonly image: string
  /** Of the namespace that Jobs are in. */
  readonly batch: BatchV1Api
  readonly core: CoreV1Api
  /** A lake of its own with a day of workload D, and a home for drivers. */
  fleet(name: string, day: { readonly hubs: number; readonly events_a_hub: number }): Promise<System>
  pods(): Promise<readonly V1Pod[]>
  jobs(): Promise<readonly string[]>
  /** Deletes those that there are, and resolves when they and their pods are gone. */
  endJobs(): Promise<void>
  /** Puts the PodTemplate in place, otherwise than it is; slow to begin unless told otherwise. */
  template(change?: (pod: V1PodTemplateSpec) => void): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export async function startJobCluster(): Promise<JobCluster> {
  await using stack = new AsyncDisposableStack()
  const image = await buildHearthImage()
  const s3 = stack.use(await startS3())
  const cluster = stack.use(await startKubernetes())
  await cluster.loadImage(image.file)
  const inside = await cluster.expose(s3.port)
  const [batch, core] = [cluster.client.makeApiClient(BatchV1Api), cluster.client.makeApiClient(CoreV1Api)]
  const namespace = NAMESPACE
  await core.createNamespace({ body: { metadata: { name: namespace } } })
  const stringData = { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', ...s3.environment }
  await core.createNamespacedSecret({ namespace, body: { metadata: { name: 's3' }, stringData } })

  const podTemplate = (url: string): V1PodTemplateSpec => ({
    metadata: { labels: { 'app.kubernetes.io/name': 'hearth-task' } },
    spec: {
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 5,
      securityContext: { runAsNonRoot: true, fsGroup: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          ...{ name: 'task', image: image.name, imagePullPolicy: 'IfNotPresent' },
          env: [
            { name: 'HEARTH_LAKE_URL', value: url },
            { name: 'HEARTH_S3_ENDPOINT', value: `http://${inside}` },
            { name: 'HEARTH_S3_PATH_STYLE', value: 'true' },
            { name: 'AWS_EC2_METADATA_DISABLED', value: 'true' },
          ],
          envFrom: [{ secretRef: { name: 's3' } }],
          resources: { requests: { cpu: '50m', memory: '200Mi' }, limits: { memory: '2Gi' } },
          securityContext: {
            readOnlyRootFilesystem: true,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
          },
          volumeMounts: [
            { name: 'state', mountPath: '/var/lib/hearth' },
            { name: 'tmp', mountPath: '/tmp' },
          ],
        },
      ],
      volumes: [
        { name: 'state', emptyDir: {} },
        { name: 'tmp', emptyDir: {} },
      ],
    },
  })

  const begin = ({ spec }: V1PodTemplateSpec) => {
    // Long enough for a test to see it running.
    const code = `setTimeout(() => import('/opt/hearth/cli/hearth.js'), ${SLOW_MS})`
    const [container] = spec?.containers ?? []
    if (container) container.command = ['node', '-e', code, '--', 'hearth']
  }

  let url = ''
  const owned: JobCluster = {
    ...{ cluster, s3, image: image.name, batch, core },
    async fleet(name, day) {
      url = `s3://${s3.bucket}/${name}`
      const random = seededRandom(name.length)
      const place = { bucket: s3.bucket, prefix: name, region: s3.region, path_style: true, endpoint: s3.endpoint }
      Object.assign(process.env, s3.environment)
      const store = openS3Store({ ...place, clock: machineClock, random })
      const fleet = { fleet: 'demo', region: 'local', buckets: 4 }
      const lake = await createLake({ store, clock: machineClock, random, ...fleet })
      const system = await openSystem({
        ...s3.environment,
        AWS_EC2_METADATA_DISABLED: 'true',
        HEARTH_LAKE_URL: url,
        HEARTH_S3_ENDPOINT: s3.endpoint,
        HEARTH_S3_PATH_STYLE: 'true',
        KUBECONFIG: cluster.kubeconfig,
        HEARTH_JOBS_RUNNER: 'kubernetes',
        HEARTH_KUBERNETES_UNITS_MIN: '1',
        HEARTH_KUBERNETES_PARTS_MAX: '4',
        HEARTH_KUBERNETES_PARALLELISM: '4',
      })
      await using duck = await openDuckDb({ threads: 2 })
      const scratch_folder = `${system.home}/scratch`
      await writeDay({ lake, duck, clock: machineClock, random, scratch_folder }, { day_ms: YESTERDAY_MS, ...day })
      await owned.template()
      return system
    },
    pods: async () => (await core.listNamespacedPod({ namespace })).items,
    jobs: async () => (await batch.listNamespacedJob({ namespace })).items.map(({ metadata }) => metadata?.name ?? ''),
    async endJobs() {
      const body = { propagationPolicy: 'Foreground' }
      for (const name of await owned.jobs()) await batch.deleteNamespacedJob({ namespace, name, body })
      await until('no Job is left', 60_000, async () => (await owned.jobs()).length === 0)
    },
    async template(change) {
      const template = podTemplate(url)
      ;(change ?? begin)(template)
      await core.deleteNamespacedPodTemplate({ namespace, name: TEMPLATE }).catch(() => undefined)
      await core.createNamespacedPodTemplate({ namespace, body: { metadata: { name: TEMPLATE }, template } })
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
  const parts = stack.move()
  return owned
}
