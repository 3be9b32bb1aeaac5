/** Files that the encoder wrote, as Spark and delta-rs read them and as Hearth does: values, and filters on every column. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { machineRandom } from '../cli/machine.ts'
import { bucketOf } from '../contract/bucket.ts'
import { seededRandom } from '../contract/clock.ts'
import type { Identity } from '../contract/source.ts'
import { openSpark, type Spark } from '../infra/spark/spark.ts'
import { promote } from '../lake/promote.ts'
import { engines } from '../lake/testing/engines.ts'
import { batchOf, packed } from './testing/batch.ts'
import { openSystem, type System } from './testing/system.ts'

/** More than one row group of a file. */
const EVENTS = 140_000
const BATCH = 5_000
const hub: Identity = { source: 'demo-01', role: 'hub', generation: 1 }
const PROMOTED = [
  { name: 'battery_v', type: 'double', meaning: '' },
  { name: 'rssi_dbm', type: 'long', meaning: '' },
  { name: 'note', type: 'string', meaning: '' },
  { name: 'charging', type: 'boolean', meaning: '' },
  { name: 'installed', type: 'timestamp', meaning: '' },
] as const

let folder: string
let system: System
let spark: Spark

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-encoded-'))
  spark = await openSpark({})
  system = await openSystem(folder)
  for (const column of PROMOTED) await promote(system.table, column, machineRandom)
  const random = seededRandom(11)
  const pick = <T>(...some: readonly T[]) => some[Math.floor(random.float() * some.length)]
  for (let first = 0; first < EVENTS; first += BATCH) {
    const events = Array.from({ length: BATCH }, (_, i) => event(first + i, pick, random.float()))
    const answer = await system.gateway.receive(hub, packed(batchOf(events, { first, now: first * 20 + 1e6 })), 'mqtt')
    expect(answer.kind).toBe('durable')
  }
  const stream = `e1b0${bucketOf(hub.source, 4)}`
  const alive = Array.from({ length: 40 }, (_, m) => ({ m, kind: 'alive', hub: hub.source, sessions: m }))
  const relay: Identity = { source: 'relay-0', role: 'service', generation: 1 }
  await system.gateway.receive(relay, packed(batchOf(alive, { stream, now: undefined })), 'https')
  while (await system.writer.commitOnce()) continue
})

afterAll(async () => {
  await spark?.[Symbol.asyncDispose]()
  await system?.close()
  await rm(folder, { recursive: true })
})

function event(m: number, pick: <T>(...some: readonly T[]) => T | undefined, share: number): object | string {
  if (share < 0.001) return pick('no json', '{"m":1}', '{"kind":"x","m":"soon"}') ?? ''
  const common = { m: m * 20, device: pick('lamp', 'plug', 'sensor ü', undefined), link: pick(200, 217, undefined) }
  if (share < 0.4)
    return {
      ...common,
      kind: 'reading',
      attribute: pick('power', 'temperature'),
      value: pick(0, -0.5, 21.25, share),
      unit: 'W',
    }
  if (share < 0.5)
    return {
      ...common,
      kind: 'command',
      command: `c${m}`,
      issued: 1_764_000_000_000 + m,
      stage: pick('received', 'executed'),
      ms: share * 100,
    }
  if (share < 0.6) return { ...common, kind: 'log', text: `line ${m} "with" ${'words '.repeat(m % 7)}` }
  const battery_v = pick<unknown>(3.1, '3.10', 2.75, 'low', undefined)
  const installed = pick('2026-01-02T03:04:05.678Z', '2026-01-02T03:04:05Z', 'yesterday')
  return {
    ...common,
    kind: 'health',
    battery_v,
    rssi_dbm: pick<unknown>(-61, -62, '9223372036854775807'),
    note: pick('a', `n${m}`),
    charging: pick<unknown>(true, false, 'maybe'),
    installed,
  }
}

const FILTERS = [
  "hub_id = 'demo-01' AND kind = 'reading'",
  "device_id = 'sensor ü'",
  'device_id IS NULL',
  'seq BETWEEN 131000 AND 131100',
  'seq = 77777 OR seq = 3 OR seq = 139998',
  'seq % 33 = 0',
  "mono_ms BETWEEN 100 AND 900 AND device_id = 'plug'",
  "event_time > TIMESTAMP '2025-11-24 16:00:00'",
  'value > 21',
  'value IS NULL',
  "command_id = 'c77'",
  "stage = 'executed' AND duration_ms > 45",
  "kind = 'dead' AND reason = 'kind is missing'",
  "text LIKE 'line 70%'",
  "time_source = 'received'",
  'batch_first >= 130000',
  'battery_v = 2.75',
  'rssi_dbm = -61',
  "note = 'n90001'",
  'charging',
  "extra['link'] = '217'",
] as const

test('every engine finds the same rows, by any column', async () => {
  const columns = [
    'hub_id',
    'kind',
    'device_id',
    'attribute',
    'stage',
    'unit',
    'time_source',
    'source_id',
    'stream',
    'firmware',
  ]
  // Of a promoted field that its column does not hold, Hearth knows from `extra`, and others do not.
  const sums = `count(*), CAST(sum(seq) AS DOUBLE), count(value), round(sum(value), 3), count(text),
    CAST(sum(length(text)) AS DOUBLE), count(command_id), count(extra['link']), count(battery_v), round(sum(battery_v), 3),
    count(note), count(charging), count(installed), CAST(sum(batch_count) AS DOUBLE), CAST(sum(batch_dead) AS DOUBLE),
    round(sum(duration_ms), 3), sum(mono_ms), CAST(sum(log_position) AS DOUBLE)`
  // Each of them is a pass over all rows for Spark.
  const times = ['issued_time', 'hub_time', 'event_time', 'received_time']
  const distinct = times.map((column) => `count(DISTINCT ${column})`).join(', ')
  const questions = [
    ...columns.map((column) => `SELECT ${column}, ${sums} FROM t GROUP BY ${column} ORDER BY ${column} NULLS LAST`),
    ...FILTERS.map((filter) => `SELECT ${sums} FROM t WHERE ${filter}`),
    `SELECT kind, time_source, ${distinct} FROM t GROUP BY kind, time_source ORDER BY kind, time_source`,
    ...['seq BETWEEN 131000 AND 133000', "event_time > TIMESTAMP '2025-11-24 16:00:00' AND seq < 2000"].map(
      (filter) => `SELECT ${distinct} FROM t WHERE ${filter}`,
    ),
  ]
  const [hearth, ...others] = await Promise.all(
    engines(spark, join(folder, 'lake'), 'events').map(
      async (engine) => [engine.name, await engine.ask(questions)] as const,
    ),
  )
  expect(hearth?.[1][0]?.[0]?.[1]).toBeGreaterThan(EVENTS)
  for (const [name, answers] of others)
    questions.forEach((question, i) => expect(answers[i], `${name}: ${question}`).toEqual(hearth?.[1][i]))
})
