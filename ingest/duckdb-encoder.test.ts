import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { machineClock as clock, machineRandom as random } from '../cli/machine.ts'
import { bucketOf } from '../contract/bucket.ts'
import { openDuckDb, rowsOf } from '../lake/duckdb.ts'
import { openFolderStore } from '../lake/folder-store.ts'
import { openDuckDbEncoder } from './duckdb-encoder.ts'
import type { EncoderBatch } from './encoder.ts'
import { readPayload } from './payload.ts'
import { batchOf, reading } from './testing/batch.ts'

const buckets = 4
const alive = (hub: string) => ({ m: 2, kind: 'alive', hub, sessions: 3 })

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-encoder-'))
})
afterEach(() => rm(folder, { recursive: true }))

function batch(source: string, position: number, events: readonly (object | string)[]): EncoderBatch {
  const bucket = bucketOf('demo-01', buckets)
  const role = source.startsWith('relay') ? 'service' : 'hub'
  const stream = role === 'hub' ? 'readings' : `e1b${String(bucket).padStart(2, '0')}`
  const { header, lines } = readPayload(batchOf(events, { first: position * 10, stream }))
  return {
    ...{ bucket, position, source, role, listener: 'mqtt', received_ms: 1_764_000_000_000, header, lines },
    ...{ take: [[0, events.length]], duplicates: 0, dead: undefined },
  }
}

/** What an encoder makes of batches, and the rows of its files. */
async function encoded(name: string, batches: readonly EncoderBatch[], part_bytes: number) {
  const store = openFolderStore(join(folder, name))
  const scratch_folder = join(folder, `${name}-scratch`)
  const options = { store, logId: () => 'log', buckets, clock, random, scratch_folder, part_bytes }
  const encoder = await openDuckDbEncoder(options)
  const encoding = await encoder.begin()
  for (const one of batches) await encoding.add(one)
  const { through, dead, touched } = await encoding.finish()
  await encoding.close()
  await encoder.close()
  expect(await readdir(scratch_folder)).toEqual([])
  await using database = await openDuckDb()
  const rows = await rowsOf(
    database.connection,
    `SELECT * FROM read_parquet('${join(folder, name)}/**/*.parquet', hive_partitioning = true) ORDER BY ALL`,
  )
  return { through, dead, touched, rows }
}

test('lines become the same rows, whether DuckDB judges them in one part or each batch by itself', async () => {
  const batches = [
    batch('demo-01', 1, [reading(1, 20.5, { link: 200 }), 'no json', reading(2, 21)]),
    batch('relay-0', 2, [alive('demo-01'), alive('hub-of-another-bucket')]),
    batch('demo-01', 3, [reading(3, 22), '{"m":4,"kind":"log","text":"a","b":1,"b":2}']),
    batch('relay-0', 4, [alive('demo-01'), alive('demo-01')]),
    batch('demo-01', 5, []),
    batch('demo-01', 6, [{ m: 5, kind: 'command', command: 'c1', issued: 1_764_000_000_000, stage: 'acked' }]),
  ]
  const whole = await encoded('whole', batches, 1e9)
  expect(await encoded('parts', batches, 1)).toEqual(whole)
  const reasons = whole.rows.filter(({ kind }) => kind === 'dead').map(({ reason }) => reason)
  expect(new Set(reasons)).toEqual(
    new Set(['a field is there twice', 'hub belongs to another bucket than the stream', 'the line is not JSON']),
  )
  expect(whole.rows.filter(({ kind }) => kind === 'alive')).toHaveLength(3)
  expect(whole.rows.filter(({ kind }) => kind === 'batch')).toHaveLength(batches.length)
})
