/** Metrics as Kubernetes Jobs over S3: a real API server, scheduler and kubelet, pods of this checkout. */
import { setTimeout as after } from 'node:timers/promises'
import type { V1Pod, V1PodTemplateSpec } from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NODE } from '../infra/kubernetes/components.ts'
import { IMAGE_BUILD_LIMIT_MS } from '../infra/kubernetes/hearth-image.ts'
import { pretendNode } from '../infra/kubernetes/pretended-node.ts'
import { KUBERNETES_BUILD_LIMIT_MS } from '../infra/kubernetes/provision.ts'
import { catalogue } from '../jobs/catalogue.ts'
import { type JobCluster, type JobFleet, startJobCluster, YESTERDAY_MS } from './testing/job-cluster.ts'
import { type Running, type System, until } from './testing/system.ts'

const root = process.getuid?.() === 0
const required = process.env['HEARTH_REQUIRE_ALL'] === '1'
const realTest = test.runIf(root || required)
const LIMIT = { timeout: 900_000 }
const TWO_PARTS = { HEARTH_KUBERNETES_PARTS_MAX: '2' }
const IN_PROCESS = { HEARTH_JOBS_RUNNER: 'process' }
let jobCluster: JobCluster

beforeAll(async () => {
  if (root || required) jobCluster = await startJobCluster()
}, KUBERNETES_BUILD_LIMIT_MS + IMAGE_BUILD_LIMIT_MS)
afterAll(() => jobCluster?.[Symbol.asyncDispose]())

const [date = '', next = ''] = [YESTERDAY_MS, YESTERDAY_MS + 86_400_000].map((ms) =>
  new Date(ms).toISOString().slice(0, 10),
)
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

let commands: Promise<string> | undefined
/** A fleet of which only the commands are due, and are due elsewhere. */
async function commandsDue(name: string): Promise<JobFleet> {
  commands ??= makeHubs('commands')
  return await jobCluster.fleet(name, { copy_of: await commands })
}

async function makeHubs(name: string): Promise<string> {
  await using system = await jobCluster.fleet(name, { hubs: 8, events_a_hub: 2_200 })
  const { code, stderr } = await system.run(['jobs', 'run', 'hubs'], IN_PROCESS)
  expect(code, stderr).toBe(0)
  return name
}

const runCommands = (fleet: JobFleet) => fleet.start(['jobs', 'run', 'command_traces'], TWO_PARTS)

const isRunning = ({ status }: V1Pod) => status?.phase === 'Running'
const untilRun = (fleet: JobFleet, count = 1) =>
  until('pods run', 240_000, async () => (await fleet.pods()).filter(isRunning).length >= count)

async function endsWell(driver: Running): Promise<void> {
  expect(await driver.ended, driver.said()).toMatchObject({ code: 0 })
}

/** All commands of the day, once, and nothing left behind; resolves with what `job_runs` tells of the last run. */
async function isWhole(fleet: JobFleet) {
  const [counts] = await fleet.csv('SELECT count(*), count(DISTINCT command_id) FROM command_traces')
  expect(counts).toEqual(['2560', '2560'])
  const [adds] = await fleet.csv('SELECT count(DISTINCT metric_date) FROM command_traces')
  expect(adds).toEqual(['1'])
  expect(await fleet.jobs()).toEqual([])
  return (await toldRuns(fleet, 'command_traces')).at(-1)
}

