import { mkdir, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { ApiException, BatchV1Api, CoreV1Api } from '@kubernetes/client-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startSender, type Told } from '../../cli/testing/sender.ts'
import { openSystem, type Running, type System } from '../../cli/testing/system.ts'
import { OUTCOMES } from '../../contract/command.ts'
import { type Kafka, startKafka } from '../kafka/kafka.ts'
import { startS3 } from '../s3/server.ts'
import { S3_BUILD_LIMIT_MS } from '../s3/versitygw.ts'
import { type Kubernetes, startKubernetes } from './cluster.ts'
import { NODE_ADDRESS } from './components.ts'
import { buildHearthImage, IMAGE_BUILD_LIMIT_MS } from './hearth-image.ts'
import { KUBERNETES_BUILD_LIMIT_MS } from './provision.ts'

const root = process.getuid?.() === 0
const required = process.env['HEARTH_REQUIRE_ALL'] === '1'
const realTest = test.runIf(root || required)
const namespace = 'hearth'
const WAIT = { timeout: 240_000, interval: 300 }
/** On a machine with much else to do a process is half a minute in starting, and they start one after the other. */
const LIMIT = { timeout: 900_000 }
const WORKLOADS = ['statefulset/hearth-gateway', 'statefulset/hearth-relay'].concat(
  ['writer', 'scheduler', 'dashboards'].map((name) => `deployment/hearth-${name}`),
)
const stack = new AsyncDisposableStack()
let cluster: Kubernetes
let kafka: Kafka
let s3: Awaited<ReturnType<typeof startS3>>
let image: string
let system: System
let hub: Running
let relay: { readonly url: string; readonly token: string }

beforeAll(
  async () => {
    if (!root && !required) return
    const built = await buildHearthImage()
    image = built.name
    kafka = stack.use(await startKafka({ brokers: 1, host: NODE_ADDRESS }))
    s3 = stack.use(await startS3())
    cluster = stack.use(await startKubernetes())
    system = stack.use(await openSystem())
    await cluster.loadImage(built.file)
    await cluster.exec('install', '-d', '-o', '1000', '-g', '1000', '/var/lib/hearth-fleet')
    await kubectl('apply', '-k', await above())
  },
  KUBERNETES_BUILD_LIMIT_MS + IMAGE_BUILD_LIMIT_MS + S3_BUILD_LIMIT_MS,
)

afterAll(() => stack.disposeAsync())

const kubectl = (...words: readonly string[]) => cluster.exec('kubectl', ...words)
const hearthIn = (workload: string, ...words: readonly string[]) =>
  kubectl('-n', namespace, 'exec', workload, '--', 'hearth', ...words)

const MADE = "SELECT DISTINCT metric FROM job_runs WHERE runner = 'kubernetes' AND outcome = 'committed'"
const READINGS = "readings where hub_id = 'kitchen-1'"
const count = async (from: string) =>
  Number((await hearthIn('deploy/hearth-writer', 'sql', '--csv', `select count(*) from ${from}`)).split('\n')[1])

/** What overlays/test leaves open, in a kustomization above it. */
async function above(): Promise<string> {
  const kafkaPort = Number(kafka.bootstrap.split(':')[1])
  const [storeAddress] = await Promise.all([cluster.expose(s3.port), cluster.expose(kafkaPort)])
  const folder = join(cluster.folder, 'above')
  await mkdir(folder)
  const port = (policy: string, value: number) => ({
    patch: JSON.stringify([{ op: 'replace', path: '/spec/egress/0/ports/0/port', value }]),
    target: { kind: 'NetworkPolicy', name: policy },
  })
  const merged = { namespace, behavior: 'merge' }
  const [newName, digest] = image.split('@')
  const settings = {
    HEARTH_LAKE_URL: `s3://${s3.bucket}/fleet`,
    HEARTH_S3_ENDPOINT: `http://${storeAddress}`,
    HEARTH_S3_REGION: s3.region,
    HEARTH_S3_PATH_STYLE: 'true',
    HEARTH_KAFKA_BROKERS: kafka.bootstrap,
    HEARTH_KAFKA_TLS: 'false',
    HEARTH_KAFKA_REPLICATION: '1',
    HEARTH_KAFKA_MIN_INSYNC: '1',
    HEARTH_LAYOUT_BUCKETS: '4',
    HEARTH_INGEST_FRESHNESS_MS: '1000',
    HEARTH_KUBERNETES_UNITS_MIN: '1',
    HEARTH_KUBERNETES_PARTS_MAX: '2',
  }
  const literals = (values: Readonly<Record<string, string>>) => Object.entries(values).map((pair) => pair.join('='))
  const kustomization = {
    resources: [relative(folder, join(import.meta.dirname, 'overlays/test'))],
    images: [{ name: 'hearth', newName, digest }],
    configMapGenerator: [{ name: 'hearth', ...merged, literals: literals(settings) }],
    secretGenerator: [{ name: 'hearth-s3', namespace, literals: literals(s3.environment) }],
    patches: [port('lake', s3.port), port('event-log', kafkaPort), port('api-server', Number(apiPort()))],
  }
  await writeFile(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization))
  return folder
}

