import { cp, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { machineClock as clock, machineRandom as random } from '../../cli/machine.ts'
import { textIn } from '../../ingest/row.ts'
import { catalogue } from '../../jobs/catalogue.ts'
import { openDuckDb, rowsOf } from '../../lake/duckdb.ts'
import { openFolderStore } from '../../lake/folder-store.ts'
import { openLake } from '../../lake/lake.ts'
import { identifier, literal } from '../../lake/schema.ts'
import type { Benchmark, BenchmarkOptions, Findings } from '../benchmark.ts'
import { startChild } from '../child.ts'
import { type Figure, latencyFigures, overRounds } from '../figure.ts'
import { cpuOf_us, memoryOf_mib } from '../machine.ts'
import { makeDay } from './day.ts'
import { isMeasured, MEASURED } from './measured.ts'
import { startSparkPeer } from './spark-peer.ts'

export const spark: Benchmark = {
  name: 'spark',
  description: 'metrics of a day from events to committed tables, beside Spark with the same SQL over Delta tables',
  rounds: 3,
  run,
}

const EVENTS = 1_400_000
/** After the first, before those that count: the JVM compiles what is hot only then. */
const PASSES_BEFORE_WARM = 2
const WARM_PASSES = 3
const TARGETS = { whole: 7, warm: 2.2, memory: 1 / 4 }

/** One of the two in one round: as a process that is started for one day, then day after day. */
type Ran = {
  readonly whole_ms: number
  readonly warm_ms: number[]
  readonly whole_cpu_ms: number
  /** A pass, at the mean. */
  readonly warm_cpu_ms: number
  readonly peak_mib: number
  readonly answers: string[]
}
type Runner = {
  readonly pid: number
  /** Makes the metrics in the folder of a pass. */
  pass(folder: string): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
type Maker = {
  readonly name: 'Hearth' | 'Spark'
  start(): Promise<Runner>
  /** The Parquet files of a metric that a pass made. */
  files(folder: string, metric: string): Promise<readonly string[]>
}

async function run({ rounds, folder, events = EVENTS, note }: BenchmarkOptions): Promise<Findings> {
  const day_folder = join(folder, 'day')
  const facts = await makeDay({
    folder: day_folder,
    scratch_folder: join(folder, 'scratch'),
    events,
    clock,
    random,
  })
  note(`a day of ${facts.events} events, ${(facts.bytes / 1e6).toFixed(0)} MB`)
  const measured: Record<Maker['name'], Ran>[] = []
  for (let round = 1; round <= rounds; round++) {
    const place = join(folder, `round-${round}`)
    const ours = await runMaker(hearthMaker(), { place, day_folder })
    const peer = await runMaker(sparkMaker(day_folder), { place, day_folder })
    await rm(place, { recursive: true })
    measured.push({ Hearth: ours, Spark: peer })
    const seconds = (ran: Ran) => [ran.whole_ms, ...ran.warm_ms].map((ms) => (ms / 1000).toFixed(2)).join(', ')
    note(`round ${round}: Hearth ${seconds(ours)} s, Spark ${seconds(peer)} s: the whole process, then warm`)
  }
  const answers = new Set(measured.flatMap(({ Hearth, Spark }) => [...Hearth.answers, ...Spark.answers]))
  return {
    workloads: [],
    rounds: [facts, ...measured],
    figures: figuresOf(measured),
    notes: [
      `Workload D: ${facts.events} events of one day, ${(facts.bytes / 1e6).toFixed(0)} MB in a file a bucket, to ${MEASURED.join(', ')}. A whole process is one that is started for this day alone, its start included; warm are ${WARM_PASSES} days that it makes later, when ${1 + PASSES_BEFORE_WARM} are behind it. Memory is the peak of the process over all of these.`,
      'Hearth (2 threads of DuckDB) plans, keeps a ledger of 24 hours a bucket, checks keys and rows, writes a file a bucket and commits, synced. Spark, local[2], a heap of 2 GB, is given the same SQL by hand, a statement a metric, over the Delta table of events into Delta tables; it checks nothing and syncs nothing. Each pass of Hearth is over a copy of the lake in which nothing is made, of which Spark, which reads one lake again and again, is spared the log.',
    ],
    faults: answers.size === 1 ? [] : [`the two have other rows: ${[...answers].join('; ')}`],
  }
}

function hearthMaker(): Maker {
  return {
    name: 'Hearth',
    async start() {
      const child = startChild(join(import.meta.dirname, 'hearth-child.ts'), {})
      return {
        pid: child.pid,
        async pass(folder) {
          child.write(join(folder, 'lake'))
          if ((await child.line()) !== 'done') throw new Error('the jobs did not run')
        },
        [Symbol.asyncDispose]: () => child.end(),
      }
    },
    async files(folder, metric) {
      const lake = await openLake({ store: openFolderStore(join(folder, 'lake')), clock, random })
      const { files } = await (await lake.table(metric)).snapshot()
      return [...files.keys()].map((path) => join(folder, 'lake', metric, path))
    },
  }
}

function sparkMaker(day_folder: string): Maker {
  return {
    name: 'Spark',
    start: () => startSparkPeer(day_folder),
    files: async (folder, metric) => [join(folder, metric, '*.parquet')],
  }
}

async function runMaker(
  maker: Maker,
  { place, day_folder }: { readonly place: string; readonly day_folder: string },
): Promise<Ran> {
  const passes = Array.from({ length: 1 + PASSES_BEFORE_WARM + WARM_PASSES }, (_, pass) =>
    join(place, `${maker.name}-${pass}`),
  )
  for (const folder of passes) {
    await mkdir(folder, { recursive: true })
    if (maker.name === 'Hearth') await cp(day_folder, join(folder, 'lake'), { recursive: true })
  }
  const begun_ms = clock.monotonic()
  await using runner = await maker.start()
  const times: number[] = []
  const cpu_us: number[] = []
  for (const folder of passes) {
    const pass_ms = times.length === 0 ? begun_ms : clock.monotonic()
    await runner.pass(folder)
    times.push(clock.monotonic() - pass_ms)
    cpu_us.push(cpuOf_us(runner.pid))
  }
  const [whole_cpu_us = 0] = cpu_us
  const cpu = {
    whole_cpu_ms: whole_cpu_us / 1e3,
    warm_cpu_ms: ((cpu_us.at(-1) ?? 0) - (cpu_us[PASSES_BEFORE_WARM] ?? 0)) / 1e3 / WARM_PASSES,
  }
  const peak_mib = memoryOf_mib(runner.pid).peak
  const answers: string[] = []
  for (const folder of passes) answers.push(await answerOf(maker, folder))
  const [whole_ms = 0] = times
  return { whole_ms, warm_ms: times.slice(-WARM_PASSES), ...cpu, peak_mib, answers }
}

/** Number and checksum of the rows of each metric, whatever their order. */
async function answerOf(maker: Maker, folder: string): Promise<string> {
  await using duck = await openDuckDb()
  const told: string[] = []
  for (const { name, columns } of catalogue().filter(isMeasured)) {
    const files = (await maker.files(folder, name)).map(literal)
    const row = columns.map((column) => identifier(column.name)).join(', ')
    const sql = `SELECT count(*) || ' ' || sum(('0x' || md5(CAST(row(${row}) AS VARCHAR))[1:12])::BIGINT) AS told FROM read_parquet([${files.join(', ')}])`
    const [found] = await rowsOf(duck.connection, sql)
    told.push(`${name} ${textIn(found ?? {}, 'told')}`)
  }
  return told.join(', ')
}

function figuresOf(measured: readonly Readonly<Record<Maker['name'], Ran>>[]): readonly Figure[] {
  const ratios = (of: (ran: Ran) => number) => measured.map(({ Hearth, Spark }) => of(Spark) / of(Hearth))
  const names = ['Hearth', 'Spark'] as const
  return [
    overRounds('whole process, Spark ÷ Hearth', '×', ratios(whole), { least: TARGETS.whole }),
    overRounds('warm, Spark ÷ Hearth', '×', ratios(warm), { least: TARGETS.warm }),
    overRounds('memory, Hearth ÷ Spark', '×', ratios(freeOfMemory), { most: TARGETS.memory }),
    overRounds('CPU of the whole process, Spark ÷ Hearth', '×', ratios(wholeCpu)),
    overRounds('CPU warm, Spark ÷ Hearth', '×', ratios(warmCpu)),
    ...names.flatMap((name) => {
      const rans = measured.map((round) => round[name])
      const passes_ms = rans.flatMap(({ warm_ms }) => warm_ms)
      return [
        overRounds(`${name}: whole process`, 'ms', rans.map(whole)),
        ...latencyFigures(`${name}: warm`, passes_ms),
        overRounds(`${name}: CPU of the whole process`, 'ms', rans.map(wholeCpu)),
        overRounds(`${name}: CPU warm`, 'ms', rans.map(warmCpu)),
        overRounds(`${name}: memory, peak`, 'MiB', rans.map(memory)),
      ]
    }),
  ]
}

const whole = ({ whole_ms }: Ran) => whole_ms
const warm = ({ warm_ms }: Ran) => warm_ms.reduce((all, one) => all + one, 0)
const wholeCpu = ({ whole_cpu_ms }: Ran) => whole_cpu_ms
const warmCpu = ({ warm_cpu_ms }: Ran) => warm_cpu_ms
const memory = ({ peak_mib }: Ran) => peak_mib
const freeOfMemory = ({ peak_mib }: Ran) => 1 / peak_mib
