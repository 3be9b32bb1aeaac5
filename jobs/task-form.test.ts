import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDuckDb } from '../lake/duckdb.ts'
import { openLake } from '../lake/lake.ts'
import { openLocalFiles } from '../lake/local-files.ts'
import { seededRandom } from '../sim/clock.ts'
import { type Calculate, calculate, type Made } from './calculate.ts'
import { catalogue } from './catalogue.ts'
import { openJobs } from './jobs.ts'
import { HOUR_MS } from './limits.ts'
import { joined, partsOf } from './parts.ts'
import { decodeMade, encodeMade, encodeTask, openTask } from './task-form.ts'
import { type History, METRIC_NAMES, openHistory } from './testing/history.ts'
import { STORY_HOURS, tellStory } from './testing/story.ts'

const T0 = Date.UTC(2026, 10, 20, 22)

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-task-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** As other processes would: nothing but texts goes there and back, in parts. */
function elsewhere(history: History, texts: string[]): Calculate {
  return async (task, options) => {
    const made: Made[] = []
    for (const part of partsOf(task, 3)) made.push(await calculateAsText(part, options))
    return joined(made)
  }

  async function calculateAsText(...[task, options]: Parameters<Calculate>): Promise<Made> {
    const text = encodeTask(task)
    const lake = await openLake({ store: history.lake.store, clock: history.clock, random: seededRandom(7) })
    await using local = await openLocalFiles(lake.store, { cache: undefined, clock: history.clock })
    await using duck = await openDuckDb({ threads: 1 })
    const parts = { lake, local, clock: history.clock, random: seededRandom(texts.length + 10), scratch_folder: folder }
    const theirs = await openTask(lake, catalogue(), text)
    const made = encodeMade(theirs, await calculate(parts, duck, theirs, options))
    texts.push(text, made)
    return decodeMade(task, made)
  }
}

test('what other processes make of parts of a task that are texts is what this one makes of it', async () => {
  const rows = tellStory(3, T0)
  const half = Math.floor(rows.length / 2)
  await using here = await openHistory(T0 + (STORY_HOURS + 1) * HOUR_MS)
  await using there = await openHistory(T0 + (STORY_HOURS + 1) * HOUR_MS)
  const texts: string[] = []
  const { lake, clock } = there
  const options = { lake, clock, random: seededRandom(5), scratch_folder: folder, calculate: elsewhere(there, texts) }
  await using jobs = await openJobs(options)
  for (const some of [rows.slice(0, half), rows.slice(half)]) {
    await here.add(some)
    await there.add(some)
    const units = (runs: Awaited<ReturnType<typeof jobs.run>>) => runs.map((run) => [run.metric, run.units, run.rows])
    expect(units(await jobs.run())).toEqual(units(await here.jobs.run()))
  }
  for (const metric of METRIC_NAMES) expect(await there.rows(metric), metric).toEqual(await here.rows(metric))
  expect(await jobs.plan()).toEqual([])
  expect(texts.length).toBeGreaterThan(2 * METRIC_NAMES.length)

  const [task = '', made = ''] = texts
  const [metric] = catalogue()
  await expect(openTask(lake, [], task)).rejects.toThrow(/a task of hubs .*: it is not known here/)
  const changed = catalogue().map((one) => ({ ...one, hash: 'other' }))
  await expect(openTask(lake, changed, task)).rejects.toThrow(
    /its definition is other here: use the same Hearth for all/,
  )
  await expect(openTask(lake, catalogue(), made)).rejects.toMatchObject({ kind: 'invalid' })
  const known = await openTask(lake, catalogue(), task)
  expect(known.metric).toEqual(metric)
  expect(() => decodeMade(known, task)).toThrow(/not what came of a task of hubs/)
  expect(() => decodeMade(known, made.replace('"removes":[]', '"removes":["gone"]'))).toThrow(/has no file gone/)
})
