import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { createLake } from '../lake/lake.ts'
import { openMemoryStore } from '../lake/memory-store.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { configSchema } from './config.ts'
import { openUpkeep, type Upkeep } from './upkeep.ts'
import { upkeepFigures } from './upkeep-figures.ts'
import { runUpkeepSchedule } from './upkeep-schedule.ts'

const MINUTE_MS = 60_000

test('upkeep looks after every table at its times, one task after the other, whatever fails', async () => {
  const clock = new ManualClock()
  const environment = { store: openMemoryStore({ clock }), clock, random: seededRandom(1) }
  const lake = await createLake({ ...environment, fleet: 'f', region: 'r', buckets: 1 })
  await lake.createTable('another', { columns: [{ name: 'a', type: 'long', meaning: '' }], partition: [] })
  const did: string[] = []
  const upkeep: Upkeep = {
    tables: () => lake.tables(),
    async compact(table) {
      did.push(`compact ${table}`)
      if (table === 'another') throw new Error('no disk')
      return { groups: [], joined: 0, bytes: 0, lost: 0 }
    },
    async retain(table) {
      did.push(`retain ${table}`)
      return { floor: undefined, files: 0, rows: 0, bytes: 0, commits: 0 }
    },
    async vacuum(table) {
      did.push(`vacuum ${table}`)
      return { floor: 0, files: [{ path: 'x', size_bytes: 7, modified_ms: 0 }], bytes: 7 }
    },
    async cleanLog(table) {
      did.push(`clean-log ${table}`)
      return { first: 0, objects: [], bytes: 0 }
    },
    vacuumRanges: async () => [],
  }
  const failures: unknown[] = []
  const log = { info: () => {}, failed: (_event: string, error: unknown) => failures.push(error) }
  const metrics = new Registry()
  const ending = new AbortController()
  const running = runUpkeepSchedule({
    ...{ lake, upkeep, clock, log, signal: ending.signal, figures: upkeepFigures(metrics, clock) },
    ...{ compact_ms: MINUTE_MS, vacuum_ms: 60 * MINUTE_MS },
  })
  await clock.advance(MINUTE_MS)
  expect(did).toEqual(['compact another', 'compact events'])
  expect(failures).toMatchObject([{ message: 'no disk' }])
  await clock.advance(8 * MINUTE_MS)
  expect(did.filter((one) => one === 'compact events')).toHaveLength(9)
  await clock.advance(MINUTE_MS)
  expect(did.slice(-4)).toEqual(['vacuum another', 'vacuum events', 'clean-log another', 'clean-log events'])
  const text = await metrics.metrics()
  expect(text).toContain('hearth_upkeep_runs_total{task="compact",outcome="failed"} 10')
  expect(text).toContain('hearth_upkeep_runs_total{task="clean-log",outcome="done"} 1')
  expect(text).toContain('hearth_upkeep_deleted_bytes_total 14')
  expect(text).toContain('hearth_lake_live_files{table="events"} 0')
  ending.abort()
  await running
})

test('upkeep leaves to another scheduler what that one does in a period', async () => {
  const clock = new ManualClock()
  const asked: string[] = []
  const ending = new AbortController()
  const metrics = new Registry()
  const figures = upkeepFigures(metrics, clock)
  const environment = { store: openMemoryStore({ clock }), clock, random: seededRandom(1) }
  const lake = await createLake({ ...environment, fleet: 'f', region: 'r', buckets: 1 })
  figures.looked('events', await (await lake.table('events')).snapshot())
  const running = runUpkeepSchedule({
    ...{ lake, clock, figures, signal: ending.signal, compact_ms: MINUTE_MS, vacuum_ms: 60 * MINUTE_MS },
    log: { info: () => {}, failed: (_event, error) => asked.push(String(error)) },
    upkeep: openUpkeep({
      ...{ ...environment, lake, scratch_folder: '', config: configSchema.parse({}).upkeep },
      retention: configSchema.parse({}).retention,
    }),
    async isMine(task, period_ms) {
      asked.push(`${task} ${period_ms}`)
      return false
    },
  })
  await clock.advance(10 * MINUTE_MS)
  expect(new Set(asked)).toEqual(new Set(['compact 60000', 'vacuum 3600000']))
  const text = await metrics.metrics()
  expect(text).toContain('hearth_upkeep_runs_total{task="compact",outcome="done"} 0')
  expect(text).not.toContain('hearth_lake_live_files{')
  ending.abort()
  await running
})
