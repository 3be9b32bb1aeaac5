import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { machineClock as clock, machineRandom as random } from '../../cli/machine.ts'
import { startS3 } from '../../infra/s3/server.ts'
import { openFileCache } from '../../lake/file-cache.ts'
import { openS3Store } from '../../lake/s3-store.ts'
import type { Benchmark, BenchmarkOptions, Findings } from '../benchmark.ts'
import { latencyFigures, overRounds } from '../figure.ts'

export const store: Benchmark = {
  name: 'store',
  description: 'data files and commits to S3 and back, beside the bare SDK in one request each',
  rounds: 5,
  run,
}

/** As the compacted files of a day. */
const FILE_BYTES = 128 * 1024 * 1024
const ENTRY_BYTES = 2_000
const ENTRIES = 200
const MEGABYTE = 1e6

type Round = {
  readonly put: number
  readonly get: number
  readonly cache: number
  readonly bare_put: number
  readonly bare_get: number
}

async function run({ rounds, folder, note }: BenchmarkOptions): Promise<Findings> {
  await using s3 = await startS3()
  Object.assign(process.env, s3.environment)
  const { bucket, endpoint, region } = s3
  const ours = openS3Store({ bucket, prefix: 'ours', endpoint, region, path_style: true, clock, random })
  const client = new S3Client({ endpoint, region, forcePathStyle: true })
  const file = join(folder, 'body.parquet')
  const body = Buffer.from(random.bytes(FILE_BYTES))
  body.write('PAR1', 0)
  body.write('PAR1', FILE_BYTES - 4)
  await writeFile(file, body)
  const faults: string[] = []
  const measured: Round[] = []
  const puts_ms: number[] = []
  for (let i = 1; i <= rounds; i++) {
    const [path, Key] = [`files/${i}.parquet`, `bare/${i}.parquet`]
    const put = await speed(() => ours.put(path, { file }))
    const bare_put = await speed(async () => {
      await using opened = await open(file)
      await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: await opened.readFile() }))
    })
    let found: Uint8Array = new Uint8Array()
    const get = await speed(async () => {
      found = await ours.get(path)
    })
    if (!body.equals(found)) faults.push(`round ${i}: what was read is not what was put`)
    const bare_get = await speed(async () => {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }))
      found = (await Body?.transformToByteArray()) ?? new Uint8Array()
    })
    if (!body.equals(found)) faults.push(`round ${i}: what the bare SDK read is not what was put`)
    const cache = await openFileCache(ours, { folder: join(folder, `cache-${i}`), max_bytes: 2 * FILE_BYTES, clock })
    const cached = await speed(async () => {
      await using _ = await cache.hold([{ path, size_bytes: FILE_BYTES }])
    })
    await cache[Symbol.asyncDispose]()
    for (let entry = 0; entry < ENTRIES; entry++) {
      const begun_ms = clock.monotonic()
      await ours.put(`log/${i}-${entry}`, new Uint8Array(ENTRY_BYTES), { ifAbsent: true })
      puts_ms.push(clock.monotonic() - begun_ms)
    }
    measured.push({ put, get, cache: cached, bare_put, bare_get })
    note(
      `round ${i}: put ${put.toFixed(0)} MB/s (bare ${bare_put.toFixed(0)}), get ${get.toFixed(0)} (bare ${bare_get.toFixed(0)}), into the cache ${cached.toFixed(0)}`,
    )
  }
  client.destroy()
  const of = (name: keyof Round) => measured.map((round) => round[name])
  return {
    workloads: [],
    rounds: measured,
    figures: [
      overRounds('put of a 128 MiB file', 'MB/s', of('put')),
      overRounds('the same, bare SDK', 'MB/s', of('bare_put')),
      overRounds('get of it', 'MB/s', of('get')),
      overRounds('the same, bare SDK', 'MB/s', of('bare_get')),
      overRounds('get of it into the cache, synced', 'MB/s', of('cache')),
      ...latencyFigures('put of a 2 kB log entry if absent', puts_ms),
    ],
    notes: [
      'versitygw on this machine, plain HTTP: no network between, and client and server share its cores.',
      'The bare SDK sends and reads the file in one request. Ours: parts of 16 MiB, 4 at once; ranges of 8 MiB, 8 at once.',
    ],
    faults,
  }
}

async function speed(work: () => Promise<void>): Promise<number> {
  const begun_ms = clock.monotonic()
  await work()
  return FILE_BYTES / MEGABYTE / ((clock.monotonic() - begun_ms) / 1000)
}
