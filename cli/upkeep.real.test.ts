/** Compaction, vacuum and log clean-up with retentions of seconds, beside ingest, jobs and queries: nothing changes but files. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { readWithDeltaRs } from '../infra/delta-rs/python.ts'
import { openFolderStore } from '../lake/folder-store.ts'
import { type Lake, openLake } from '../lake/lake.ts'
import { openQuery, type Query } from '../lake/query.ts'
import { configSchema } from './config.ts'
import { machineClock as clock, machineRandom as random } from './machine.ts'
import { type Load, startLoad } from './testing/load-process.ts'
import { openSystem, opsOf, type System, until } from './testing/system.ts'
import { openUpkeep } from './upkeep.ts'

const RETENTION_MS = 8_000
/** A reader that is older than this by the end of its question has no claim any more. */
const CLAIM_MS = RETENTION_MS - 1_000
const ALL = 'SELECT count(*) AS n, CAST(sum(seq) AS VARCHAR) AS seqs FROM events'
/** Text of both engines; `seq` is null in rows about batches. */
const BY_KIND = (table: string) =>
  `SELECT kind, CAST(count(*) AS INTEGER) AS n, CAST(sum(seq) AS BIGINT) AS seqs FROM ${table} GROUP BY kind ORDER BY kind`

let system: System
let folder: string
let lake: Lake
let query: Query
let load: Load | undefined

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-upkeep-'))
  system = await openSystem({
    HEARTH_INGEST_FRESHNESS_MS: '200',
    HEARTH_JOBS_INTERVAL_MS: '1000',
    HEARTH_UPKEEP_COMPACT_MS: '1000',
  })
})

afterAll(async () => {
  load?.kill()
  await query?.[Symbol.asyncDispose]()
  await system[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

/** The answer to ALL of a version, or of the newest. */
async function answer(version?: number) {
  const asked_ms = clock.monotonic()
  const { rows, statistics } = await query.run(
    ALL,
    version === undefined ? {} : { at: { versions: { events: version } } },
  )
  const row = z.tuple([z.coerce.number(), z.string().nullable()]).parse(rows[0])
  return { version: z.number().parse(statistics.versions['events']), row, asked_ms, files: statistics.files_total }
}

/** What it made of it; nothing when it is so late that it had no claim to an answer. */
async function inTime<T>(since_ms: number, answering: Promise<T>): Promise<T | undefined> {
  try {
    return await answering
  } catch (error) {
    if (clock.monotonic() - since_ms > CLAIM_MS) return undefined
    throw error
  }
}

it('the lake stays whole, and small, while all of it is rewritten under ingest, jobs and queries', {
  timeout: 400_000,
}, async () => {
  const up = system.start(['up', '--demo', '--hubs', '3', '--days', '2'])
  await up.untilSaid(/Hearth is ready/, 90_000)
  lake = await openLake({ store: openFolderStore(join(system.home, 'lake')), clock, random })
  query = await openQuery({ lake, clock, threads: 1 })
  load = await startLoad(system, { folder, hubs: 6, seed: 7 })
  const { retention, upkeep: usual } = configSchema.parse({})
  const config = { ...usual, closed_after_hours: 0 }
  const hours = RETENTION_MS / 3_600_000
  const upkeep = openUpkeep({
    ...{ lake, clock, random, scratch_folder: join(folder, 'scratch'), hour_ms: 1_000 },
    retention,
    config: { ...config, retention_hours: hours, log_retention_hours: hours },
  })
  const did = { joined: 0, lost: 0, deleted: 0, entries: 0, questions: 0, held: 0 }

  const ending = new AbortController()
  const maintained = (async () => {
    while (!ending.signal.aborted) {
      for (const table of await lake.tables()) {
        const { joined, lost } = await upkeep.compact(table)
        did.joined += joined
        did.lost += lost
        did.deleted += (await upkeep.vacuum(table)).files.length
        did.entries += (await upkeep.cleanLog(table)).objects.length
      }
      await upkeep.vacuumRanges()
    }
  })()
  const asked = (async () => {
    let most = 0
    let open: Awaited<ReturnType<typeof answer>>[] = []
    while (!ending.signal.aborted) {
      const now = await inTime(clock.monotonic(), answer())
      if (!now) continue
      did.questions++
      expect(now.row[0]).toBeGreaterThanOrEqual(most)
      most = now.row[0]
      open = [...open, now].filter(({ asked_ms }) => clock.monotonic() - asked_ms < CLAIM_MS)
      const [oldest] = open
      const again = oldest && (await inTime(oldest.asked_ms, answer(oldest.version)))
      if (!again) continue
      expect(again).toMatchObject({ row: oldest.row })
      did.held++
    }
  })()
  const busy = () => did.joined > 100 && did.deleted > 100 && did.entries > 60 && did.held > 20
  await Promise.race([until('upkeep has done its work', 240_000, busy), maintained, asked]).finally(() => {
    console.warn(JSON.stringify(did))
    ending.abort()
  })
  await Promise.all([maintained, asked])
  await load.end()
  // Beside this test's own upkeep the jobs' process did its own, and told of it.
  const figures = await (await fetch(`${opsOf(system, 'jobs')}/metrics`)).text()
  expect(figures).toMatch(/hearth_upkeep_runs_total\{task="compact",outcome="done",process="jobs"\} [1-9]/)
  expect(figures).not.toMatch(/outcome="failed"[^\n]* [1-9]/)
  expect(figures).toMatch(/hearth_lake_live_files\{table="events",process="jobs"\} [1-9]/)
  up.signal('SIGINT')
  expect(await up.ended).toEqual({ code: 0, signal: null })

  const events = await lake.table('events')
  const oldest = await events.oldest()
  expect(oldest).toBeGreaterThan(0)
  await expect(events.snapshot({ version: oldest - 1 })).rejects.toMatchObject({ kind: 'missing' })
  const verified = await system.run(['verify', '--acks', join(folder, 'acks.ndjson')])
  expect(verified, verified.stdout).toMatchObject({ code: 0 })

  // What is left to do, by the command, and the answer is the same for whoever reads the table anew.
  const before = await answer()
  await system.must(['lake', 'compact'])
  const after = await answer()
  expect(after.row).toEqual(before.row)
  const ours = z.array(z.array(z.unknown())).parse((await query.run(BY_KIND('events'))).rows)
  const theirs = await readWithDeltaRs(join(system.home, 'lake/events'), BY_KIND('t'))
  expect(theirs.rows).toEqual(ours.map(([kind, n, seqs]) => ({ kind, n, seqs: seqs === null ? null : Number(seqs) })))
  // The jobs go on from folds: what they made stands, and nothing of it is due again.
  await system.must(['jobs', 'run'])
  const due = z
    .array(z.object({ cause: z.string() }))
    .parse(JSON.parse(await system.must(['jobs', 'plan', '--direct', '--json'])))
  expect(due.filter(({ cause }) => cause === 'never computed')).toEqual([])
})
