import { BatchV1Api, CoreV1Api, type V1Pod, type V1PodTemplateSpec } from '@kubernetes/client-node'
import { type FleetDay, writeDay } from '../../bench/day.ts'
import { type Kubernetes, startKubernetes } from '../../infra/kubernetes/cluster.ts'
import { buildHearthImage } from '../../infra/kubernetes/hearth-image.ts'
import { type S3Server, startS3 } from '../../infra/s3/server.ts'
import { openDuckDb } from '../../lake/duckdb.ts'
import { createLake } from '../../lake/lake.ts'
import { openS3Store } from '../../lake/s3-store.ts'
import { seededRandom } from '../../sim/clock.ts'
import { machineClock } from '../machine.ts'
import { openGate } from './gate.ts'
import { openSystem, type System } from './system.ts'

const TEMPLATE = 'hearth-task'
const DAY_MS = 86_400_000
/** The day before today, which the lakes of these tests are filled with. */
export const YESTERDAY_MS = Math.floor(machineClock.now() / DAY_MS - 1) * DAY_MS

/** A cluster and an S3 server that its pods reach, with this checkout's image. */
export type JobCluster = {
  readonly cluster: Kubernetes
  readonly s3: S3Server
  readonly core: CoreV1Api
  /** Another of this cluster with a lake of its own: a day of workload D, or as it is in a fleet that was made before. */
  fleet(name: string, lake: Omit<FleetDay, 'day_ms'> | { readonly copy_of: string }): Promise<JobFleet>
  [Symbol.asyncDispose](): Promise<void>
}

/** A home for drivers, whose Jobs are in a namespace of their own. */
export type JobFleet = System & {
  readonly namespace: string
  pods(): Promise<readonly V1Pod[]>
  jobs(): Promise<readonly string[]>
  /** Puts the PodTemplate in place, as it is or otherwise. */
  template(change?: (pod: V1PodTemplateSpec) => void): Promise<void>
  /** Puts it in place so that pods wait before they begin, until they are let. */
  hold(change?: (pod: V1PodTemplateSpec) => void): Promise<void>
  letBegin(): void
}

export async function startJobCluster(): Promise<JobCluster> {
  await using stack = new AsyncDisposableStack()
  const image = await buildHearthImage()
  const s3 = stack.use(await startS3())
  const gate = stack.use(await openGate())
  const cluster = stack.use(await startKubernetes())
  await cluster.loadImage(image.file)
  const [storeAddress, gateAddress] = [await cluster.expose(s3.port), await cluster.expose(gate.port)]
  const [batch, core] = [cluster.client.makeApiClient(BatchV1Api), cluster.client.makeApiClient(CoreV1Api)]
  Object.assign(process.env, s3.environment)

  function storeOf(fleet: string, random = seededRandom(fleet.length)) {
    const place = { bucket: s3.bucket, prefix: fleet, region: s3.region, path_style: true, endpoint: s3.endpoint }
    return openS3Store({ ...place, clock: machineClock, random })
  }

  async function makeLake(name: string, day: Omit<FleetDay, 'day_ms'>, scratch_folder: string): Promise<void> {
    const random = seededRandom(name.length)
    const parts = { clock: machineClock, random }
    const lake = await createLake({
      store: storeOf(name, random),
      ...parts,
      fleet: 'demo',
      region: 'local',
      buckets: 4,
    })
    await using duck = await openDuckDb({ threads: 2 })
    await writeDay({ lake, duck, scratch_folder, ...parts }, { day_ms: YESTERDAY_MS, ...day })
  }

  async function copyLake(from: string, to: string): Promise<void> {
    const [source, target] = [storeOf(from), storeOf(to)]
    for await (const { path } of source.list('')) await target.put(path, await source.get(path))
  }

  async function makeNamespace(namespace: string): Promise<void> {
    await core.createNamespace({ body: { metadata: { name: namespace } } })
    const stringData = { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', ...s3.environment }
    await core.createNamespacedSecret({ namespace, body: { metadata: { name: 's3' }, stringData } })
  }

  const podTemplate = (fleet: string): V1PodTemplateSpec => ({
    metadata: { labels: { 'app.kubernetes.io/name': 'hearth-task' } },
    spec: {
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 1,
      securityContext: { runAsNonRoot: true, fsGroup: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          ...{ name: 'task', image: image.name, imagePullPolicy: 'IfNotPresent' },
          env: [
            { name: 'HEARTH_LAKE_URL', value: `s3://${s3.bucket}/${fleet}` },
            { name: 'HEARTH_S3_ENDPOINT', value: `http://${storeAddress}` },
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

  const owned: JobCluster = {
    ...{ cluster, s3, core },
    async fleet(name, lake) {
      await using mine = new AsyncDisposableStack()
      const system = mine.use(
        await openSystem({
          ...s3.environment,
          AWS_EC2_METADATA_DISABLED: 'true',
          HEARTH_LAKE_URL: `s3://${s3.bucket}/${name}`,
          HEARTH_S3_ENDPOINT: s3.endpoint,
          HEARTH_S3_PATH_STYLE: 'true',
          KUBECONFIG: cluster.kubeconfig,
          HEARTH_JOBS_RUNNER: 'kubernetes',
          HEARTH_KUBERNETES_NAMESPACE: name,
          HEARTH_KUBERNETES_UNITS_MIN: '1',
          HEARTH_KUBERNETES_PARTS_MAX: '4',
          HEARTH_KUBERNETES_PARALLELISM: '4',
        }),
      )
      if ('copy_of' in lake) await copyLake(lake.copy_of, name)
      else await makeLake(name, lake, `${system.home}/scratch`)
      await makeNamespace(name)
      const namespace = name
      const fleet: JobFleet = {
        ...{ ...system, namespace },
        pods: async () => (await core.listNamespacedPod({ namespace })).items,
        jobs: async () =>
          (await batch.listNamespacedJob({ namespace })).items.map(({ metadata }) => metadata?.name ?? ''),
        async template(change) {
          const template = podTemplate(name)
          change?.(template)
          await core.deleteNamespacedPodTemplate({ namespace, name: TEMPLATE }).catch(() => undefined)
          await core.createNamespacedPodTemplate({ namespace, body: { metadata: { name: TEMPLATE }, template } })
        },
        async hold(change) {
          gate.close(name)
          await fleet.template((pod) => {
            const code = `fetch('http://${gateAddress}/${name}').then(() => import('/opt/hearth/cli/hearth.js'))`
            const [container] = pod.spec?.containers ?? []
            if (container) container.command = ['node', '-e', code, '--', 'hearth']
            change?.(pod)
          })
        },
        letBegin: () => gate.open(name),
        async [Symbol.asyncDispose]() {
          await kept.disposeAsync()
          // Of a test that failed: its pods would take the node's time.
          await batch.deleteCollectionNamespacedJob({ namespace, propagationPolicy: 'Background' })
        },
      }
      await fleet.template()
      const kept = mine.move()
      return fleet
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
  const parts = stack.move()
  return owned
}