const apiPort = () => new URL(cluster.client.getCurrentCluster()?.server ?? '').port

const untilReady = () =>
  Promise.all(WORKLOADS.map((name) => kubectl('-n', namespace, 'rollout', 'status', name, '--timeout=600s')))

realTest('every process becomes ready, and none was started twice', LIMIT, async () => {
  await untilReady()
  const { items } = await cluster.client.makeApiClient(CoreV1Api).listNamespacedPod({ namespace })
  const restarts = items.flatMap((pod) => pod.status?.containerStatuses?.map((one) => one.restartCount) ?? [])
  expect(restarts).toEqual([0, 0, 0, 0, 0, 0, 0])
})

realTest('telemetry of a hub outside arrives in the lake, and a command reaches it', LIMIT, async () => {
  const core = cluster.client.makeApiClient(CoreV1Api)
  const reach = async (service: string, port: number) => {
    const { spec } = await core.readNamespacedService({ namespace, name: service })
    return cluster.reach(spec?.clusterIP ?? '', port)
  }
  const [mqtt, https] = [await reach('hearth-gateway', 8884), await reach('hearth-gateway', 8985)]
  const [hubs, apps] = [await reach('hearth-relay', 8883), await reach('hearth-relay-apps', 8980)]
  const gateway = 'hearth-gateway-0'
  await hearthIn(gateway, 'registry', 'add', 'kitchen-1', '--zone', 'Europe/Berlin')
  const { code } = JSON.parse(await hearthIn(gateway, 'registry', 'code', 'kitchen-1', '--json'))
  const authority = "process.stdout.write(require('fs').readFileSync('/var/lib/hearth/ca/ca.pem'))"
  const ca = join(system.home, 'ca.pem')
  await writeFile(ca, await kubectl('-n', namespace, 'exec', gateway, '--', 'node', '-e', authority))
  hub = system.start([
    ...[
      'hub',
      '--pace',
      '200',
      '--id',
      'kitchen-1',
      '--code',
      code,
      '--ca',
      ca,
      '--enrol',
      `https://127.0.0.1:${https}`,
    ],
    ...['--relay', `mqtts://127.0.0.1:${hubs}`, '--gateway', `mqtts://127.0.0.1:${mqtt}`],
  ])
  await expect.poll(() => count(READINGS), WAIT).toBeGreaterThan(0)

  const { token } = JSON.parse(await hearthIn(gateway, 'registry', 'token', 'create', 'panel', '--json'))
  await writeFile(join(system.home, 'token'), token)
  relay = { url: `http://127.0.0.1:${apps}`, token }
  const through = ['--relay', relay.url, '--token-file', join(system.home, 'token')]
  expect(await system.must(['send', 'kitchen-1', 'kitchen-lamp', 'powered=1', ...through])).toContain('done')
  const acked = "events where stage = 'acked' and hub_id = 'kitchen-1'"
  await expect.poll(() => count(acked), WAIT).toBe(1)
})

// A Job after the other, each some seconds on a machine with nothing else to do.
realTest('metrics of it come as Kubernetes Jobs', LIMIT, async () => {
  const long = { timeout: 400_000, interval: 2_000 }
  const made = () =>
    hearthIn('deploy/hearth-writer', 'sql', '--csv', MADE).then((text) => text.split('\r\n').slice(1, -1))
  await expect.poll(made, long).toEqual(expect.arrayContaining(['hubs', 'hub_hours', 'fleet_hours']))
  const commands = async () => hearthIn('deploy/hearth-writer', 'sql', '--csv', 'SELECT sum(done) FROM hub_hours')
  await expect.poll(commands, long).toContain('1')
})

