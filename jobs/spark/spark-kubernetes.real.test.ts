/** Spark whose executors are pods: a real API server and kubelet, driven by Spark itself. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CoreV1Api, RbacAuthorizationV1Api } from '@kubernetes/client-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { machineClock as clock, machineRandom as random } from '../../cli/machine.ts'
import { type Kubernetes, startKubernetes } from '../../infra/kubernetes/cluster.ts'
import { NODE_ADDRESS } from '../../infra/kubernetes/components.ts'
import { KUBERNETES_BUILD_LIMIT_MS } from '../../infra/kubernetes/provision.ts'
import { EXECUTOR_IMAGE, sparkExecutorImage } from '../../infra/pyspark/executor-image.ts'
import { sparkSqlCommand } from '../../infra/pyspark/spark-sql.ts'
import { type S3Server, startS3 } from '../../infra/s3/server.ts'
import { openS3Store } from '../../lake/s3-store.ts'
import { expectEqual, told } from '../testing/spark-story.ts'
import { openSparkEngine } from './engine.ts'

const root = process.getuid?.() === 0
const required = process.env['HEARTH_REQUIRE_ALL'] === '1'
const realTest = test.runIf(root || required)
const namespace = 'spark'
const METRICS = ['hubs', 'command_traces']
const stack = new AsyncDisposableStack()
let cluster: Kubernetes
let core: CoreV1Api
let s3: S3Server

beforeAll(async () => {
  if (!root && !required) return
  const image = await sparkExecutorImage()
  s3 = stack.use(await startS3())
  Object.assign(process.env, s3.environment)
  cluster = stack.use(await startKubernetes())
  await cluster.loadImage(image)
  core = cluster.client.makeApiClient(CoreV1Api)
  await core.createNamespace({ body: { metadata: { name: namespace } } })
  await core.createNamespacedSecret({
    namespace,
    body: { metadata: { name: 's3' }, stringData: { ...s3.environment } },
  })
}, KUBERNETES_BUILD_LIMIT_MS)

afterAll(() => stack.disposeAsync())

/** A file with the token of an account that may do what Spark does. */
async function driverToken(folder: string): Promise<string> {
  const rbac = cluster.client.makeApiClient(RbacAuthorizationV1Api)
  const metadata = { name: 'driver' }
  await core.createNamespacedServiceAccount({ namespace, body: { metadata } })
  const verbs = ['create', 'get', 'list', 'watch', 'patch', 'delete', 'deletecollection']
  const resources = ['pods', 'configmaps', 'services', 'persistentvolumeclaims']
  await rbac.createNamespacedRole({ namespace, body: { metadata, rules: [{ apiGroups: [''], resources, verbs }] } })
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'driver' }
  const subjects = [{ kind: 'ServiceAccount', name: 'driver', namespace }]
  await rbac.createNamespacedRoleBinding({ namespace, body: { metadata, roleRef, subjects } })
  const token = await cluster.exec('kubectl', '-n', namespace, 'create', 'token', 'driver')
  const file = join(folder, 'token')
  await writeFile(file, token.trim(), { mode: 0o600 })
  return file
}

realTest(
  'metrics by executors in pods have the rows and the ledger that DuckDB makes',
  { timeout: 600_000 },
  async () => {
    const scratch_folder = await mkdtemp(join(tmpdir(), 'hearth-spark-'))
    await using _scratch = { [Symbol.asyncDispose]: () => rm(scratch_folder, { recursive: true, force: true }) }
    const { endpoint, region, bucket, environment } = s3
    const within = { endpoint: `http://${await cluster.expose(s3.port)}`, region, environment }
    const credential = (name: string) => ({ [`spark.kubernetes.executor.secretKeyRef.${name}`]: `s3:${name}` })
    const command = await sparkSqlCommand(within, {
      'spark.master': `k8s://${cluster.client.getCurrentCluster()?.server}`,
      'spark.driver.host': NODE_ADDRESS,
      'spark.driver.bindAddress': NODE_ADDRESS,
      'spark.executor.instances': '2',
      'spark.executor.memory': '512m',
      'spark.kubernetes.namespace': namespace,
      'spark.kubernetes.container.image': EXECUTOR_IMAGE,
      'spark.kubernetes.executor.request.cores': '100m',
      'spark.kubernetes.executor.volumes.emptyDir.tmp.mount.path': '/tmp',
      'spark.kubernetes.authenticate.caCertFile': join(cluster.folder, 'pki/ca.crt'),
      'spark.kubernetes.authenticate.oauthTokenFile': await driverToken(scratch_folder),
      ...credential('AWS_ACCESS_KEY_ID'),
      ...credential('AWS_SECRET_ACCESS_KEY'),
    })
    const options = { metrics: undefined, from_bytes: 0, clock, random, scratch_folder }
    const store = openS3Store({ bucket, prefix: 'fleet', endpoint, region, path_style: true, clock, random })
    await using ours = await told(2, {}, METRICS)
    const pods = async () => (await core.listNamespacedPod({ namespace })).items
    {
      await using spark = openSparkEngine({ ...options, command: [...cluster.enterNetwork, command].join(' ') })
      await using theirs = await told(2, { store, engine: spark.engine }, METRICS)
      await expectEqual(ours, theirs, METRICS)
      const roles = (await pods()).map(({ metadata }) => metadata?.labels?.['spark-role'])
      expect(roles).toEqual(['executor', 'executor'])
    }
    await expect.poll(async () => (await pods()).length, { timeout: 60_000 }).toBe(0)
  },
)
