import { globSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename, join } from 'node:path'
import { BatchV1Api, CoreV1Api, NetworkingV1Api } from '@kubernetes/client-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Kubernetes, startKubernetes } from './cluster.ts'
import { KUBERNETES_BUILD_LIMIT_MS } from './provision.ts'

const root = process.getuid?.() === 0
const required = process.env['HEARTH_REQUIRE_ALL'] === '1'
const namespace = 'default'
const WAIT = { timeout: 60_000, interval: 100 }
const realTest = test.runIf(root || required)
let cluster: Kubernetes

beforeAll(async () => {
  if (root || required) cluster = await startKubernetes()
}, KUBERNETES_BUILD_LIMIT_MS)

afterAll(() => cluster?.[Symbol.asyncDispose]())

/** Runs a shell script in so many pods of an Indexed Job; resolves with what each wrote, in order of its index. */
async function runJob(name: string, script: string, completions = 1): Promise<string[]> {
  const [batch, core] = [cluster.client.makeApiClient(BatchV1Api), cluster.client.makeApiClient(CoreV1Api)]
  const command = ['/busybox', 'sh', '-c', `busybox() { /busybox "$@"; }; ${script}`]
  const containers = [{ name: 'main', image: 'localhost/pause:1', imagePullPolicy: 'Never', command }]
  const template = { spec: { restartPolicy: 'Never', containers } }
  const spec = { completions, parallelism: completions, completionMode: 'Indexed', template }
  await batch.createNamespacedJob({ namespace, body: { metadata: { name }, spec } })
  const succeeded = async () => (await batch.readNamespacedJob({ namespace, name })).status?.succeeded
  await expect.poll(succeeded, WAIT).toBe(completions)
  const { items } = await core.listNamespacedPod({ namespace, labelSelector: `job-name=${name}` })
  const index = 'batch.kubernetes.io/job-completion-index'
  items.sort((a, b) => Number(a.metadata?.annotations?.[index]) - Number(b.metadata?.annotations?.[index]))
  return Promise.all(items.map((pod) => core.readNamespacedPodLog({ namespace, name: pod.metadata?.name ?? '' })))
}

realTest('runs an Indexed Job, and its logs arrive', async () => {
  expect(await runJob('indexed', 'echo index $JOB_COMPLETION_INDEX', 3)).toEqual([
    'index 0\n',
    'index 1\n',
    'index 2\n',
  ])
})

realTest('answers a Service by its name', async () => {
  const [answer] = await runJob('names', 'busybox nslookup kubernetes.default.svc.cluster.local')
  expect(answer).toContain('10.96.0.1')
})

realTest('lets a pod reach a port of this machine that was exposed, and this machine a Service', async () => {
  const server = createServer((_, response) => response.end('from outside')).listen(0, '127.0.0.1')
  await expect.poll(() => server.listening).toBe(true)
  const { port } = server.address() as AddressInfo
  const [host] = (await cluster.expose(port)).split(':')
  const request = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | busybox nc -w 5 ${host} ${port}`
  expect((await runJob('outward', request))[0]).toContain('from outside')
  server.close()

  const service = await cluster.reach('10.96.0.1', 443)
  expect(await cluster.exec('kubectl', 'get', '--raw', '/readyz')).toBe('ok')
  await expect(fetch(`https://127.0.0.1:${service}`)).rejects.toMatchObject({
    cause: { code: expect.stringMatching(/CERT|SIGNATURE/) },
  })
})

realTest('holds back the pods that a NetworkPolicy names', async () => {
  const spec = { podSelector: { matchLabels: { 'job-name': 'held' } }, policyTypes: ['Egress'] }
  const policies = cluster.client.makeApiClient(NetworkingV1Api)
  await policies.createNamespacedNetworkPolicy({ namespace, body: { metadata: { name: 'held' }, spec } })
  const call = '/busybox timeout 3 /busybox nc -w 2 10.96.0.1 443 < /dev/null'
  expect(await runJob('free', `${call} && echo through`)).toEqual(['through\n'])
  // A new pod is free for the moment until the policies have heard of it.
  expect(await runJob('held', `while ${call}; do busybox sleep 0.1; done 2> /dev/null; echo held`)).toEqual(['held\n'])
})

realTest('runs a command in a pod', async () => {
  const words = ['-n', 'kube-system', 'exec', 'deploy/coredns', '--', '/coredns', '-version']
  expect(await cluster.exec('kubectl', ...words)).toContain('CoreDNS-1.13.2')
})

realTest('comes back after its API server, kubelet and containerd were killed', async () => {
  const { 'kube-apiserver': server, kubelet, containerd } = cluster.components
  const before = server.pid()
  await server.kill()
  await expect(cluster.exec('kubectl', 'get', 'nodes')).rejects.toThrow()
  await server.restart()
  await cluster.untilReady()
  expect(server.pid()).not.toBe(before)
  await containerd.restart()
  const version = () => cluster.exec('ctr', '-a', join(cluster.folder, 'containerd.sock'), 'version')
  await expect.poll(() => version().then(Boolean, () => false), WAIT).toBe(true)
  await kubelet.restart()
  expect(await runJob('after', 'echo again')).toEqual(['again\n'])
})

realTest('a component that is stopped goes on where it was', async () => {
  const { 'kube-scheduler': scheduler } = cluster.components
  const state = () => /^State:\s+(\w)/m.exec(readFileSync(`/proc/${scheduler.pid()}/status`, 'utf8'))?.[1]
  scheduler.pause()
  await expect.poll(state).toBe('T')
  scheduler.resume()
  await expect.poll(state).not.toBe('T')
  expect(await runJob('resumed', 'echo scheduled')).toEqual(['scheduled\n'])
})

realTest('leaves no process, mount, cgroup or folder', async () => {
  const settings = () => readFileSync('/proc/sys/vm/overcommit_memory', 'utf8')
  const before = settings()
  const other = await startKubernetes()
  const name = basename(other.folder)
  const left = () => [
    ...globSync(`/sys/fs/cgroup/{,*/}${name}`),
    ...globSync(other.folder),
    ...readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(name)),
    ...globSync('/proc/[0-9]*/cmdline').filter((file) => textOf(file).includes(name)),
  ]
  expect(left().length).toBeGreaterThan(5)
  await other[Symbol.asyncDispose]()
  expect([left(), settings()]).toEqual([[], before])
})

/** Nothing, of a process that has just ended. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