describe('while what it runs on fails, a run of pods', () => {
  realTest('waits for an API server that is away for a minute, and for a kubelet', LIMIT, async () => {
    await using fleet = await commandsDue('away')
    await fleet.hold()
    const driver = runCommands(fleet)
    const { components, untilReady } = jobCluster.cluster
    await untilRun(fleet, 2)
    components.kubelet.pause()
    await components['kube-apiserver'].kill()
    fleet.letBegin()
    await after(60_000)
    await components['kube-apiserver'].restart()
    await untilReady()
    components.kubelet.resume()
    // Those of which several are there end by themselves without an API server, and are started anew. These would look
    // for it again once a minute at last, twice until they know the pods (client-go's reflector.go).
    await components['kube-controller-manager'].restart()
    await components['kube-scheduler'].restart()
    await endsWell(driver)
    expect(await isWhole(fleet)).toMatchObject({ outcome: 'committed', parts: 2, attempts: 2, failures: null })
  })

  realTest('does not count a drain as a failure, and goes on when there is a node again', LIMIT, async () => {
    await using fleet = await commandsDue('drained')
    await fleet.hold()
    const driver = runCommands(fleet)
    await untilRun(fleet, 2)
    const kubectl = (...words: string[]) => jobCluster.cluster.exec('kubectl', ...words)
    try {
      await kubectl('drain', NODE, '--pod-selector=hearth/run', '--delete-emptydir-data', '--timeout=240s')
      await until('a pod waits for a node', 240_000, async () =>
        (await fleet.pods()).some(({ status }) => status?.phase === 'Pending'),
      )
    } finally {
      await kubectl('uncordon', NODE)
    }
    fleet.letBegin()
    await endsWell(driver)
    expect(await isWhole(fleet)).toMatchObject({
      ...{ outcome: 'committed', parts: 2, attempts: 4 },
      failures: expect.stringContaining('EvictionByEvictionAPI'),
    })
  })

  realTest('does not count a node that is lost as a failure, and goes on when it is there again', LIMIT, async () => {
    await using fleet = await commandsDue('lost')
    const { kubelet, 'kube-controller-manager': controllers } = jobCluster.cluster.components
    await using _other = await pretendNode(jobCluster.cluster.client)
    // Three times what a kubelet lets pass between two signs of its life.
    await controllers.restart('--node-monitor-grace-period=30s')
    try {
      await fleet.hold(leaveAtOnce)
      const driver = runCommands(fleet)
      await untilRun(fleet, 2)
      const first = (await fleet.pods()).map(({ metadata }) => metadata?.name)
      await kubelet.kill()
      await until('the pods of the node are given up', 240_000, async () =>
        (await fleet.pods()).every(({ metadata }) => metadata?.deletionTimestamp !== undefined),
      )
      await kubelet.restart()
      await until('others take their place', 240_000, async () =>
        (await fleet.pods()).every(({ metadata }) => !first.includes(metadata?.name)),
      )
      fleet.letBegin()
      await endsWell(driver)
    } finally {
      if (kubelet.pid() === undefined) await kubelet.restart()
      await controllers.restart()
    }
    expect(await isWhole(fleet)).toMatchObject({
      ...{ outcome: 'committed', parts: 2, attempts: 4 },
      failures: expect.stringContaining('DeletionByTaintManager'),
    })
  })
})

function leaveAtOnce({ spec }: V1PodTemplateSpec): void {
  if (!spec) return
  const of = ['unreachable', 'not-ready'].map((what) => `node.kubernetes.io/${what}`)
  spec.tolerations = of.map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 0 }))
}

// What follows is done at once: most of it waits. This has ten Jobs, one after the other.
realTest(
  'a day of a fleet comes out row for row as one process makes it',
  { timeout: 900_000, concurrent: true },
  async () => {
    await using here = await jobCluster.fleet('here', { hubs: 60, events_a_hub: 2_400 })
    await using there = await jobCluster.fleet('there', { copy_of: 'here' })
    const made = await here.run(['jobs', 'run'], IN_PROCESS)
    expect(made.stderr + made.stdout).toContain('hub_hours')
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
    expect(await there.jobs()).toEqual([])
    // Of that day: another hour may have ended meanwhile.
    const again = await there.run(['jobs', 'backfill', '--from', date, '--to', next])
    expect(again.stdout).toContain('Nothing is due')
  },
)

describe.concurrent('a run of pods', () => {
  realTest('goes on when a pod is killed', LIMIT, async () => {
    await using fleet = await commandsDue('pod-killed')
    await fleet.hold()
    const driver = runCommands(fleet)
    await untilRun(fleet)
    const [pod] = (await fleet.pods()).filter(isRunning)
    const name = pod?.metadata?.name ?? ''
    await jobCluster.core.deleteNamespacedPod({ namespace: fleet.namespace, name, gracePeriodSeconds: 0 })
    fleet.letBegin()
    await endsWell(driver)
    expect(await isWhole(fleet)).toMatchObject({
      ...{ outcome: 'committed', parts: 2, attempts: 3 },
      failures: expect.stringContaining(`pod ${name}`),
    })
  })

  realTest('is adopted by the next driver when its own is killed', LIMIT, async () => {
    await using fleet = await commandsDue('driver-killed')
    await fleet.hold()
    const first = runCommands(fleet)
    await untilRun(fleet)
    await first.killTree()
    fleet.letBegin()
    await endsWell(runCommands(fleet))
    expect(await isWhole(fleet)).toMatchObject({ outcome: 'committed', parts: 2, attempts: 2, failures: null })
  })

  realTest('is ended by cancel, once its scheduler has left it', LIMIT, async () => {
    await using fleet = await commandsDue('cancelled')
    await fleet.hold()
    const driver = fleet.start(['jobs', 'scheduler'], { ...TWO_PARTS, HEARTH_JOBS_INTERVAL_MS: '600000' })
    await untilRun(fleet)
    driver.signal('SIGTERM')
    await driver.ended
    const under = (await fleet.must(['jobs', 'cancel'])).trim().split('\n')
    expect(under.sort()).toEqual((await fleet.jobs()).toSorted())
    expect(under.length).toBeGreaterThan(0)
    expect((await fleet.run(['jobs', 'cancel', ...under])).stdout).toContain('is ended')
    expect(await fleet.jobs()).toEqual([])
    expect((await fleet.run(['jobs', 'cancel', ...under])).stderr).toContain('no run')
  })
})

