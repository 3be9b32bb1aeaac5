/** A real Kubernetes of one node on this machine, for tests: nothing of it touches the machine, or outlives its owner. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as after } from 'node:timers/promises'
import { promisify } from 'node:util'
import {
  AppsV1Api,
  CoreV1Api,
  Health,
  KubeConfig,
  type KubernetesObject,
  KubernetesObjectApi,
  loadAllYaml,
} from '@kubernetes/client-node'
import { freePorts } from '../ports.ts'
import { makeClusterCertificates } from './certificates.ts'
import { type Component, openComponent } from './component.ts'
import {
  COMPONENTS,
  type ComponentName,
  containerdSocket,
  filesOf,
  kubeconfigOf,
  type Layout,
  NODE,
  NODE_ADDRESS,
  SUBJECTS,
} from './components.ts'
import { type Address, type Forward, forward } from './forward.ts'
import { type Node, openNode } from './node.ts'
import { provisionKubernetes } from './provision.ts'

const run = promisify(execFile)
const START_LIMIT_MS = 120_000
const LOOK_MS = 50

export type Kubernetes = {
  /** Path of the administrator's; it holds within the node's network and outside of it. */
  readonly kubeconfig: string
  readonly client: KubeConfig
  readonly components: Readonly<Record<ComponentName, Component>>
  /** Everything that the cluster writes. */
  readonly folder: string
  /** Before a command that shall be in the node's network, where pods and this machine's exposed ports are reached. */
  readonly enterNetwork: readonly string[]
  /** Runs a command in the node's namespaces, `kubectl` among others, and resolves with what it wrote. */
  exec(command: string, ...words: readonly string[]): Promise<string>
  /** Loads the images of an OCI or Docker archive into the node. */
  loadImage(file: string): Promise<void>
  /** Lets pods reach `127.0.0.1:<port>` of this machine; returns the `host:port` at which they do. */
  expose(port: number): Promise<string>
  /** Lets this machine reach an address of the cluster, of a pod or a Service; returns the port of 127.0.0.1. */
  reach(host: string, port: number): Promise<number>
  /** Resolves when the API server answers as ready. */
  untilReady(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts one, and resolves when its node takes pods and its names are answered. Needs root; see `provisionKubernetes`. */
export async function startKubernetes(): Promise<Kubernetes> {
  const { folder: programs, images } = await provisionKubernetes()
  const [api_port = 0] = await freePorts(1)
  await using stack = new AsyncDisposableStack()
  const node = stack.use(await openNode(NODE_ADDRESS))
  const layout: Layout = { folder: node.folder, cgroup: node.cgroup, programs, api_port }
  await makeClusterCertificates(join(node.folder, 'pki'), SUBJECTS)
  for (const [path, text] of Object.entries(filesOf(layout))) {
    await mkdir(dirname(join(node.folder, path)), { recursive: true })
    await writeFile(join(node.folder, path), text)
  }
  const inside = startInside(node)
  const outside = stack.use(new AsyncDisposableStack())
  let sockets = 0

  /** Both halves of a way between the networks meet at a socket's path. */
  async function way(near: Address, far: Address, begins: 'inside' | 'outside'): Promise<Forward | undefined> {
    const path = join(node.folder, `way-${++sockets}`)
    if (begins === 'outside') {
      await inside({ path }, far)
      return outside.use(await forward(near, { path }))
    }
    outside.use(await forward({ path }, far))
    await inside(near, { path })
    return undefined
  }

  const loopback = { host: '127.0.0.1', port: api_port }
  await way(loopback, loopback, 'outside')
  const components = Object.fromEntries(COMPONENTS.map((name) => [name, openComponent(name, layout, node)])) as Record<
    ComponentName,
    Component
  >
  const client = new KubeConfig()
  client.loadFromFile(kubeconfigOf(layout, 'admin'))
  const environment = {
    ...process.env,
    KUBECONFIG: kubeconfigOf(layout, 'admin'),
    PATH: `${programs}:${process.env['PATH']}:/usr/sbin:/sbin`,
  }
  const cluster: Kubernetes = {
    kubeconfig: kubeconfigOf(layout, 'admin'),
    client,
    components,
    folder: node.folder,
    enterNetwork: node.enterNetwork,
    async exec(command, ...words) {
      const [enter = '', ...more] = node.enter
      const { stdout } = await run(enter, [...more, command, ...words], { env: environment, maxBuffer: 2 ** 26 })
      return stdout
    },
    async loadImage(file) {
      await cluster.exec('ctr', '-a', containerdSocket(layout), '-n', 'k8s.io', 'images', 'import', file)
    },
    async expose(port) {
      await way({ host: NODE_ADDRESS, port }, { host: '127.0.0.1', port }, 'inside')
      return `${NODE_ADDRESS}:${port}`
    },
    async reach(host, port) {
      return (await way({ host: '127.0.0.1', port: 0 }, { host, port }, 'outside'))?.port ?? 0
    },
    untilReady: () => until(() => new Health(client).readyz({}), components['kube-apiserver']),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }

  await components.containerd.restart()
  await components.etcd.restart()
  await components['kube-apiserver'].restart()
  await until(() => cluster.loadImage(images[0] ?? '').then(() => true), components.containerd)
  for (const image of images.slice(1)) await cluster.loadImage(image)
  await cluster.untilReady()
  for (const name of COMPONENTS.slice(3, -1)) await components[name].restart()
  // It ends by itself where it finds no node of its name.
  const registered = () => client.makeApiClient(CoreV1Api).readNode({ name: NODE })
  await until(() => registered().then(() => true), components.kubelet)
  await components['network-policy'].restart()
  const dns = loadAllYaml(await readFile(join(import.meta.dirname, 'coredns.yaml'), 'utf8')) as KubernetesObject[]
  const objects = KubernetesObjectApi.makeApiClient(client)
  for (const object of dns) await objects.create(object)
  await until(() => takesPods(client), components.kubelet)
  const owned = stack.move()
  return cluster
}

/** Starts what forwards within the node's network; the function resolves when it listens there. */
function startInside(node: Node): (near: Address, far: Address) => Promise<void> {
  const [command, ...words] = [...node.enter, process.execPath, join(import.meta.dirname, 'forward-child.ts')]
  const child = spawn(command, words, { stdio: ['pipe', 'pipe', 'inherit'] })
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  // One that ended is told by the answer that does not come.
  child.stdin.on('error', () => undefined)
  let last: Promise<unknown> = once(child, 'spawn')
  return (near, far) => {
    const listening = last.then(async () => {
      child.stdin.write(`${JSON.stringify({ near, far })}\n`)
      const { value: error = 'it has ended' } = await answers.next()
      if (error !== '') throw new Error(`nothing is forwarded from ${JSON.stringify(near)}: ${error}`)
    })
    last = listening.catch(() => undefined)
    return listening
  }
}

/** A new node is tainted for some seconds, and a pod needs the default service account. */
async function takesPods(client: KubeConfig): Promise<boolean> {
  const core = client.makeApiClient(CoreV1Api)
  const { spec, status } = await core.readNode({ name: NODE })
  const ready = status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True')
  if (!ready || (spec?.taints?.length ?? 0) > 0) return false
  await core.readNamespacedServiceAccount({ namespace: 'default', name: 'default' })
  const dns = await client
    .makeApiClient(AppsV1Api)
    .readNamespacedDeployment({ namespace: 'kube-system', name: 'coredns' })
  return (dns.status?.readyReplicas ?? 0) > 0
}

/** Asks until it is so; a failure is a "not yet". */
async function until(isSo: () => Promise<boolean>, component: Component): Promise<void> {
  const over = AbortSignal.timeout(START_LIMIT_MS)
  let failure: unknown
  const ask = () =>
    isSo().catch((error: unknown) => {
      failure = error
      return false
    })
  while (!(await ask())) {
    if (over.aborted) throw new Error(`not ready in time: ${String(failure)}\n${component.log()}`)
    await after(LOOK_MS)
  }
}