/** Defines `reaches(host, port)` for a script of Node in a pod. */
const REACHES = `
  const reaches = (host, port) => new Promise((done) => {
    const socket = require('net').connect({ host, port, timeout: 2000 })
    socket.on('connect', () => done(true)).on('error', () => done(false)).on('timeout', () => done(false))
  })`

realTest('a stranger reaches the ports of hubs and no other, until its namespace is labelled', LIMIT, async () => {
  const core = cluster.client.makeApiClient(CoreV1Api)
  const command = ['node', '-e', 'setInterval(() => {}, 1000)']
  const spec = { containers: [{ name: 'main', image, command }], terminationGracePeriodSeconds: 0 }
  await core.createNamespacedPod({ namespace: 'default', body: { metadata: { name: 'stranger' }, spec } })
  await kubectl('wait', '--for=condition=Ready', 'pod/stranger', '--timeout=180s')
  const { items } = await core.listNamespacedPod({ namespace })
  const address = (component: string) =>
    items.find((pod) => pod.metadata?.labels?.['app.kubernetes.io/component'] === component)?.status?.podIP ?? ''
  const reaches = async (component: string, port: number) => {
    const script = `${REACHES}; reaches('${address(component)}', ${port}).then((so) => { console.log(so); process.exit() })`
    return (await kubectl('exec', 'stranger', '--', 'node', '-e', script)).trim() === 'true'
  }
  expect([await reaches('gateway', 8884), await reaches('gateway', 8985), await reaches('relay', 8883)]).toEqual([
    true,
    true,
    true,
  ])
  const inner = [await reaches('relay', 8980), await reaches('dashboards', 8990), await reaches('writer', 9100)]
  expect(inner).toEqual([false, false, false])
  await kubectl('label', 'namespace', 'default', 'hearth/may-reach-pages=true')
  await expect.poll(() => reaches('dashboards', 8990), WAIT).toBe(true)
  expect(await reaches('relay', 8980)).toBe(false)
})

realTest('a task has no token, and reaches the lake alone once the policies know its pod', LIMIT, async () => {
  const script = `${REACHES}
    const others = () => Promise.all([reaches('10.96.0.1', 443), reaches('hearth-relay-apps', 8980)])
    const settled = async (left) => {
      const reached = await others()
      return reached.includes(true) && left > 0 ? settled(left - 1) : reached
    }
    settled(100).then(async (reached) => {
      const token = require('fs').existsSync('/var/run/secrets/kubernetes.io')
      console.log(JSON.stringify({ token, lake: await reaches('${NODE_ADDRESS}', ${s3.port}), others: reached }))
      process.exit()
    })`
  const { items } = await cluster.client.makeApiClient(CoreV1Api).listNamespacedPod({ namespace })
  const { securityContext, containers: [like] = [] } =
    items.find((pod) => pod.spec?.serviceAccountName === 'hearth-scheduler')?.spec ?? {}
  const container = { name: 'task', image, command: ['node', '-e', script], securityContext: like?.securityContext }
  const spec = { serviceAccountName: 'hearth-task', restartPolicy: 'Never', securityContext, containers: [container] }
  const labels = { 'app.kubernetes.io/name': 'hearth', 'app.kubernetes.io/component': 'task' }
  const body = { metadata: { name: 'task' }, spec: { template: { metadata: { labels }, spec } } }
  await cluster.client.makeApiClient(BatchV1Api).createNamespacedJob({ namespace, body })
  await kubectl('-n', namespace, 'wait', '--for=condition=complete', 'job/task', '--timeout=180s')
  expect(JSON.parse(await kubectl('-n', namespace, 'logs', 'job/task'))).toEqual({
    ...{ token: false, lake: true, others: [false, false] },
  })
})

