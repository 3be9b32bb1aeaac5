/** Metrics as Kubernetes Jobs over S3: a real API server, scheduler and kubelet, pods of this checkout. */
import { setTimeout as after } from 'node:timers/promises'
import type { V1Pod } from '@kubernetes/client-node'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { IMAGE_BUILD_LIMIT_MS } from '../infra/kubernetes/hearth-image.ts'
import { KUBERNETES_BUILD_LIMIT_MS } from '../infra/kubernetes/provision.ts'
import { catalogue } from '../jobs/catalogue.ts'
import { type JobCluster, NAMESPACE, startJobCluster, YESTERDAY_MS } from './testing/job-cluster.ts'
import { type System, until } from './testing/system.ts'

const root = process.getuid?.() === 0
const required = process.env['HEARTH_REQUIRE_ALL'] === '1'
const realTest = test.runIf(root || required)
const LIMIT = { timeout: 240_000 }
const TWO_PARTS = { HEARTH_KUBERNETES_PARTS_MAX: '2' }
const IN_PROCESS = { HEARTH_JOBS_RUNNER: 'process' }
let jobCluster: JobCluster

beforeAll(async () => {
  if (root || required) jobCluster = await startJobCluster()
}, KUBERNETES_BUILD_LIMIT_MS + IMAGE_BUILD_LIMIT_MS)
// Of a test that failed.
afterEach(() => jobCluster?.endJobs())
afterAll(() => jobCluster?.[Symbol.asyncDispose]())

const date = new Date(YESTERDAY_MS).toISOString().slice(0, 10)
/** All rows of yesterday, as text. */
async function rowsOf(system: System, metric: string): Promise<readonly string[]> {
  const where = metric === 'hubs' ? '' : `WHERE metric_date = DATE '${date}'`
  return (await system.csv(`SELECT * FROM ${metric} ${where} ORDER BY ALL`)).map((row) => row.join())
}

async function toldRuns(system: System, metric: string) {
  const select = `SELECT outcome, runner, parts, attempts, failures FROM job_runs WHERE metric = '${metric}' ORDER BY started_time`
  const { rows } = JSON.parse(await system.must(['sql', '--json', select])) as { rows: Record<string, unknown>[] }
  return rows.map(({ parts, attempts, ...row }) => ({ ...row, parts: Number(parts), attempts: Number(attempts) }))
}

// Ten Jobs, one after the other.
realTest('a day of a fleet comes out row for row as one process makes it', { timeout: 600_000 }, async () => {
  const day = { hubs: 60, events_a_hub: 2_400 }
  await using here = await jobCluster.fleet('here', day)
  const made = await here.run(['jobs', 'run'], IN_PROCESS)
  expect(made.stderr + made.stdout).toContain('hub_hours')
  await using there = await jobCluster.fleet('there', day)
  await jobCluster.template(() => undefined)
  const ran = await there.run(['jobs', 'run'], TWO_PARTS)
  expect(ran.code, ran.stderr).toBe(0)
  for (const { name } of catalogue()) {
    const rows = await rowsOf(there, name)
    expect(rows.length, name).toBeGreaterThan(0)
    expect(rows, name).toEqual(await rowsOf(here, name))
  }
  expect(await toldRuns(there, 'command_traces')).toEqual([
    { outcome: 'committed', runner: 'kubernetes', parts: 2, attempts: 2, failures: null },
  ])
  expect(await jobCluster.jobs()).toEqual([])
  expect((await there.run(['jobs', 'run'])).stdout).toContain('Nothing is due')
})

/** A fleet of which only the commands are due, and are due elsewhere. */
async function commandsDue(name: string): Promise<System> {
  const system = await jobCluster.fleet(name, { hubs: 8, events_a_hub: 2_200 })
  const { code, stderr } = await system.run(['jobs', 'run', 'hubs'], IN_PROCESS)
  expect(code, stderr).toBe(0)
  return system
}

const isRunning = ({ status }: V1Pod) => status?.phase === 'Running'
const untilRuns = (count = 1) =>
  until('pods run', 60_000, async () => (await jobCluster.pods()).filter(isRunning).length >= count)

