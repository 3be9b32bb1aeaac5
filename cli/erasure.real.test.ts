import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { bucketOf } from '../contract/bucket.ts'
import { Problem } from '../contract/problem.ts'
import type { Identity } from '../contract/source.ts'
import type { EventLog } from '../ingest/event-log.ts'
import { sourceKey } from '../ingest/ranges-form.ts'
import { rangesKey } from '../ingest/ranges-store.ts'
import { batchOf, packed, reading } from '../ingest/testing/batch.ts'
import { openSystem, type System } from '../ingest/testing/system.ts'
import { recordRuns } from '../jobs/job-runs.ts'
import { openJobs } from '../jobs/jobs.ts'
import { type Lake, openLake } from '../lake/lake.ts'
import { type Hooks, openHookedStore } from '../lake/testing/hooked-store.ts'
import { configSchema } from './config.ts'
import { erase, erasedRows, markOf, tablesOfHubs } from './erasure.ts'
import { forgetCopies, type ProofOptions, proveErased } from './erasure-proof.ts'
import { machineClock as clock, machineRandom as random } from './machine.ts'
import { openUpkeep } from './upkeep.ts'

const HUBS = ['demo-01', 'demo-02', 'demo-03'] as const
const relay: Identity = { source: 'relay-0', role: 'service', generation: 1 }
const registry: Identity = { source: 'registry', role: 'service', generation: 1 }

let folder: string
let system: System
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-erasure-'))
  system = await openSystem(folder)
})
afterEach(async () => {
  await system.close()
  await rm(folder, { recursive: true })
})

async function receive(identity: Identity, events: readonly (object | string)[], change: object = {}): Promise<void> {
  const answer = await system.gateway.receive(identity, packed(batchOf(events, change)), 'https')
  expect(answer).toMatchObject({ kind: 'durable' })
}

const hubOf = (source: string): Identity => ({ source, role: 'hub', generation: 1 })

/** Enrolments, sessions, commands, readings and dead lines of three hubs, in the table; and metrics of them. */
async function live(seq = 0): Promise<void> {
  for (const hub of HUBS) {
    const stream = `e1b0${bucketOf(hub, 4)}`
    const record = { home: 'h', region: 'r', model: 'm', zone: 'UTC', generation: 1, enrolled_ms: 1, maintenance: '[]' }
    const boot = `1-${HUBS.indexOf(hub) + 1}-00000001`
    const own = { stream, boot, first: seq }
    const enrolled = {
      m: 1,
      kind: 'registry',
      hub,
      stage: 'enrolled',
      ...record,
      valid_from_ms: clock.now() - 7_200_000,
    }
    if (seq === 0) await receive(registry, [enrolled], own)
    const command = { m: 20_000, kind: 'command', hub, command: `c-${hub}-${seq}`, issued: clock.now() - 40_000 }
    await receive(
      relay,
      [
        { m: 10_000, kind: 'connection', hub, stage: 'connected', epoch: '1.1.1' },
        ...[{ stage: 'issued' }, { stage: 'done', ms: 5 }].map((stage) => ({ ...command, ...stage })),
        // Of what a service garbles the mark, which holds no name, can keep nothing out.
        ...(seq === 0 ? [`{"hub":"${hub}", no json`] : []),
      ],
      own,
    )
    await receive(hubOf(hub), [reading(1, 20), 'no json', reading(2, 21)], { first: seq })
  }
  while (await system.writer.commitOnce()) continue
}

async function runJobs(): Promise<void> {
  await using jobs = await openJobs({ lake: system.lake, clock, random, scratch_folder: join(folder, 'jobs') })
  await jobs.run()
}

let scratches = 0
const eraseHub = (hub: string, lake: Lake = system.lake, dry_run = false) =>
  erase({ lake, clock, random, scratch_folder: join(folder, `erase-${scratches++}`), hub, generation: 1, dry_run })

const openOther = (hooks: Hooks) => openLake({ store: openHookedStore(system.store, hooks), clock, random })

/** Rows of the hub in the live files of each table. */
async function rowsLeft(hub: string): Promise<Record<string, number>> {
  const tables = await eraseHub(hub, system.lake, true)
  return Object.fromEntries(tables.map(({ table, rows }) => [table, rows]))
}

const none = async () => Object.fromEntries((await tablesOfHubs(system.lake)).map(({ name }) => [name, 0]))

async function proofOf(hub: string): Promise<ProofOptions> {
  const { lake, log } = system
  const mark = await markOf(lake, sourceKey(await rangesKey(lake.store, random), hub), 1)
  return {
    ...{ lake, hub, mark, log, scratch_folder: folder, cache_folder: join(folder, 'cache') },
    ...{ retention_ms: 1, log_retention_ms: 1 },
  }
}

async function prove(hub: string) {
  const places = await proveErased(await proofOf(hub))
  return places.filter(({ found }) => found > 0).map(({ place }) => place)
}

function openKeeper() {
  const { upkeep, retention } = configSchema.parse({})
  const hours = 2 / 3_600_000
  return openUpkeep({
    ...{ lake: system.lake, clock, random, scratch_folder: join(folder, 'upkeep'), hour_ms: 1, retention },
    config: { ...upkeep, retention_hours: hours, log_retention_hours: hours },
  })
}

async function others(): Promise<unknown> {
  return await system.rows(
    `SELECT kind, hub_id, source_id, stream, seq, value, command_id FROM events WHERE hub_id <> 'demo-01' ORDER BY ALL`,
  )
}

