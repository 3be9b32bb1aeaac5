import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { machineClock as clock, machineRandom as random } from '../cli/machine.ts'
import { bucketOf } from '../contract/bucket.ts'
import { EVENTS_COLUMNS } from '../contract/events-table.ts'
import { EVENT_LINE_MAX_BYTES } from '../contract/limits.ts'
import { openDuckDb, rowsOf } from '../lake/duckdb.ts'
import { openFolderStore } from '../lake/folder-store.ts'
import type { EncoderBatch } from './encoder.ts'
import { type EncodingQuestion, openEventEncoder } from './event-encoder.ts'
import { readPayload } from './payload.ts'
import { batchOf, reading } from './testing/batch.ts'
import { startThread } from './thread.ts'

const buckets = 4
const shape = { columns: EVENTS_COLUMNS, configuration: {} }
const alive = (hub: string) => ({ m: 2, kind: 'alive', hub, sessions: 3 })

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-encoder-'))
})
afterEach(() => rm(folder, { recursive: true }))

function batch(
  source: string,
  position: number,
  events: readonly (object | string)[],
  change: object = {},
): EncoderBatch {
  const bucket = bucketOf('demo-01', buckets)
  const role = source.startsWith('relay') ? 'service' : 'hub'
  const stream = role === 'hub' ? 'readings' : `e1b${String(bucket).padStart(2, '0')}`
  const { header, lines } = readPayload(batchOf(events, { first: position * 10, stream, ...change }))
  return {
    ...{ bucket, position, source, role, listener: 'mqtt', received_ms: 1_764_000_000_000, header, lines },
    ...{ take: [[0, events.length]], duplicates: 0, dead: undefined },
  }
}

function open(name: string, here = true) {
  const store = openFolderStore(join(folder, name))
  return openEventEncoder({ store, logId: () => 'log', buckets, clock, random, here })
}

async function rowsIn(name: string) {
  await using database = await openDuckDb()
  const files = `${join(folder, name)}/**/*.parquet`
  return await rowsOf(
    database.connection,
    `SELECT * FROM read_parquet('${files}', hive_partitioning = true, union_by_name = true) ORDER BY ALL`,
  )
}

/** What an encoder makes of batches, and the rows of its files. */
async function encoded(name: string, batches: readonly EncoderBatch[], here?: boolean) {
  const encoder = open(name, here)
  const encoding = await encoder.begin()
  for (const one of batches) await encoding.add(one)
  const { through, dead, touched } = await encoding.finish(shape)
  await encoding.close()
  await encoder.close()
  return { through, dead, touched, rows: await rowsIn(name) }
}

test('lines become the same rows, whether in a thread or here', async () => {
  const batches = [
    batch('demo-01', 1, [reading(1, 20.5, { link: 200 }), 'no json', reading(2, 21)]),
    batch('relay-0', 2, [alive('demo-01'), alive('hub-of-another-bucket')]),
    batch('demo-01', 3, [reading(3, 22), '{"m":4,"kind":"log","text":"a","b":1,"b":2}']),
    batch('relay-0', 4, [alive('demo-01'), alive('demo-01')]),
    batch('demo-01', 5, []),
    batch('demo-01', 6, [{ m: 5, kind: 'command', command: 'c1', issued: 1_764_000_000_000, stage: 'acked' }]),
  ]
  const whole = await encoded('whole', batches)
  expect(await encoded('thread', batches, false)).toEqual(whole)
  const reasons = whole.rows.filter(({ kind }) => kind === 'dead').map(({ reason }) => reason)
  expect(new Set(reasons)).toEqual(
    new Set(['a field is there twice', 'hub belongs to another bucket than the stream', 'the line is not JSON']),
  )
  expect(whole.rows.filter(({ kind }) => kind === 'alive')).toHaveLength(3)
  expect(whole.rows.filter(({ kind }) => kind === 'batch')).toHaveLength(batches.length)
})

test('an attempt that was given up leaves nothing in the next', async () => {
  const encoder = open('given-up')
  const one = batch('demo-01', 1, [reading(1, 20), 'no json \t', reading(2, 21)])
  const giveUp = await encoder.begin()
  await giveUp.add(one)
  await giveUp.close()
  const encoding = await encoder.begin()
  await encoding.add(one)
  await encoding.finish(shape)
  await encoding.close()
  await encoder.close()
  const kinds = (await rowsIn('given-up')).map((row) => row['kind'])
  expect(kinds).toHaveLength(4)
  expect(kinds).toEqual(expect.arrayContaining(['batch', 'dead', 'reading', 'reading']))
})