/** All commands of the day, once, and nothing left behind; resolves with what `job_runs` tells of the last run. */
async function isWhole(system: System) {
  const [counts] = await system.csv('SELECT count(*), count(DISTINCT command_id) FROM command_traces')
  expect(counts).toEqual(['2560', '2560'])
  const [adds] = await system.csv('SELECT count(DISTINCT metric_date) FROM command_traces')
  expect(adds).toEqual(['1'])
  expect(await jobCluster.jobs()).toEqual([])
  return (await toldRuns(system, 'command_traces')).at(-1)
}

/**
 * Those of which several are there end by themselves without an API server, and are started anew. These would look for it
 * again once a minute at last, twice until they know the pods (client-go's reflector.go), and no pod would be gone by then.
 */
async function startControllersAnew(): Promise<void> {
  const { components } = jobCluster.cluster
  await components['kube-controller-manager'].restart()
  await components['kube-scheduler'].restart()
}

describe('a run of pods', () => {
  realTest('goes on when a pod is killed', LIMIT, async () => {
    await using system = await commandsDue('pod-killed')
    const driver = system.start(['jobs', 'run', 'command_traces'], TWO_PARTS)
    await untilRuns()
    const [pod] = (await jobCluster.pods()).filter(isRunning)
    const name = pod?.metadata?.name ?? ''
    await jobCluster.core.deleteNamespacedPod({ namespace: NAMESPACE, name, gracePeriodSeconds: 0 })
    expect(await driver.ended, driver.said()).toMatchObject({ code: 0 })
    expect(await isWhole(system)).toMatchObject({
      ...{ outcome: 'committed', parts: 2, attempts: 3 },
      failures: expect.stringContaining(`pod ${name}`),
    })
  })

  realTest('is adopted by the next driver when its own is killed', LIMIT, async () => {
    await using system = await commandsDue('driver-killed')
    const first = system.start(['jobs', 'run', 'command_traces'], TWO_PARTS)
    await untilRuns()
    await first.killTree()
    const next = await system.run(['jobs', 'run', 'command_traces'], TWO_PARTS)
    expect(next.code, next.stderr).toBe(0)
    expect(await isWhole(system)).toMatchObject({ outcome: 'committed', parts: 2, attempts: 2, failures: null })
  })

  realTest('waits for an API server that is away, and for a kubelet', LIMIT, async () => {
    await using system = await commandsDue('away')
    const driver = system.start(['jobs', 'run', 'command_traces'], TWO_PARTS)
    const { kubelet, 'kube-apiserver': server } = jobCluster.cluster.components
    await untilRuns()
    kubelet.pause()
    await server.kill()
    await after(20_000)
    await server.restart()
    await jobCluster.cluster.untilReady()
    kubelet.resume()
    await startControllersAnew()
    expect(await driver.ended, driver.said()).toMatchObject({ code: 0 })
    expect(await isWhole(system)).toMatchObject({ outcome: 'committed', parts: 2 })
  })

  realTest('does not count a drain as a failure, and goes on when there is a node again', LIMIT, async () => {
    await using system = await commandsDue('drained')
    const driver = system.start(['jobs', 'run', 'command_traces'], TWO_PARTS)
    await untilRuns()
    const kubectl = (...words: string[]) => jobCluster.cluster.exec('kubectl', ...words)
    const node = (await kubectl('get', 'nodes', '-o', 'name')).trim().replace('node/', '')
    try {
      await kubectl('drain', node, '--pod-selector=hearth/run', '--delete-emptydir-data', '--timeout=60s')
      await until('a pod waits for a node', 60_000, async () =>
        (await jobCluster.pods()).some(({ status }) => status?.phase === 'Pending'),
      )
    } finally {
      await kubectl('uncordon', node)
    }
    expect(await driver.ended, driver.said()).toMatchObject({ code: 0 })
    expect(await isWhole(system)).toMatchObject({
      ...{ outcome: 'committed', parts: 2 },
      failures: expect.stringContaining('EvictionByEvictionAPI'),
    })
  })

  realTest('is ended by cancel', LIMIT, async () => {
    await using system = await commandsDue('cancelled')
    const driver = system.start(['jobs', 'scheduler'], { ...TWO_PARTS, HEARTH_JOBS_INTERVAL_MS: '600000' })
    await untilRuns()
    const listed = (await system.must(['jobs', 'cancel'])).trim()
    expect(listed).toMatch(/^command-traces-/)
    const { stdout } = await system.run(['jobs', 'cancel', listed])
    expect(stdout).toContain('is ended')
    driver.signal('SIGTERM')
    await driver.ended
    expect((await system.run(['jobs', 'cancel', listed])).stderr).toContain('no run')
  })
})