test('an erased hub leaves every table, other hubs stay as they were, and what went is known as received', async () => {
  await live()
  await runJobs()
  const before = await others()
  const left = await rowsLeft('demo-01')
  expect(left).toMatchObject({ events: 9, hubs: 1, command_traces: 1 })
  // Of each hour that it was on in, which may be two.
  for (const table of ['sessions', 'hub_hours']) expect(left[table], table).toBeGreaterThan(0)
  await eraseHub('demo-01')
  expect(await rowsLeft('demo-01')).toEqual(await none())
  expect(await others()).toEqual(before)
  expect(await system.verify()).toMatchObject({ ok: true, totals: { lost: 0, broken: 0, gone: 8 } })
  await runJobs()
  expect(await rowsLeft('demo-01')).toEqual(await none())
  await live(10)
  await runJobs()
  expect(await rowsLeft('demo-01')).toEqual(await none())
  expect(await system.verify()).toMatchObject({ ok: true })
})

test('the proof finds it in what older versions and the log hold, and nowhere once upkeep has passed', async () => {
  await live()
  await runJobs()
  await eraseHub('demo-01')
  expect(await prove('demo-01')).toEqual(['versions within time travel', 'data files of older versions', 'log entries'])
  const upkeep = openKeeper()
  // A retention of one millisecond is over when the clock has moved on.
  for (let left = await prove('demo-01'); left.length > 0; left = await prove('demo-01')) {
    for (const table of await upkeep.tables()) {
      await upkeep.vacuum(table)
      await upkeep.cleanLog(table)
    }
  }
  expect(await system.verify()).toMatchObject({ ok: true })
  expect(await prove('demo-02')).toContain('live data files')
})

test('the proof finds it in uploads that were never committed, in checkpoints, copies, and reasons of failed runs', async () => {
  await live()
  const { lake, table, store } = system
  const paths = [...(await table.snapshot()).files.keys()]
  await table.checkpoint()
  await mkdir(join(folder, 'cache', 'data'), { recursive: true })
  for (const [i, path] of paths.entries()) {
    await copyFile(join(folder, 'lake', 'events', path), join(folder, 'cache', 'data', `${i}.parquet`))
    await store.put(`events/${path}`.replace('part-', 'part-0'), await store.get(`events/${path}`))
  }
  const failed = { metric: 'm', units: 1, first_ms: 0, last_ms: 0, rows: 0, ms: 1, cause: '', version: undefined }
  const reason = 'failed its check "forward": [{"hub_id":"demo-01"}]'
  await recordRuns({ lake, clock, random }, 0, [{ ...failed, outcome: 'failed', reason }])
  await eraseHub('demo-01')
  const found = await prove('demo-01')
  for (const place of ['data files that no version names', 'checkpoints', 'copies on this machine'])
    expect(found).toContain(place)
  expect(found).not.toContain('live data files')
  expect(await rowsLeft('demo-01')).toMatchObject({ events: 0, job_runs: 0 })
  await forgetCopies(await proofOf('demo-01'))
  expect(await prove('demo-01')).not.toContain('copies on this machine')
})

test('what is in the log alone is found there, and is gone once a writer has taken it', async () => {
  await live()
  await eraseHub('demo-01')
  await receive(hubOf('demo-01'), [reading(3, 22)], { first: 3 })
  expect(await prove('demo-01')).toContain('records of the event log')
  while (await system.writer.commitOnce()) continue
  expect(await prove('demo-01')).not.toContain('records of the event log')
  expect(await rowsLeft('demo-01')).toEqual(await none())
})

test('killed at any write it is begun again, and finishes', { timeout: 120_000 }, async () => {
  await live()
  await runJobs()
  for (let crash = 1; ; crash++) {
    let writes = 0
    const before: Hooks['before'] = (operation, path) => {
      if ((operation !== 'put' && operation !== 'delete') || !/^[a-z_]+\//.test(path)) return
      if (++writes >= crash) throw new Error('killed')
    }
    try {
      await eraseHub('demo-01', await openOther({ before }))
      break
    } catch (error) {
      expect(error).toMatchObject({ message: 'killed' })
    }
    // A killed one made some progress, or will when it is not killed so soon.
    expect(await system.verify()).toMatchObject({ ok: true })
    if (crash > 12) crash += 7
  }
  expect(await rowsLeft('demo-01')).toEqual(await none())
  expect(await system.verify()).toMatchObject({ ok: true, totals: { gone: 8 } })
})

test('two erasures at once, and compaction, finish beside each other', { timeout: 60_000 }, async () => {
  await live()
  await runJobs()
  for (let seq = 10; seq < 40; seq += 10) await live(seq)
  const upkeep = openKeeper()
  const joined = async () => {
    for (let i = 0; i < 5; i++) await upkeep.compact('events')
  }
  const done = eraseHub('demo-02', await openOther({}))
  await Promise.all([eraseHub('demo-01'), done, joined()])
  for (const hub of ['demo-01', 'demo-02']) expect(await rowsLeft(hub), hub).toEqual(await none())
  expect(await system.verify()).toMatchObject({ ok: true })
  const [row] = await system.rows(`SELECT count(*) AS n FROM events WHERE kind = 'reading'`)
  expect(row).toEqual({ n: '8' })
})

test('a record of the log that cannot be read is told by the proof, which goes on', async () => {
  await live()
  await receive(hubOf('demo-01'), [reading(3, 22)], { first: 3 })
  const log: EventLog = { ...system.log, read: () => Promise.reject(new Problem('corrupt', 'not of Hearth')) }
  const places = await proveErased({ ...(await proofOf('demo-01')), log })
  expect(places.at(-1)).toMatchObject({ place: 'records of the event log', looked: 1, found: 0, unread: 1 })
})

test('a table without hours loses all generations up to the erased one', () => {
  const where = erasedRows(new Set(['hub_id', 'generation']), 'a', { generation: 2, since_ms: 5 })
  expect(where).toBe(`hub_id = 'a' AND generation <= 2`)
})
