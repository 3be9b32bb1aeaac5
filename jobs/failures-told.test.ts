import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openFolderStore } from '../lake/folder-store.ts'
import { createLake } from '../lake/lake.ts'
import { openQuery } from '../lake/query.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { failureOf } from './failure.ts'
import { failuresIn } from './failures-told.ts'
import { type JobRun, recordRuns } from './job-runs.ts'
import { HOUR_MS } from './limits.ts'

const NOW = Date.UTC(2026, 10, 28, 17)
const DAY = Date.UTC(2026, 10, 27)
const MINUTE = 60_000
const told = { metric: 'sessions', units: 24, rows: 0, ms: 12, cause: 'never computed', version: undefined }
const hours = (first_ms: number, last_ms = first_ms) => ({ first_ms, last_ms })
const failed: JobRun = { ...told, ...hours(DAY, DAY + 23 * HOUR_MS), outcome: 'failed', reason: 'part-7 is damaged' }
const committed: JobRun = { ...told, ...hours(NOW), outcome: 'committed' }

/** What is told of runs, each with how many minutes before now it began. */
async function failuresOf(...runs: readonly [number, ...JobRun[]][]) {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-failing-'))
  const environment = { clock: new ManualClock(NOW), random: seededRandom(1) }
  const about = { fleet: 'f', region: 'r', buckets: 1 }
  try {
    const lake = await createLake({ store: openFolderStore(folder), ...environment, ...about })
    for (const [minutes, ...of] of runs) await recordRuns({ lake, ...environment }, NOW - minutes * MINUTE, of)
    await using query = await openQuery({ lake, clock: environment.clock, threads: 1 })
    return await failuresIn(lake, query, NOW)
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('a metric fails since the first run that failed, with the reason of the last', async () => {
  const runs = [5, 4, 3].map((minutes): [number, JobRun] => [minutes, failed])
  expect(await failuresOf(...runs, [2, { ...failed, reason: 'part-8 is damaged' }])).toEqual([
    {
      ...{ metric: 'sessions', reason: 'part-8 is damaged', times: 4 },
      ...{ since_ms: NOW - 5 * MINUTE, last_ms: NOW - 2 * MINUTE },
      ...{ first_hour_ms: DAY, last_hour_ms: DAY + 23 * HOUR_MS },
    },
  ])
  expect(await failuresOf()).toEqual([])
})

test('other hours that are made since do not make up for it, and the same hours do', async () => {
  const made = { ...committed, ...hours(DAY, NOW) }
  expect(await failuresOf([9, made], [8, failed], [7, failed, committed], [6, committed])).toMatchObject([{ times: 2 }])
  expect(await failuresOf([8, failed, { ...committed, ...hours(DAY - HOUR_MS, NOW) }])).toMatchObject([{ times: 1 }])
  expect(await failuresOf([8, failed], [7, made])).toEqual([])
  expect(await failuresOf([8, failed], [7, made], [6, failed])).toMatchObject([{ since_ms: NOW - 6 * MINUTE }])
})

test('of a whole history any run makes up for it', async () => {
  const whole = { first_ms: 0, last_ms: 0 }
  expect(await failuresOf([8, { ...failed, ...whole }])).toMatchObject([{ metric: 'sessions', times: 1 }])
  expect(await failuresOf([8, { ...failed, ...whole }], [7, { ...committed, ...whole }])).toEqual([])
})

test('a failure matters while something of what was not made is due', async () => {
  const failures = await failuresOf([1, failed])
  const due = (first_ms: number, last_ms = first_ms) => failureOf(failures, 'sessions', [{ first_ms, last_ms }])?.times
  expect([due(DAY + HOUR_MS), due(NOW), due(0, NOW)]).toEqual([1, undefined, 1])
  expect(failureOf(failures, 'sessions', [])).toBeUndefined()
  expect(failureOf(failures, 'hubs', [{ first_ms: DAY, last_ms: DAY }])).toBeUndefined()
})