describe('a run of pods fails, says why, and leaves nothing', () => {
  /** Resolves with what the command said, once it has failed. */
  async function fails(system: System, more: NodeJS.ProcessEnv = {}): Promise<string> {
    const { code, stderr } = await system.run(['jobs', 'run', 'command_traces'], { ...TWO_PARTS, ...more })
    expect(code, stderr).toBe(1)
    expect(await jobCluster.jobs()).toEqual([])
    expect(await system.csv('SELECT count(*) FROM command_traces')).toEqual([['0']])
    expect((await toldRuns(system, 'command_traces')).at(-1)).toMatchObject({ outcome: 'failed', parts: 2 })
    return stderr
  }

  async function isMadeOnceMended(system: System): Promise<void> {
    await jobCluster.template(() => undefined)
    const { code, stderr } = await system.run(['jobs', 'run', 'command_traces'], TWO_PARTS)
    expect(code, stderr).toBe(0)
    expect(await isWhole(system)).toMatchObject({ outcome: 'committed' })
  }

  realTest('out of memory', LIMIT, async () => {
    await using system = await commandsDue('memory')
    await jobCluster.template(({ spec }) => {
      const [container] = spec?.containers ?? []
      if (container) container.resources = { limits: { memory: '48Mi' } }
    })
    expect(await fails(system)).toMatch(/OOMKilled|exit code 137/)
    await isMadeOnceMended(system)
  })

  realTest('an image that is not there', LIMIT, async () => {
    await using system = await commandsDue('image')
    await jobCluster.template(({ spec }) => {
      const [container] = spec?.containers ?? []
      if (container) Object.assign(container, { image: 'localhost/none:1', imagePullPolicy: 'Never' })
    })
    expect(await fails(system)).toMatch(/localhost\/none:1: ErrImageNeverPull/)
  })

  realTest('a quota', LIMIT, async () => {
    await using system = await commandsDue('quota')
    const body = { metadata: { name: 'none' }, spec: { hard: { pods: '0' } } }
    await jobCluster.core.createNamespacedResourceQuota({ namespace: NAMESPACE, body })
    try {
      expect(await fails(system, { HEARTH_KUBERNETES_DEADLINE_S: '10' })).toMatch(/DeadlineExceeded.*exceeded quota/)
    } finally {
      await jobCluster.core.deleteNamespacedResourceQuota({ namespace: NAMESPACE, name: 'none' })
    }
  })

  realTest('pods that end well and have made nothing', LIMIT, async () => {
    await using system = await commandsDue('nothing')
    await jobCluster.template(({ spec }) => {
      const [container] = spec?.containers ?? []
      if (container) container.command = ['node', '-e', '0']
    })
    expect(await fails(system)).toMatch(/of 2 parts of command-traces-\S+ none came to an end/)
  })

  realTest('what is hopeless is not tried again', LIMIT, async () => {
    await using system = await commandsDue('hopeless')
    await jobCluster.template(({ spec }) => {
      const [container] = spec?.containers ?? []
      container?.env?.push({ name: 'HEARTH_REGION', value: 'elsewhere' })
    })
    expect(await fails(system)).toMatch(/elsewhere/)
    expect(await toldRuns(system, 'command_traces')).toMatchObject([
      { attempts: expect.toSatisfy((count) => Number(count) <= 2) },
    ])
  })

  realTest('a template that is not there', LIMIT, async () => {
    await using system = await commandsDue('template')
    const { code, stderr } = await system.run(['jobs', 'run', 'command_traces'], {
      HEARTH_KUBERNETES_POD_TEMPLATE: 'other',
    })
    expect([code, stderr]).toEqual([2, expect.stringContaining('there is no PodTemplate other in namespace hearth')])
    expect(await system.must(['jobs', 'cancel'])).toContain('no run is under way')
  })
})