realTest('the scheduler may make Jobs, watch them and read why a pod failed; nobody else may anything', async () => {
  const may = (account: string, ...words: readonly string[]) =>
    kubectl('-n', namespace, `--as=system:serviceaccount:hearth:hearth-${account}`, 'auth', 'can-i', ...words).then(
      () => true,
      () => false,
    )
  for (const verb of ['create', 'get', 'list', 'watch', 'delete'])
    expect([verb, await may('scheduler', verb, 'jobs')]).toEqual([verb, true])
  for (const words of [
    ['list', 'pods'],
    ['watch', 'pods'],
    ['get', 'podtemplates'],
    ['list', 'events'],
  ])
    expect([words, await may('scheduler', ...words)]).toEqual([words, true])
  for (const words of [
    ['get', 'secrets'],
    ['get', 'pods/log'],
    ['create', 'pods'],
    ['update', 'jobs'],
    ['create', 'pods/exec'],
  ])
    expect([words, await may('scheduler', ...words)]).toEqual([words, false])
  for (const account of ['task', 'gateway', 'writer', 'relay', 'dashboards'])
    expect([account, await may(account, 'get', 'pods')]).toEqual([account, false])
})

realTest('of two writers a drain takes one at a time', LIMIT, async () => {
  const core = cluster.client.makeApiClient(CoreV1Api)
  const labelSelector = 'app.kubernetes.io/component=writer'
  const { items } = await core.listNamespacedPod({ namespace, labelSelector })
  const evict = async (name = '') => {
    try {
      await core.createNamespacedPodEviction({ name, namespace, body: { metadata: { name, namespace } } })
      return 201
    } catch (error) {
      if (error instanceof ApiException) return error.code
      throw error
    }
  }
  const answers = []
  for (const pod of items) answers.push(await evict(pod.metadata?.name))
  expect(answers).toEqual([201, 429])
  await kubectl('-n', namespace, 'rollout', 'status', 'deployment/hearth-writer', '--timeout=600s')
})

/** Of each command: the outcomes that the relay told, and how often the hub carried it out. */
const COMMANDS = `
  SELECT command_id, count(*) FILTER (WHERE stage = 'executed') AS executed,
    string_agg(stage, ' ') FILTER (WHERE source_id = 'relay-0' AND stage IN ('${OUTCOMES.join("', '")}')) AS outcomes
  FROM events WHERE kind = 'command' GROUP BY command_id`

/** Those of which the tables do not tell what the app was told, or that they were carried out as often as that says. */
async function toldOtherwise(told: readonly Told[]): Promise<readonly Told[]> {
  const { rows } = JSON.parse(await hearthIn('deploy/hearth-writer', 'sql', '--json', COMMANDS)) as {
    rows: { command_id: string; executed: string; outcomes: string }[]
  }
  const byId = new Map(rows.map((row) => [row.command_id, row]))
  return told.filter(({ command, outcome }) => {
    const { executed = '', outcomes = '' } = byId.get(command) ?? {}
    // What was carried out too late was expired first.
    if (outcome === 'expired') return Number(executed) > 1 || !outcomes.includes('expired')
    // It was expired before, where the relay was there to see it.
    if (outcome === 'late') return executed !== '1' || !outcomes.includes('late')
    return outcomes !== outcome || executed !== (outcome === 'done' ? '1' : '0')
  })
}

realTest(
  'an update of everything, one pod after the other, loses and doubles nothing of what was sent, nor a command',
  LIMIT,
  async () => {
    const devices = ['kitchen-lamp', 'living-lamp', 'bedroom-lamp']
    const app = startSender(relay.url, { token: relay.token, hub: 'kitchen-1', devices })
    await kubectl('-n', namespace, 'rollout', 'restart', ...WORKLOADS)
    await untilReady()
    const before = await count(READINGS)
    await expect.poll(() => count(READINGS), WAIT).toBeGreaterThan(before)
    const told = await app.end()
    expect(told.filter(({ tries }) => tries > 1)).not.toEqual([])
    hub.signal('SIGINT')
    expect(await hub.ended).toEqual({ code: 0, signal: null })
    const verified = () => hearthIn('hearth-gateway-0', 'verify').catch(String)
    await expect.poll(verified, WAIT).toContain('complete: nothing acknowledged is lost or doubled')
    expect(await toldOtherwise(told)).toEqual([])
  },
)

realTest('the example of production is accepted by the API server', async () => {
  await kubectl('create', 'namespace', 'example')
  const folder = join(cluster.folder, 'example')
  await mkdir(folder)
  const resources = [relative(folder, join(import.meta.dirname, 'overlays/production'))]
  await writeFile(join(folder, 'kustomization.yaml'), JSON.stringify({ namespace: 'example', resources }))
  const accepted = await kubectl('apply', '--dry-run=server', '-k', folder)
  expect(accepted).toContain('horizontalpodautoscaler.autoscaling/hearth-writer created')
})
