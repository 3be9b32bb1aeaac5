import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BatchV1Api, CoreV1Api, type V1PodSpec } from '@kubernetes/client-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Kubernetes, startKubernetes } from './cluster.ts'
import { buildHearthImage, type HearthImage, IMAGE_BUILD_LIMIT_MS } from './hearth-image.ts'
import { KUBERNETES_BUILD_LIMIT_MS } from './provision.ts'

const root = process.getuid?.() === 0
const required = process.env['HEARTH_REQUIRE_ALL'] === '1'
const realTest = test.runIf(root || required)
const namespace = 'default'
const WAIT = { timeout: 120_000, interval: 200 }
let cluster: Kubernetes
let image: HearthImage

beforeAll(async () => {
  if (!root && !required) return
  image = await buildHearthImage()
  cluster = await startKubernetes()
  await cluster.loadImage(image.file)
}, KUBERNETES_BUILD_LIMIT_MS + IMAGE_BUILD_LIMIT_MS)

afterAll(() => cluster?.[Symbol.asyncDispose]())

/** As the manifests have it: an ordinary user, a root that nobody writes, no right of the kernel's. */
const podOf = (args: readonly string[]): V1PodSpec => ({
  restartPolicy: 'Never',
  automountServiceAccountToken: false,
  securityContext: { runAsNonRoot: true, fsGroup: 1000, seccompProfile: { type: 'RuntimeDefault' } },
  containers: [
    {
      ...{ name: 'hearth', image: image.name, imagePullPolicy: 'IfNotPresent', args: [...args] },
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
})

realTest('runs as each pod of an Indexed Job', async () => {
  const [batch, core] = [cluster.client.makeApiClient(BatchV1Api), cluster.client.makeApiClient(CoreV1Api)]
  const spec = { completions: 2, parallelism: 2, completionMode: 'Indexed', template: { spec: podOf(['--version']) } }
  await batch.createNamespacedJob({ namespace, body: { metadata: { name: 'version' }, spec } })
  const succeeded = async () => (await batch.readNamespacedJob({ namespace, name: 'version' })).status?.succeeded
  await expect.poll(succeeded, WAIT).toBe(2)
  const { version } = JSON.parse(await readFile(join(import.meta.dirname, '../../package.json'), 'utf8'))
  const { items } = await core.listNamespacedPod({ namespace, labelSelector: 'job-name=version' })
  for (const pod of items)
    expect(await core.readNamespacedPodLog({ namespace, name: pod.metadata?.name ?? '' })).toBe(`${version}\n`)
})

realTest('holds all that the system needs: its threads and processes, DuckDB, the metrics, the pages', async () => {
  const core = cluster.client.makeApiClient(CoreV1Api)
  const spec = podOf(['up', '--demo', '--hubs', '2', '--days', '1'])
  await core.createNamespacedPod({ namespace, body: { metadata: { name: 'whole' }, spec } })
  const log = () => core.readNamespacedPodLog({ namespace, name: 'whole' }).catch(String)
  await expect.poll(log, WAIT).toMatch(/Hearth is ready: (\S+)/)
  const hearth = (...words: readonly string[]) => cluster.exec('kubectl', 'exec', 'whole', '--', 'hearth', ...words)
  const rows = async () => Number((await hearth('sql', '--csv', 'select count(*) from readings')).split('\n')[1])
  await expect.poll(rows, WAIT).toBeGreaterThan(100)
  const [, link = ''] = /ready: (\S+)/.exec(await log()) ?? []
  const page = `fetch('${link}', { headers: { accept: 'text/html' } }).then((a) => a.text()).then(console.log)`
  expect(await cluster.exec('kubectl', 'exec', 'whole', '--', 'node', '-e', page)).toContain('<title>')
  expect(await hearth('send', 'demo-01', 'kitchen-lamp', 'powered=1')).toContain('done: the device confirmed')
  expect(await hearth('jobs', 'status')).toContain('hub_hours')
})
