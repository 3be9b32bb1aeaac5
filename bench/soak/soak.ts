import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { textIn } from '../../ingest/row.ts'
import { openDuckDb, rowsOf } from '../../lake/duckdb.ts'
import type { Benchmark, BenchmarkOptions, Findings, WorkloadFacts } from '../benchmark.ts'
import { startChild } from '../child.ts'
import type { Figure } from '../figure.ts'
import { CHECKSUM_SQL, WORKLOAD_L } from '../workload.ts'
import { memoryOf, type Sample, type Sent, type SoakTask, sample, sent } from './measured.ts'

export const soak: Benchmark = {
  name: 'soak',
  description: 'memory of ingest: a long stream, a catch-up after a restart, 64 dates at once; --events N',
  rounds: 1,
  run,
}

const EVENTS = 20_000_000
const DATES = 64
const PEAK_MAX_BYTES = 1.5e9
/** Of ten million events more. */
const GROWTH_MAX = 0.01

export type Phase = {
  readonly name: string
  readonly facts: WorkloadFacts
  readonly samples: readonly Sample[]
  /** Events that were committed in a second. */
  readonly rate: number
}

async function run({ seed, folder, note, events = EVENTS }: BenchmarkOptions): Promise<Findings> {
  const tenth = Math.ceil(events / 10)
  const phases = [
    await stream(join(folder, 'long'), { seed, events, dates: 1 }, 'a long stream', note),
    await catchUp(join(folder, 'backlog'), { seed, events: tenth, dates: 1 }, note),
    await stream(join(folder, 'dates'), { seed, events: tenth, dates: DATES }, `${DATES} dates at once`, note),
  ]
  return {
    workloads: phases.map(({ facts }) => facts),
    rounds: phases,
    figures: phases.flatMap(figuresOf),
    notes: [
      'RSS of one process with gateway core, event log, writer and the generator, sampled each second. Growth is that of the peaks of the second half, one a commit, by least squares; of fewer than 20 million events none is told, since a process gathers what it needs as it begins.',
    ],
    faults: phases.flatMap(({ name, facts: { checksum_sent, checksums_found } }) =>
      checksums_found.every((one) => one === checksum_sent) ? [] : [`${name}: what was found is not what was sent`],
    ),
  }
}

type Told = Omit<SoakTask, 'folder' | 'phase'>

/** Gateway and writer at once. */
export async function stream(folder: string, told: Told, name: string, note: (line: string) => void): Promise<Phase> {
  return await phaseOf(name, folder, told, await inChild({ ...told, folder, phase: 'ingest' }), note)
}

/** A log that was filled while no writer ran, then a writer that was just started. */
export async function catchUp(folder: string, told: Told, note: (line: string) => void): Promise<Phase> {
  const filled = await inChild({ ...told, folder, phase: 'fill' })
  const caught = await inChild({ ...told, folder, phase: 'catch-up' })
  const ran = { samples: caught.samples, sent: { ...filled.sent, ms: caught.sent.ms } }
  return await phaseOf('a catch-up after a restart', folder, told, ran, note)
}

type Ran = { readonly samples: readonly Sample[]; readonly sent: Sent }

async function inChild(task: SoakTask): Promise<Ran> {
  await mkdir(task.folder, { recursive: true })
  const child = startChild(join(import.meta.dirname, 'soak-child.ts'), task)
  const samples: Sample[] = []
  try {
    for (;;) {
      const line: unknown = JSON.parse(await child.line())
      const one = sample.safeParse(line)
      if (!one.success) return { samples, sent: sent.parse(line) }
      samples.push(one.data)
    }
  } finally {
    await child.stop()
  }
}

async function phaseOf(
  name: string,
  folder: string,
  { seed }: Told,
  { samples, sent: { checksum, zstd_plain_bytes, zstd_bytes, ms, ...counts } }: Ran,
  note: (line: string) => void,
): Promise<Phase> {
  const { sources, events_a_batch } = WORKLOAD_L
  const facts = {
    ...{ ...counts, name: `L, ${name}`, seed, sources, events_a_batch },
    ...{ bytes_a_line: counts.plain_bytes / counts.events, zstd3_ratio: zstd_plain_bytes / zstd_bytes },
    ...{ checksum_sent: checksum, checksums_found: [await checksumOf(join(folder, 'lake/events/**/*.parquet'))] },
  }
  const { peak_bytes, growth } = memoryOf(samples)
  const rate = counts.events / (ms / 1000)
  const megabytes = Math.round(peak_bytes / 1e6)
  const grown = growth === undefined ? '' : `, ${(growth * 100).toFixed(2)} % growth`
  note(`${name}: ${counts.events} events, ${Math.round(rate)}/s, peak ${megabytes} MB${grown}`)
  return { name, facts, samples, rate }
}

function figuresOf({ name, samples, rate }: Phase): readonly Figure[] {
  const { peak_bytes, growth } = memoryOf(samples)
  return [
    { name: `${name}: peak RSS`, unit: 'MB', value: peak_bytes / 1e6, target: { most: PEAK_MAX_BYTES / 1e6 } },
    ...(growth === undefined
      ? []
      : [
          {
            name: `${name}: growth for 10 M events`,
            unit: '%',
            value: growth * 100,
            target: { most: GROWTH_MAX * 100 },
          },
        ]),
    { name: `${name}: committed`, unit: 'events/s', value: rate },
  ]
}

/** Of the events in files. */
async function checksumOf(glob: string): Promise<string> {
  await using database = await openDuckDb()
  const [row] = await rowsOf(
    database.connection,
    `${CHECKSUM_SQL} FROM read_parquet('${glob}', union_by_name = true, hive_partitioning = false) WHERE kind NOT IN ('batch', 'dead')`,
  )
  return textIn(row ?? {}, 'checksum') ?? 'none'
}
