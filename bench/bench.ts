/** `npm run bench -- NAME`: runs a benchmark, prints what it found and keeps it in `results/`. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { scriptWords } from '../cli/script-options.ts'
import { agent } from './agent/agent.ts'
import type { Benchmark, BenchmarkOptions } from './benchmark.ts'
import { budget } from './budget/budget.ts'
import { growth } from './growth/growth.ts'
import { hubs } from './hubs/hubs.ts'
import { ingest } from './ingest/ingest.ts'
import { isolation } from './isolation/isolation.ts'
import { jobs } from './jobs/jobs.ts'
import { kubernetes } from './kubernetes/kubernetes.ts'
import { lake } from './lake/lake.ts'
import { log } from './log/log.ts'
import { commitFacts, machineFacts, watchMachine } from './machine.ts'
import { peers } from './peers/peers.ts'
import { relay } from './relay/relay.ts'
import { describe, keep, type Result } from './result.ts'
import { soak } from './soak/soak.ts'
import { spark } from './spark/spark.ts'
import { store } from './store/store.ts'
import { storm } from './storm/storm.ts'
import { writer } from './writer/writer.ts'

const BENCHMARKS: readonly Benchmark[] = [
  writer,
  ingest,
  peers,
  jobs,
  growth,
  spark,
  kubernetes,
  relay,
  budget,
  isolation,
  hubs,
  storm,
  log,
  store,
  lake,
  soak,
  agent,
]

const USAGE = `npm run bench -- NAME [--rounds N] [--seed N] [--workload W] [--log kafka [--store s3]] [--events N] [--minutes N] [--profile DIR] [--json] [--no-keep]

${BENCHMARKS.map(({ name, description, rounds }) => `  ${name.padEnd(12)}${description} (${rounds} rounds)`).join('\n')}

  --rounds N    interleaved rounds: ours, peer, ours, peer …
  --seed N      another seed of the workload
  --workload W  only this one, S, L or, with a log in Kafka, B (ingest)
  --log kafka   gateway and writer as processes of their own, with a broker between them (ingest)
  --store s3    and a lake in an S3 server (ingest)
  --events N    how many (soak, jobs, growth, spark); of hubs (hubs, storm); of taps (budget); of commands a window (isolation)
  --minutes N   how long is watched (agent)
  --profile DIR CPU profiles of the processes under test (for Chrome's inspector)
  --json        the result as JSON on standard output, progress on standard error
  --no-keep     leaves bench/results/ as it is

Examples:
  npm run bench -- writer
  npm run bench -- writer --rounds 9
  npm run bench -- ingest --workload L --rounds 1 --profile profiles
  npm run bench -- ingest --log kafka --store s3 --workload B
  npm run bench -- ingest --json --no-keep | jq .figures
`

// What runs beside is ended when this process exits, which a signal alone would not let it do.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
const given = scriptWords({
  rounds: { type: 'string' },
  seed: { type: 'string', default: '7' },
  profile: { type: 'string' },
  workload: { type: 'string' },
  events: { type: 'string' },
  minutes: { type: 'string' },
  log: { type: 'string' },
  store: { type: 'string' },
  json: { type: 'boolean', default: false },
  keep: { type: 'boolean', default: true },
  help: { type: 'boolean', default: false, short: 'h' },
})
process.exitCode = given ? await main(given) : 2

/** Exit code 1: what was found is not what was sent, so that the figures mean nothing. A target that is missed is told. */
async function main(words: NonNullable<typeof given>): Promise<number> {
  let asked: ReturnType<typeof check>
  try {
    asked = check(words)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
    return 2
  }
  const { benchmark, values } = asked
  if (!benchmark) {
    process.stdout.write(USAGE)
    return 0
  }
  const folder = await mkdtemp(join(tmpdir(), `hearth-bench-${benchmark.name}-`))
  try {
    const result = await measure(benchmark, folder, values)
    process.stdout.write(values.json ? `${JSON.stringify(result, undefined, 2)}\n` : `${describe(result)}\n`)
    if (values.keep) process.stderr.write(`\nkept in bench/results/${keep(result)}\n`)
    return result.faults.length > 0 ? 1 : 0
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function check({ values, positionals }: NonNullable<typeof given>) {
  const [name] = positionals
  const benchmark = BENCHMARKS.find((one) => one.name === name)
  if (name !== undefined && !benchmark) throw new Error(`no benchmark ${name}`)
  const numbers = {
    rounds: values.rounds ?? '1',
    seed: values.seed,
    events: values.events ?? '1',
    minutes: values.minutes ?? '1',
  }
  for (const [option, text] of Object.entries(numbers)) {
    if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`--${option} takes a positive whole number; found ${text}`)
  }
  const [log, store] = [only('log', values.log, 'kafka'), only('store', values.store, 's3')]
  if (store !== undefined && log === undefined) throw new Error('--store s3 goes with --log kafka')
  return { benchmark: values.help ? undefined : benchmark, values: { ...values, log, store } }
}

/** The one value that an option takes, where it is given. */
function only<T extends string>(option: string, value: string | undefined, choice: T): T | undefined {
  if (value !== undefined && value !== choice) throw new Error(`--${option} takes ${choice}; found ${value}`)
  return value === undefined ? undefined : choice
}

async function measure(
  benchmark: Benchmark,
  folder: string,
  values: {
    readonly rounds?: string | undefined
    readonly seed: string
    readonly json: boolean
    readonly profile?: string | undefined
    readonly workload?: string | undefined
    readonly events?: string | undefined
    readonly minutes?: string | undefined
    readonly log: BenchmarkOptions['log']
    readonly store: BenchmarkOptions['store']
  },
): Promise<Result> {
  const out = values.json ? process.stderr : process.stdout
  const [machine, commit] = [await machineFacts(), commitFacts()]
  const watched = watchMachine()
  const start_ms = performance.now()
  const measured = new Date().toISOString()
  const findings = await benchmark.run({
    rounds: values.rounds === undefined ? benchmark.rounds : Number(values.rounds),
    seed: Number(values.seed),
    folder,
    workload: values.workload,
    events: values.events === undefined ? undefined : Number(values.events),
    minutes: values.minutes === undefined ? undefined : Number(values.minutes),
    log: values.log,
    store: values.store,
    profile: values.profile === undefined ? undefined : resolve(values.profile),
    note: (line) => out.write(`${line}\n`),
  })
  const took_s = (performance.now() - start_ms) / 1000
  return { version: 1, benchmark: benchmark.name, measured, ...commit, took_s, machine, busy: watched(), ...findings }
}