test('what failed in the thread while batches came is told when the attempt is finished', async () => {
  const store = openFolderStore(join(folder, 'failing'))
  const start = () => startThread<EncodingQuestion>(import.meta.url, 'testing/dying-thread', 'the encoder', { buckets })
  const encoder = openEventEncoder({ store, logId: () => 'log', buckets, clock, random, start })
  const encoding = await encoder.begin()
  await encoding.add(batch('demo-01', 1, [], { firmware: 'raise' }))
  await expect(encoding.finish(shape)).rejects.toMatchObject({ kind: 'internal', message: 'no' })
  await encoding.close()
  await encoder.close()
})

test('a dead line keeps its text, and nothing of it is taken for a field', async () => {
  const elsewhere = { m: 1, kind: 'alive', hub: 'hub-of-another-bucket', secret: 'x' }
  const { rows } = await encoded('dead', [
    batch('relay-0', 1, [elsewhere, alive('demo-01')]),
    batch('demo-01', 2, ['{"m":1,"kind":"log","a":1,"a":2}']),
  ])
  const context = Object.entries({ listener: 'mqtt', now: '60000', wall: '1764000000000' }).map(([key, value]) => ({
    key,
    value,
  }))
  const dead = rows.filter(({ kind }) => kind === 'dead')
  expect(new Set(dead.map(({ text }) => text))).toEqual(
    new Set([JSON.stringify(elsewhere), '{"m":1,"kind":"log","a":1,"a":2}']),
  )
  for (const { extra } of dead) expect(extra).toEqual(context)
})

test('a line is as long as it may be, and dead with one byte more', async () => {
  const lineOf = (length: number) => `{"m":1,"kind":"log","text":"${'x'.repeat(length - 30)}"}`
  const { rows } = await encoded('long', [
    batch('demo-01', 1, [lineOf(EVENT_LINE_MAX_BYTES), lineOf(EVENT_LINE_MAX_BYTES + 1)]),
  ])
  expect(lineOf(100)).toHaveLength(100)
  expect(rows.filter(({ kind }) => kind !== 'batch').map(({ kind, reason }) => [kind, reason])).toEqual([
    ['log', null],
    ['dead', `the line is ${EVENT_LINE_MAX_BYTES + 1} bytes long; the limit is ${EVENT_LINE_MAX_BYTES}`],
  ])
})

test('a thread that died in an attempt costs that attempt, and the next has another', async () => {
  const store = openFolderStore(join(folder, 'dying'))
  const start = () => startThread<EncodingQuestion>(import.meta.url, 'testing/dying-thread', 'the encoder', { buckets })
  const encoder = openEventEncoder({ store, logId: () => 'log', buckets, clock, random, start })
  const dying = await encoder.begin()
  await dying.add(batch('demo-01', 1, ['{"kind":"die"}'], { firmware: 'die' }))
  await expect(dying.finish(shape)).rejects.toMatchObject({ kind: 'unavailable', outcome: 'did-not-happen' })
  await dying.close()
  const next = await encoder.begin()
  await next.add(batch('demo-01', 1, []))
  await next.close()
  await encoder.close()
})

test.each([
  ['objects', '{"a":', '1', '}'],
  ['lists', '[', '', ']'],
])('%s nested without end are dead, and their neighbours are kept', async (_what, open, inmost, close) => {
  const deep = `{"m":1,"kind":"log","a":${open.repeat(150_000)}${inmost}${close.repeat(150_000)}}`
  const shallow = `{"m":1,"kind":"log","text":"${'[{'.repeat(5_000)}","a":${open.repeat(900)}${inmost}${close.repeat(900)}}`
  const { rows } = await encoded('deep', [batch('demo-01', 1, [deep, shallow, reading(1, 20)])])
  expect(rows.map(({ kind, reason }) => [kind, reason])).toEqual(
    expect.arrayContaining([
      ['dead', 'the line is nested deeper than 1000 levels'],
      ['log', null],
      ['reading', null],
    ]),
  )
})

test('after the batch that would open a 65th date a bucket takes no more, and nothing of it', async () => {
  const DAY_MS = 86_400_000
  // With that of receipt 64 dates, then one more, then one of a date that is open.
  const days = [...Array.from({ length: 63 }, (_, i) => i + 1), 64, 1]
  const batches = days.map((day, i) => batch('demo-01', i + 1, [reading(0, 1), 'no\tjson'], { now: day * DAY_MS }))
  const { through, rows } = await encoded('dates', batches)
  expect([...through.values()]).toEqual([63])
  const count = (kind: string) => rows.filter((row) => row['kind'] === kind).length
  expect([count('reading'), count('dead'), count('batch')]).toEqual([63, 63, 63])
})
