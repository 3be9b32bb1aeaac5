import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { machineClock as clock, machineRandom as random } from '../../cli/machine.ts'
import { bucketOf } from '../../contract/bucket.ts'
import { openDuckDbEncoder } from '../../ingest/duckdb-encoder.ts'
import { openGateway } from '../../ingest/gateway.ts'
import { openPace } from '../../ingest/pace.ts'
import { inflate, readPayload } from '../../ingest/payload.ts'
import { openSpool } from '../../ingest/spool.ts'
import { openSqliteLog } from '../../ingest/sqlite-log.ts'
import { openWriter } from '../../ingest/writer.ts'
import { openDuckDb, rowsOf } from '../../lake/duckdb.ts'
import { openFolderStore } from '../../lake/folder-store.ts'
import { createLake } from '../../lake/lake.ts'
import { seededRandom } from '../../sim/clock.ts'
import { type WorkloadBatch, workloadL } from './workload.ts'

export const name = 'writer'
export const description = 'log to committed Parquet, against the same work in bare DuckDB with hand-written SQL'

const THREADS = 2
const MEMORY = '3GB'
const BATCHES = 1_600
const layout = { epoch: 1, buckets: 4 }
const run_ = promisify(execFile)

export type WriterRound = { readonly writer_ms: number; readonly bare_ms: number; readonly ratio: number }
export type WriterResult = {
  readonly workload: 'L'
  readonly events: number
  readonly plain_bytes: number
  readonly compression: number
  readonly rounds: readonly WriterRound[]
  /** bare ÷ writer: 1 is as fast as DuckDB alone. */
  readonly median_ratio: number
  readonly spread: readonly [number, number]
  readonly writer_events_per_second: number
  readonly writer_cpu_us_per_event: number
  readonly checksums_equal: boolean
}

