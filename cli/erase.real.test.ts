/** Two hubs are erased while they go on sending, under ingest, jobs and compaction, with retentions of seconds. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { openFolderStore } from '../lake/folder-store.ts'
import { openLake } from '../lake/lake.ts'
import { configSchema } from './config.ts'
import { existingRegistry } from './fleet.ts'
import { loadConfig } from './load-config.ts'
import { machineClock as clock, machineRandom as random } from './machine.ts'
import { type Load, startLoad } from './testing/load-process.ts'
import { openSystem, type System, until } from './testing/system.ts'
import { openUpkeep } from './upkeep.ts'

const RETENTION_MS = 5_000
/** One of the load, and one with sessions, commands and all. */
const [LOAD, DEMO] = ['load-0', 'demo-01']

let system: System
let folder: string
let load: Load | undefined

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hearth-erase-'))
  system = await openSystem({
    HEARTH_INGEST_FRESHNESS_MS: '300',
    HEARTH_JOBS_INTERVAL_MS: '1000',
    HEARTH_UPKEEP_COMPACT_MS: '2000',
  })
})

afterAll(async () => {
  load?.kill()
  await system[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

const proof = z.object({
  proved: z.boolean(),
  places: z.array(z.object({ place: z.string(), looked: z.number(), found: z.number() })),
})

/** Where the proof finds the hub. */
async function foundIn(hub: string): Promise<readonly string[]> {
  const { stdout, stderr } = await system.run(['lake', 'erase', '--hub', hub, '--prove', '--json'])
  // The log of this lake goes back for seconds: a proof that takes longer is made anew.
  if (/is no longer in its log/.test(stderr)) return ['not read to its end']
  if (stdout.trim() === '') throw new Error(stderr)
  const { proved, places } = proof.parse(JSON.parse(stdout))
  const found = places.filter((one) => one.found > 0).map(({ place, found }) => `${place}: ${found}`)
  expect(proved).toBe(found.length === 0)
  return found
}

const others = (until_ms: number) =>
  system.csv(
    `SELECT hub_id, kind, count(*) AS n, CAST(sum(seq) AS VARCHAR) AS seqs, CAST(sum(value) AS BIGINT) AS sums FROM events WHERE hub_id NOT IN ('${LOAD}', '${DEMO}') AND received_time < make_timestamptz(CAST(${until_ms} AS BIGINT) * 1000) GROUP BY ALL ORDER BY ALL`,
  )
const count = async (where: string, table = 'events') =>
  Number((await system.csv(`SELECT count(*) AS n FROM ${table} WHERE ${where}`))[0]?.[0])

it('two hubs leave the lake for good while they go on sending, and one that is enrolled anew is stored again', {
  timeout: 900_000,
}, async () => {
  const up = system.start(['up', '--demo', '--hubs', '2', '--days', '1'])
  await up.untilSaid(/Hearth is ready/, 90_000)
  load = await startLoad(system, { folder, hubs: 3, seed: 11, malformed: 0.02 })
  const { upkeep: usual, retention } = configSchema.parse({})
  const hours = RETENTION_MS / 3_600_000
  const lake = await openLake({ store: openFolderStore(join(system.home, 'lake')), clock, random })
  const upkeep = openUpkeep({
    ...{ lake, clock, random, scratch_folder: join(folder, 'scratch'), hour_ms: 1_000, retention },
    config: { ...usual, retention_hours: hours, log_retention_hours: hours },
  })
  // The jobs are at low priority: nothing else of this test runs until they have made the hours.
  const isMade = async () =>
    (await lake.tables()).includes('hub_hours') && (await (await lake.table('hub_hours')).snapshot()).files.size > 0
  await until('there is something to erase', 300_000, isMade)
  expect(await count(`hub_id = '${LOAD}'`)).toBeGreaterThan(0)
  expect(await count(`hub_id = '${DEMO}'`, 'hub_hours')).toBeGreaterThan(0)
  const ending = new AbortController()
  const maintained = (async () => {
    while (!ending.signal.aborted) {
      for (const table of await upkeep.tables()) {
        await upkeep.compact(table)
        await upkeep.vacuum(table)
        await upkeep.cleanLog(table)
      }
      await upkeep.vacuumRanges()
    }
  })()

  const before_ms = clock.now() - 3_000
  const before = await others(before_ms)
  await Promise.all([LOAD, DEMO].map((hub) => system.must(['lake', 'erase', '--hub', hub])))
  const sent_bytes = load.acknowledged_bytes()
  await until('the load went on', 60_000, () => (load?.acknowledged_bytes() ?? 0) > sent_bytes + 20_000)
  expect(await others(before_ms)).toEqual(before)
  await load.end()
  await until('the load is nowhere', 240_000, async () => (await foundIn(LOAD)).length === 0)
  const inLog = (found: readonly string[]) => found.every((place) => place.startsWith('records of the event log'))
  await until('the other is in the log alone', 240_000, async () => inLog(await foundIn(DEMO)))

  const config = loadConfig(system.home, system.environment, system.home)
  const registry = await existingRegistry({ home: system.home, config, clock, random })
  const record = registry.hub(LOAD)
  if (!record) throw new Error(`no hub ${LOAD}`)
  await registry.putHub({ ...record, generation: 2, enrolled_ms: clock.now() }, clock.now())
  await registry.close()
  const again = join(folder, 'again')
  mkdirSync(again)
  load = await startLoad(system, { folder: again, hubs: 1, seed: 12 })
  await until('it is stored again', 120_000, async () => (await count(`hub_id = '${LOAD}' AND kind = 'reading'`)) > 100)
  await load.end()
  expect(await count(`source_id = '${LOAD}' AND boot_id NOT LIKE '2-%'`)).toBe(0)
  await until('its first life is nowhere', 240_000, async () => (await foundIn(LOAD)).length === 0)

  up.signal('SIGINT')
  expect(await up.ended).toEqual({ code: 0, signal: null })
  ending.abort()
  await maintained
  for (const journal of [folder, again]) {
    const verified = await system.run(['verify', '--acks', join(journal, 'acks.ndjson')])
    expect(verified, verified.stdout).toMatchObject({ code: 0 })
  }
})