describe.concurrent('a run of pods fails, says why, and leaves nothing', () => {
  /** Resolves with what the command said, once it has failed. */
  async function fails(fleet: JobFleet, more: NodeJS.ProcessEnv = {}): Promise<string> {
    const { code, stderr } = await fleet.run(['jobs', 'run', 'command_traces'], { ...TWO_PARTS, ...more })
    expect(code, stderr).toBe(1)
    expect(await fleet.jobs()).toEqual([])
    expect(await fleet.csv('SELECT count(*) FROM command_traces')).toEqual([['0']])
    expect((await toldRuns(fleet, 'command_traces')).at(-1)).toMatchObject({ outcome: 'failed', parts: 2 })
    return stderr
  }

  async function isMadeOnceMended(fleet: JobFleet): Promise<void> {
    await fleet.template()
    await endsWell(runCommands(fleet))
    expect(await isWhole(fleet)).toMatchObject({ outcome: 'committed' })
  }

  realTest('an image that is not there', LIMIT, async () => {
    await using fleet = await commandsDue('image')
    await fleet.template(({ spec }) => {
      const [container] = spec?.containers ?? []
      if (container) Object.assign(container, { image: 'localhost/none:1', imagePullPolicy: 'Never' })
    })
    expect(await fails(fleet)).toMatch(/localhost\/none:1: ErrImageNeverPull/)
  })

  realTest('out of memory', LIMIT, async () => {
    await using fleet = await commandsDue('memory')
    await fleet.template(({ spec }) => {
      const [container] = spec?.containers ?? []
      if (container) container.resources = { limits: { memory: '48Mi' } }
    })
    expect(await fails(fleet)).toMatch(/OOMKilled|exit code 137/)
    await isMadeOnceMended(fleet)
  })

  realTest('a quota', LIMIT, async () => {
    await using fleet = await commandsDue('quota')
    const { namespace } = fleet
    const body = { metadata: { name: 'none' }, spec: { hard: { pods: '0' } } }
    await jobCluster.core.createNamespacedResourceQuota({ namespace, body })
    expect(await fails(fleet, { HEARTH_KUBERNETES_DEADLINE_S: '10' })).toMatch(/DeadlineExceeded.*exceeded quota/)
    await jobCluster.core.deleteNamespacedResourceQuota({ namespace, name: 'none' })
    await isMadeOnceMended(fleet)
  })

  realTest('pods that end well and have made nothing', LIMIT, async () => {
    await using fleet = await commandsDue('nothing')
    await fleet.template(({ spec }) => {
      const [container] = spec?.containers ?? []
      if (container) container.command = ['node', '-e', '0']
    })
    expect(await fails(fleet)).toMatch(/of 2 parts of command-traces-\S+ none came to an end/)
  })

  realTest('what is hopeless is not tried again', LIMIT, async () => {
    await using fleet = await commandsDue('hopeless')
    await fleet.template(({ spec }) => {
      const [container] = spec?.containers ?? []
      container?.env?.push({ name: 'HEARTH_REGION', value: 'elsewhere' })
    })
    expect(await fails(fleet)).toMatch(/elsewhere/)
    expect(await toldRuns(fleet, 'command_traces')).toMatchObject([
      { attempts: expect.toSatisfy((count) => Number(count) <= 2) },
    ])
  })

  realTest('a template that is not there', LIMIT, async () => {
    await using fleet = await commandsDue('template')
    const { code, stderr } = await fleet.run(['jobs', 'run', 'command_traces'], {
      HEARTH_KUBERNETES_POD_TEMPLATE: 'other',
    })
    expect([code, stderr]).toEqual([2, expect.stringContaining('there is no PodTemplate other in namespace template')])
    expect(await fleet.must(['jobs', 'cancel'])).toContain('no run is under way')
  })
})