/** Interleaved: each round runs the writer and then bare DuckDB on the same batches. */
export async function run(options: {
  readonly rounds?: number
  readonly seconds?: number
  readonly log: (line: string) => void
}): Promise<WriterResult> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-bench-writer-'))
  try {
    const batches = take(BATCHES)
    const input = await prepareBare(folder, batches)
    const rounds: WriterRound[] = []
    const rates: number[] = []
    const costs: number[] = []
    let equal = true
    for (let round = 0; round < Math.max(5, options.rounds ?? 5); round++) {
      const mine = await runWriter(join(folder, `writer-${round}`), batches)
      const bare = await runBare(join(folder, `bare-${round}`), input)
      equal &&= mine.checksum === bare.checksum
      const ratio = bare.ms / mine.ms
      rounds.push({ writer_ms: mine.ms, bare_ms: bare.ms, ratio })
      rates.push(mine.events / (mine.ms / 1000))
      costs.push(mine.cpu_us / mine.events)
      options.log(
        `round ${round + 1}: writer ${mine.ms.toFixed(0)} ms, bare ${bare.ms.toFixed(0)} ms, ratio ${ratio.toFixed(3)}, ${mine.checksum} ${bare.checksum}`,
      )
      await rm(join(folder, `writer-${round}`), { recursive: true })
      await rm(join(folder, `bare-${round}`), { recursive: true })
    }
    const ratios = rounds.map(({ ratio }) => ratio)
    return {
      workload: 'L',
      events: input.events,
      plain_bytes: input.plain_bytes,
      compression: input.plain_bytes / batches.reduce((sum, { bytes }) => sum + bytes.length, 0),
      rounds,
      median_ratio: median(ratios),
      spread: [Math.min(...ratios), Math.max(...ratios)],
      writer_events_per_second: median(rates),
      writer_cpu_us_per_event: median(costs),
      checksums_equal: equal,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function take(count: number): readonly WorkloadBatch[] {
  const batches: WorkloadBatch[] = []
  for (const batch of workloadL(seededRandom(7), clock.now())) {
    batches.push(batch)
    if (batches.length === count) break
  }
  return batches
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

/** Rows and sums over the events, whoever wrote the files. */
async function checksum(glob: string): Promise<string> {
  await using database = await openDuckDb({ threads: THREADS })
  const [row] = await rowsOf(
    database.connection,
    `SELECT count(*) AS rows, round(sum(value), 1) AS values_, sum(seq) AS seqs, sum(len(text)) AS letters, round(sum(mono_ms)) AS clocks,
       sum(cardinality(extra)) AS extras, bit_xor(hash(source_id, seq, kind, device_id, attribute, value, command_id)) AS hash
     FROM read_parquet('${glob}', union_by_name = true, hive_partitioning = false) WHERE kind NOT IN ('batch', 'dead')`,
  )
  return Object.values(row ?? {})
    .map((value) => JSON.stringify(value))
    .join(' ')
}

async function runWriter(folder: string, batches: readonly WorkloadBatch[]) {
  await mkdir(folder, { recursive: true })
  const store = openFolderStore(join(folder, 'lake'))
  const lake = await createLake({ store, clock, random, fleet: 'bench', region: 'local', buckets: layout.buckets })
  const log = await openSqliteLog(join(folder, 'log.db'), { buckets: layout.buckets, clock, random })
  const pace = openPace(clock, { events_per_second: 1e9, burst: 1e9 })
  const gateway = openGateway({ log, layout, clock, pace })
  for (let i = 0; i < batches.length; i += 200) {
    await Promise.all(
      batches
        .slice(i, i + 200)
        .map(({ source, bytes }) => gateway.receive({ source, role: 'hub', generation: 1 }, bytes, 'bench')),
    )
  }
  const encoder = await openDuckDbEncoder({
    ...{ store, logId: () => log.id, buckets: layout.buckets, clock, random, threads: THREADS, memory_limit: MEMORY },
    scratch_folder: join(folder, 'spool'),
  })
  const writer = await openWriter({
    ...{ log, table: await lake.table('events'), store, layout, encoder, clock, random },
    recordLoss: (loss) => Promise.reject(new Error(loss.reason)),
    note: () => undefined,
  })
  const before = process.cpuUsage()
  const start_ms = clock.monotonic()
  while (await writer.commitOnce()) continue
  const ms = clock.monotonic() - start_ms
  const { user, system } = process.cpuUsage(before)
  await encoder.close()
  await log.close()
  const events = batches.reduce((sum, batch) => sum + batch.events, 0)
  return { ms, events, cpu_us: user + system, checksum: await checksum(join(folder, 'lake/events/**/*.parquet')) }
}

type BareInput = {
  readonly lines: string
  readonly batches: string
  readonly events: number
  readonly plain_bytes: number
}

/** What bare DuckDB is given: unpacked, without duplicates, each line numbered. It is spared that work. */
async function prepareBare(folder: string, batches: readonly WorkloadBatch[]): Promise<BareInput> {
  const spool = await openSpool(join(folder, 'lines'))
  const seen = new Set<string>()
  const rows: string[] = []
  let plain_bytes = 0
  let events = 0
  for (const { source, bytes } of batches) {
    const codec = bytes[0] === 0x28 ? 'zstd' : bytes[0] === 0x1f ? 'gzip' : 'plain'
    const { header, lines } = readPayload(await inflate(bytes, codec))
    plain_bytes += lines.length
    if (seen.has(`${source} ${header.first}`)) continue
    seen.add(`${source} ${header.first}`)
    await spool.add(rows.length * 16_384, lines, [[0, header.count]])
    events += header.count
    rows.push(
      `(${rows.length}, ${bucketOf(source, layout.buckets)}, '${source}', '${header.boot}', '${header.stream}', ${header.first}, ${clock.now()}::DOUBLE, ${header.now}::DOUBLE, ${header.wall}::DOUBLE, '4.2.1', '1.0.0')`,
    )
  }
  await spool.finish()
  await using database = await openDuckDb()
  await database.connection.run(
    `COPY (SELECT * FROM (VALUES ${rows.join(', ')}) t(batch, bucket, source_id, boot_id, stream, first, received_ms, now_ms, wall_ms, firmware, agent)) TO '${join(folder, 'batches.parquet')}' (FORMAT parquet)`,
  )
  return { lines: join(folder, 'lines'), batches: join(folder, 'batches.parquet'), events, plain_bytes }
}

async function runBare(folder: string, input: BareInput) {
  const script = join(import.meta.dirname, 'bare.ts')
  const { stdout } = await run_(process.execPath, [
    script,
    input.lines,
    input.batches,
    folder,
    String(THREADS),
    MEMORY,
    `${folder}-tmp`,
  ])
  const { ms } = z.object({ ms: z.number() }).parse(JSON.parse(stdout))
  return { ms, checksum: await checksum(join(folder, '**/*.parquet')) }
}

if (import.meta.main) {
  const result = await run({ log: (line) => process.stdout.write(`${line}\n`) })
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`)
}
