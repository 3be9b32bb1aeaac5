import { globSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { V1Pod } from '@kubernetes/client-node'
import { type JobCluster, startJobCluster } from '../../cli/testing/job-cluster.ts'
import { openWatch } from '../../jobs/kubernetes/api.ts'
import type { Benchmark, BenchmarkOptions, Findings } from '../benchmark.ts'
import { overRounds } from '../figure.ts'

export const kubernetes: Benchmark = {
  name: 'kubernetes',
  description: 'a metric as a Kubernetes Job over S3: the seconds from due to committed, step by step (needs root)',
  rounds: 5,
  run,
}

const DAY = { hubs: 40, events_a_hub: 2_200 }
const METRIC = 'command_traces'
const PARTS = 2

/** When each step was over, ms since 1970, in this order. */
const STEPS = ['started', 'task put', 'pods there', 'pods running', 'parts made', 'committed', 'ended'] as const
type Step = (typeof STEPS)[number]
type Times = Readonly<Record<Step, number>>

async function run({ rounds, note }: BenchmarkOptions): Promise<Findings> {
  await using cluster = await startJobCluster()
  const measured: Times[] = []
  for (let round = 1; round <= rounds; round++) {
    const times = await oneRun(cluster, `round-${round}`)
    measured.push(times)
    note(
      `round ${round}: ${((times.committed - times.started) / 1000).toFixed(2)} s from the start of the driver to the commit`,
    )
  }
  const between = (from: Step, to: Step) => measured.map((times) => (times[to] - times[from]) / 1000)
  return {
    workloads: [],
    rounds: measured,
    figures: [
      overRounds('from the start of the driver to the commit', 's', between('started', 'committed')),
      ...STEPS.slice(1).map((step, i) => overRounds(`… until ${step}`, 's', between(STEPS[i] ?? 'started', step))),
    ],
    notes: [
      `Workload D: ${DAY.hubs} hubs; ${METRIC} of a day in ${PARTS} pods, of an image that the node has; API server, etcd, scheduler, kubelet, containerd, S3 and the pods share the cores. The driver is a process that is started for this run; a scheduler that is there already spares its start. "Ended" is when it has deleted the Job and told of the run.`,
    ],
    faults: [],
  }
}

async function oneRun(cluster: JobCluster, name: string): Promise<Times> {
  await using system = await cluster.fleet(name, DAY)
  await system.run(['jobs', 'run', 'hubs'], { HEARTH_JOBS_RUNNER: 'process' })
  const seen = new Map<string, number>()
  const see = (what: string) => void (seen.has(what) || seen.set(what, Date.now()))
  using watch = openWatch<V1Pod>({
    ...{
      client: cluster.cluster.client,
      path: `/api/v1/namespaces/${system.namespace}/pods`,
      labelSelector: 'hearth/run',
    },
    heard(pod) {
      see(`there ${pod.metadata?.uid}`)
      if (pod.status?.phase === 'Running') see(`running ${pod.metadata?.uid}`)
    },
  })
  await watch.renew()
  const started = Date.now()
  const log = globSync(join(placeOf(cluster, name), METRIC, '_delta_log/*.json'))
  const objects = new Map<string, number>()
  const looking = setInterval(() => {
    for (const path of globSync(join(placeOf(cluster, name), '_hearth/runs/*/*'))) {
      const at = statSync(path, { throwIfNoEntry: false })?.mtimeMs
      if (at !== undefined) objects.set(path, at)
    }
  }, 20)
  const { code, stderr } = await system.run(['jobs', 'run', METRIC], { HEARTH_KUBERNETES_PARTS_MAX: String(PARTS) })
  const ended = Date.now()
  clearInterval(looking)
  if (code !== 0) throw new Error(`the run failed: ${stderr}`)
  const committed = globSync(join(placeOf(cluster, name), METRIC, '_delta_log/*.json')).filter(
    (path) => !log.includes(path),
  )
  const last = (times: Iterable<number>) => Math.max(...times)
  const of = (what: string) => [...seen].filter(([key]) => key.startsWith(what)).map(([, at]) => at)
  const put = (what: string) => [...objects].filter(([path]) => path.includes(`/${what}`)).map(([, at]) => at)
  return {
    ...{ started, 'task put': last(put('task')), 'pods there': last(of('there')), 'pods running': last(of('running')) },
    ...{ 'parts made': last(put('made-')), ended },
    committed: last(committed.map((path) => statSync(path).mtimeMs)),
  }
}

function placeOf({ s3 }: JobCluster, name: string): string {
  return join(s3.folder, s3.bucket, name)
}
