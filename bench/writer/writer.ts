import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { machineClock as clock, machineRandom as random } from '../../cli/machine.ts'
import { codecOf } from '../../contract/batch.ts'
import { bucketOf } from '../../contract/bucket.ts'
import { inflate, readPayload } from '../../ingest/payload.ts'
import { textIn } from '../../ingest/row.ts'
import { openSqliteLog } from '../../ingest/sqlite-log.ts'
import { openDuckDb, rowsOf } from '../../lake/duckdb.ts'
import type { Benchmark, BenchmarkOptions, Findings } from '../benchmark.ts'
import { runChild, type Timing } from '../child.ts'
import { overRounds } from '../figure.ts'
import { fillLog } from '../fill-log.ts'
import { batches as batchesOf, CHECKSUM_SQL, factsOf, WORKLOAD_L, type WorkloadBatch } from '../workload.ts'
import { LAYOUT, timing } from './measured.ts'

export const writer: Benchmark = {
  name: 'writer',
  description: 'event log to committed Parquet, beside the same work in bare DuckDB with SQL by hand',
  rounds: 7,
  run,
}

/** 640,000 events: three attempts of the writer's size would be 2.7 million, and say the same. */
const BATCHES = 1_600
const TARGET_RATIO = 0.85

type Round = { readonly writer: Timing; readonly bare: Timing; readonly ratio: number; readonly cpu_ratio: number }

async function run({ rounds, seed, folder, note }: BenchmarkOptions): Promise<Findings> {
  const made = [...batchesOf(WORKLOAD_L, { seed, wall_ms: clock.now() }).take(BATCHES)]
  const facts = factsOf(WORKLOAD_L, seed, made)
  const log = await openSqliteLog(join(folder, 'log.db'), { buckets: LAYOUT.buckets, clock, random })
  await fillLog(log, made)
  await log.close()
  const input = await prepareBare(folder, made)
  const measured: Round[] = []
  const found: string[] = []
  for (let i = 1; i <= rounds; i++) {
    const place = join(folder, `round-${i}`)
    const writer = await runWriter(join(place, 'writer'), join(folder, 'log.db'))
    const bare = await runBare(join(place, 'bare'), input)
    found.push(writer.checksum, bare.checksum)
    await rm(place, { recursive: true })
    const ratio = bare.timing.ms / writer.timing.ms
    const cpu_ratio = bare.timing.cpu_us / writer.timing.cpu_us
    measured.push({ writer: writer.timing, bare: bare.timing, ratio, cpu_ratio })
    note(
      `round ${i}: writer ${writer.timing.ms.toFixed(0)} ms, bare ${bare.timing.ms.toFixed(0)} ms, ratio ${ratio.toFixed(3)}; of CPU ${cpu_ratio.toFixed(3)}`,
    )
  }
  const { events } = facts
  const per = (of: (round: Round) => number) => measured.map(of)
  return {
    workloads: [{ ...facts, checksums_found: found }],
    rounds: measured,
    figures: [
      overRounds(
        'speed of the writer ÷ of bare DuckDB',
        '×',
        per((round) => round.ratio),
        { least: TARGET_RATIO },
      ),
      overRounds(
        'CPU of bare DuckDB ÷ of the writer',
        '×',
        per((round) => round.cpu_ratio),
      ),
      overRounds(
        'writer',
        'events/s',
        per(({ writer }) => events / (writer.ms / 1000)),
      ),
      overRounds(
        'bare DuckDB',
        'events/s',
        per(({ bare }) => events / (bare.ms / 1000)),
      ),
      overRounds(
        'writer CPU',
        'µs/event',
        per(({ writer }) => writer.cpu_us / events),
      ),
      overRounds(
        'bare DuckDB CPU',
        'µs/event',
        per(({ bare }) => bare.cpu_us / events),
      ),
    ],
    notes: [
      'Both in a process of their own, bare DuckDB with 2 threads and 2 GB, times without the start of the process. Bare DuckDB is given the lines unpacked, numbered and without the resent batches, checks nothing, counts nothing and syncs nothing; the writer reads its log, unpacks, compares with the received ranges, judges each line, keeps the dead ones, and commits.',
    ],
    faults: found.some((one) => one !== facts.checksum_sent)
      ? [`checksums of what was found differ from what was sent: ${[...new Set(found)].join(', ')}`]
      : [],
  }
}

type BareInput = { readonly lines: string; readonly batches: string }

/** What bare DuckDB is given: unpacked, without duplicates, each line numbered. It is spared that work. */
async function prepareBare(folder: string, made: readonly WorkloadBatch[]): Promise<BareInput> {
  const file = join(folder, 'lines')
  const numbered: string[] = []
  const rows: string[] = []
  for (const { bytes, hub, resent } of made) {
    if (resent) continue
    const { header, lines } = readPayload(await inflate(bytes, codecOf(bytes)))
    const texts = lines.toString('utf8').split('\n').slice(0, header.count)
    numbered.push(...texts.map((text, i) => `${rows.length * 16_384 + i}\t${text}\n`))
    rows.push(
      `(${rows.length}, ${bucketOf(hub, LAYOUT.buckets)}, '${hub}', '${header.boot}', '${header.stream}', ${header.first}, ${clock.now()}::DOUBLE, ${header.now}::DOUBLE, ${header.wall}::DOUBLE, '${header.firmware}', '${header.agent}')`,
    )
  }
  await writeFile(file, numbered)
  const batches = join(folder, 'batches.parquet')
  await using database = await openDuckDb()
  await database.connection.run(
    `COPY (SELECT * FROM (VALUES ${rows.join(', ')}) t(batch, bucket, source_id, boot_id, stream, first, received_ms, now_ms, wall_ms, firmware, agent)) TO '${batches}' (FORMAT parquet)`,
  )
  return { lines: file, batches }
}

type Ran = { readonly timing: Timing; readonly checksum: string }

async function runWriter(folder: string, log: string): Promise<Ran> {
  await mkdir(folder, { recursive: true })
  await copyFile(log, join(folder, 'log.db'))
  const measured = await runChild(join(import.meta.dirname, 'writer-child.ts'), { folder }, timing)
  return { timing: measured, checksum: await checksumOf(join(folder, 'lake/events/**/*.parquet')) }
}

async function runBare(folder: string, { lines, batches }: BareInput): Promise<Ran> {
  await mkdir(folder, { recursive: true })
  const task = { lines, batches, out: folder, temp: `${folder}-temp` }
  const measured = await runChild(join(import.meta.dirname, 'bare-child.ts'), task, timing)
  return { timing: measured, checksum: await checksumOf(join(folder, '**/*.parquet')) }
}

/** Of the events in files, whoever wrote them. */
async function checksumOf(glob: string): Promise<string> {
  await using database = await openDuckDb()
  const [row] = await rowsOf(
    database.connection,
    `${CHECKSUM_SQL} FROM read_parquet('${glob}', union_by_name = true, hive_partitioning = false) WHERE kind NOT IN ('batch', 'dead')`,
  )
  return textIn(row ?? {}, 'checksum') ?? 'none'
}
