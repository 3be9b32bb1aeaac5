/** A run that others calculate: whatever dies, each unit is committed once, and nothing of it is left running. */
import { beforeAll, expect, test, vi } from 'vitest'
import { Problem } from '../contract/problem.ts'
import { createLake, openLake } from '../lake/lake.ts'
import { openMemoryStore } from '../lake/memory-store.ts'
import { type Hooks, openHookedStore } from '../lake/testing/hooked-store.ts'
import { ManualClock, seededRandom } from '../sim/clock.ts'
import { calculateElsewhere, type ElsewhereOptions, endOlderRuns, endRun } from './calculate-elsewhere.ts'
import { type Catalogue, catalogue } from './catalogue.ts'
import { type Jobs, openJobs } from './jobs.ts'
import { HOUR_MS, MADE_LOOK_MIN_MS } from './limits.ts'
import type { Metric } from './metric.ts'
import { runObjects, runsUnderWay } from './run-objects.ts'
import { connected, connection, enrolled, type History, METRIC_NAMES, openHistory } from './testing/history.ts'
import { openPartRunner, type PartRunner, type PartRunnerOptions } from './testing/part-runner.ts'
import { STORY_HOURS, tellStory } from './testing/story.ts'

const T0 = Date.UTC(2026, 10, 20, 22)
/** Two that suffice: neither reads the other. */
const FEW: Catalogue = catalogue().filter(({ name }) => name === 'hubs' || name === 'sessions')

/** Rows of each metric as one process makes them. */
const expected = new Map<string, unknown>()

beforeAll(async () => {
  await using history = await someHours()
  await history.jobs.run()
  for (const { name } of FEW) expected.set(name, await history.rows(name))
})

/** Some hours over a midnight of three hubs. */
async function someHours(): Promise<History> {
  const history = await openHistory(T0 + 3 * HOUR_MS + 5 * 60_000, 1, FEW)
  await history.add(
    ['demo-01', 'demo-02', 'demo-03'].flatMap((hub) => [enrolled(hub, T0), ...connected(hub, T0, T0 + 2 * HOUR_MS)]),
  )
  return history
}

let drivers = 0

/** Another driver over the same lake and runner. */
async function driver(
  { lake, clock }: History,
  runner: PartRunner,
  { hooks = {}, on_abort = 'leave', metrics = FEW }: Partial<ElsewhereOptions> & { readonly hooks?: Hooks } = {},
): Promise<Jobs> {
  const environment = { clock, random: seededRandom(1_000 + ++drivers) }
  const theirs = await openLake({ ...environment, store: openHookedStore(lake.store, hooks) })
  const scratch_folder = lake.store.localPath?.(`scratch-driver-${drivers}`) ?? ''
  const calculate = () => calculateElsewhere({ lake: theirs, metrics, runner, clock, on_abort })
  return await openJobs({ ...environment, lake: theirs, scratch_folder, metrics, calculate })
}

const runnerOf = (history: History, options: PartRunnerOptions = {}) =>
  openPartRunner(history, { metrics: FEW, ...options })

/** Rows as one process makes them, each cell committed once, nothing left of a run. */
async function isWhole(history: History, runner: PartRunner, metrics = FEW): Promise<void> {
  for (const { name } of metrics) {
    expect(await history.rows(name), name).toEqual(expected.get(name))
    const cells: (string | undefined)[] = []
    for await (const { adds } of (await history.lake.table(name)).history(1))
      cells.push(...adds.map(({ tags }) => tags?.['unit']))
    expect(cells.length, name).toBe(new Set(cells).size)
  }
  expect(await runsUnderWay(history.lake.store)).toEqual([])
  expect([...runner.started.keys()]).toEqual([])
}

const toldRuns = async (history: History) =>
  (await history.rows('job_runs')).map(({ metric, outcome, runner, parts, attempts, failures, reason }) => {
    return { metric, outcome, runner, parts: Number(parts), attempts: Number(attempts), failures, reason }
  })

test('what others make of parts of a task is what one process makes of it, again and again', {
  timeout: 60_000,
}, async () => {
  const rows = tellStory(3, T0)
  const half = Math.floor(rows.length / 2)
  await using here = await openHistory(T0 + (STORY_HOURS + 1) * HOUR_MS)
  await using there = await openHistory(T0 + (STORY_HOURS + 1) * HOUR_MS)
  const runner = openPartRunner(there)
  await using jobs = await driver(there, runner, { metrics: catalogue() })
  for (const some of [rows.slice(0, half), rows.slice(half)]) {
    await here.add(some)
    await there.add(some)
    const units = (runs: Awaited<ReturnType<typeof jobs.run>>) => runs.map((run) => [run.metric, run.units, run.rows])
    expect(units(await jobs.run())).toEqual(units(await here.jobs.run()))
  }
  for (const metric of METRIC_NAMES) expect(await there.rows(metric), metric).toEqual(await here.rows(metric))
  expect(await jobs.plan()).toEqual([])
  expect(runner.calculated.length).toBeGreaterThan(METRIC_NAMES.length)
  expect(await toldRuns(there)).toContainEqual({
    ...{ metric: 'hub_hours', outcome: 'committed', runner: 'parts', parts: 2, attempts: 2 },
    ...{ failures: null, reason: null },
  })
})

test('a driver that is killed at any write is followed by one that goes on: no part is made twice', async () => {
  const metrics = FEW.slice(0, 1)
  let crash = 0
  for (let over = false; !over; ) {
    crash++
    await using history = await someHours()
    const runner = runnerOf(history)
    let writes = 0
    const before: Hooks['before'] = (operation, path) => {
      const isOurs = path.startsWith('_hearth/runs') || path.startsWith('hubs/')
      if ((operation === 'put' || operation === 'delete') && isOurs && ++writes >= crash) throw new Error('killed')
    }
    await using dying = await driver(history, runner, { metrics, hooks: { before } })
    over = await dying.run().then(
      () => true,
      () => false,
    )
    await using next = await driver(history, runner, { metrics })
    await next.run()
    // It may have died when all was committed: nothing is due then.
    const { version } = await (await history.lake.table('hubs')).snapshot()
    await endOlderRuns({ lake: history.lake, runner }, [{ metric: metrics[0] as Metric, version }])
    await isWhole(history, runner, metrics)
    expect(runner.calculated.length).toBe(new Set(runner.calculated).size)
  }
  expect(crash).toBeGreaterThan(5)
})

test('two drivers at once share the runs, and one commits each', async () => {
  await using history = await someHours()
  const runner = runnerOf(history)
  await using one = await driver(history, runner)
  await using other = await driver(history, runner)
  await Promise.all([one.run(), other.run()])
  await isWhole(history, runner)
})

test('a part that never ends well fails the run, which says where and why, and commits nothing', async () => {
  await using history = await someHours()
  let broken = true
  const before = (index: number) => {
    if (broken && index === 1) throw new Error('out of memory')
  }
  const runner = runnerOf(history, { before })
  await using jobs = await driver(history, runner)
  await expect(jobs.run()).rejects.toThrow(
    /of 2 parts of hubs-\w+-0-\w+ not 1 came to an end; 2 tries failed; part 1 \(try 2\): Error: out of memory/,
  )
  expect(await history.rows('hubs')).toEqual([])
  expect(await toldRuns(history)).toMatchObject([
    {
      ...{ metric: 'hubs', outcome: 'failed', parts: 2, attempts: 3 },
      failures: 'part 1 (try 1): Error: out of memory\npart 1 (try 2): Error: out of memory',
    },
    { metric: 'sessions', outcome: 'failed' },
  ])
  broken = false
  await jobs.run()
  await isWhole(history, runner)
})

test('a try that failed before one that did not is told, and so is one that had left what it made', async () => {
  await using history = await someHours()
  const after = (index: number) => {
    if (index === 1) throw new Error('its pod was deleted')
  }
  const before = (index: number, attempt: number) => {
    if (index === 0 && attempt === 1) throw new Error('its node is gone')
  }
  const runner = runnerOf(history, { before, after })
  await using jobs = await driver(history, runner)
  await jobs.run()
  await isWhole(history, runner)
  expect((await toldRuns(history))[0]).toMatchObject({
    ...{ metric: 'hubs', outcome: 'committed', parts: 2, attempts: 4 },
    failures: [
      'part 0 (try 1): Error: its node is gone',
      'part 1 (try 1): Error: its pod was deleted',
      'part 1 (try 2): Error: its pod was deleted',
    ].join('\n'),
  })
})

test('a run that is cancelled is not committed, and is planned anew', async () => {
  await using history = await someHours()
  const { store } = history.lake
  let cancelled = false
  const before = async () => {
    if (cancelled) return
    cancelled = true
    for (const run of await runsUnderWay(store)) await runObjects(store, run).clear()
  }
  const runner = runnerOf(history, { before, tries: 1 })
  await using jobs = await driver(history, runner)
  await jobs.run()
  await isWhole(history, runner)
  expect(cancelled).toBe(true)
})

test('a store that is away when a part has failed is not taken for a run that was cancelled', async () => {
  await using history = await someHours()
  let failing = true
  let away: boolean | undefined
  const before = (index: number) => {
    if (!failing || index !== 1) return
    away ??= true
    throw new Error('out of memory')
  }
  const runner = runnerOf(history, { before, tries: 1 })
  const gone: Hooks['before'] = (operation, path) => {
    if (!away || operation !== 'get' || !path.endsWith('/task')) return
    away = false
    throw new Problem('unavailable', 'S3 is away')
  }
  await using jobs = await driver(history, runner, { hooks: { before: gone } })
  await expect(jobs.run()).rejects.toThrow('S3 is away')
  expect((await runsUnderWay(history.lake.store)).length).toBe(1)
  failing = false
  await using next = await driver(history, runner)
  await next.run().catch(() => next.run())
  await isWhole(history, runner)
})

test('a run that was cancelled and begun anew by another is gone on with, and not ended', async () => {
  await using history = await someHours()
  const { store } = history.lake
  const metrics = FEW.slice(0, 1)
  let anew = false
  const before = async () => {
    if (anew) return
    anew = true
    for (const run of await runsUnderWay(store)) {
      const objects = runObjects(store, run)
      const { text } = await objects.begun()
      await objects.clear()
      await objects.begin(text.replace(/"now_ms":(\d+)/, (_, ms) => `"now_ms":${Number(ms) - 1}`))
    }
  }
  const runner = runnerOf(history, { before, tries: 1 })
  await using jobs = await driver(history, runner, { metrics })
  const [first] = await jobs.run()
  expect(first).toMatchObject({ metric: 'hubs', adopted: true })
  await isWhole(history, runner, metrics)
})

test('what runs is ended before what it leaves is cleared, of which the task goes first', async () => {
  const [clock, random] = [new ManualClock(), seededRandom(1)]
  const did: string[] = []
  const before: Hooks['before'] = (operation, path) => {
    if (operation === 'delete') did.push(path)
  }
  const store = openHookedStore(openMemoryStore({ clock }), { before })
  const lake = await createLake({ store, clock, random, fleet: 'f', region: 'r', buckets: 1 })
  const objects = runObjects(store, 'hubs-1')
  const begun = await objects.begin('a task')
  await objects.putMade(begun, 0, 'a part')
  await endRun({ lake, runner: { end: async (run) => void did.push(`end ${run}`) } }, 'hubs-1')
  const made = `_hearth/runs/hubs-1/made-${begun.digest}-0`
  expect(did).toEqual(['end hubs-1', '_hearth/runs/hubs-1/task', made])
})

test('a driver that is told to stop leaves its run to the next, or ends it', async () => {
  for (const on_abort of ['leave', 'end'] as const) {
    await using history = await someHours()
    const stop = new AbortController()
    const runner = runnerOf(history, { before: () => stop.abort(new Error('stop')) })
    await using jobs = await driver(history, runner, { on_abort })
    await expect(jobs.run({ signal: stop.signal })).rejects.toThrow('stop')
    expect([await runsUnderWay(history.lake.store), [...runner.started.keys()]].map(({ length }) => length)).toEqual(
      on_abort === 'leave' ? [2, 2] : [0, 0],
    )
    await using next = await driver(history, runner)
    await next.run()
    await isWhole(history, runner)
  }
})

test('what was made for another text of a run of the same name is not taken', async () => {
  await using history = await someHours()
  const runner = runnerOf(history)
  let late: (() => Promise<void>) | undefined
  const after: Hooks['after'] = async (operation, path) => {
    if (operation !== 'put' || !path.endsWith('/task') || late) return
    const run = path.split('/')[2] ?? ''
    const objects = runObjects(history.lake.store, run)
    const begun = await objects.begun()
    late = () => objects.putMade(begun, 0, 'what a slow part of it made')
    throw new Error('killed')
  }
  await using dying = await driver(history, runner, { hooks: { after } })
  await expect(dying.run()).rejects.toThrow('killed')
  // Cancelled; then news come, and it is begun anew under the same name before the slow part of the first has ended.
  for (const run of await runsUnderWay(history.lake.store)) await runObjects(history.lake.store, run).clear()
  await late?.()
  await history.add([connection('demo-01', 'disconnected', T0 + HOUR_MS, '1.1.1', { planned: 'false' })])
  await using next = await driver(history, runner)
  await next.run()
  await using anew = await history.anew()
  expect(await history.rows('sessions')).toEqual(await anew.rows('sessions'))
})

test('a run that was begun by a Hearth of another version is not in the way for ever', async () => {
  await using history = await someHours()
  const { store } = history.lake
  const runner = runnerOf(history)
  let spoilt = false
  const before: Hooks['before'] = async (operation, path) => {
    if (operation !== 'put' || !path.endsWith('/task') || spoilt) return
    spoilt = true
    await store.put(path, Buffer.from('{"hearth_task":99}'))
  }
  await using jobs = await driver(history, runner, { hooks: { before } })
  await expect(jobs.run()).rejects.toThrow(/not a task of jobs/)
  await jobs.run()
  await isWhole(history, runner)
})

test('a run that went on from an older version of the table is ended by the next', async () => {
  await using history = await someHours()
  const runner = runnerOf(history)
  const stop = new AbortController()
  await using sleepy = await driver(history, openPartRunner(history, { before: () => stop.abort(new Error('asleep')) }))
  await expect(sleepy.run({ signal: stop.signal })).rejects.toThrow('asleep')
  const [left] = await runsUnderWay(history.lake.store)
  await history.jobs.run()
  await history.add([enrolled('demo-09', T0 + HOUR_MS)])
  await using jobs = await driver(history, runner)
  await jobs.run()
  expect(await runsUnderWay(history.lake.store)).not.toContain(left)
})

test('metrics that do not read each other are under way at once, and one that reads others is after them', async () => {
  const metrics = catalogue().filter(({ name }) => ['hubs', 'command_traces', 'sessions'].includes(name))
  await using history = await openHistory(T0 + HOUR_MS + 5 * 60_000, 1, metrics)
  await history.add([enrolled('demo-01', T0), ...connected('demo-01', T0, T0 + HOUR_MS)])
  const seen: string[][] = []
  const both = Promise.withResolvers<void>()
  const runner: PartRunner = runnerOf(history, {
    metrics,
    async before() {
      const names = (await runsUnderWay(history.lake.store)).map((run) => run.replace(/-[0-9a-f]{6}-.*$/, ''))
      seen.push(names.sort())
      if (names.length === 2) both.resolve()
      if (!names.includes('command-traces')) await both.promise
    },
  })
  await using jobs = await driver(history, runner, { metrics })
  expect((await jobs.run()).map(({ metric }) => metric)).toEqual(['hubs', 'command_traces', 'sessions'])
  expect(seen).toContainEqual(['hubs', 'sessions'])
  expect(seen.filter((names) => names.includes('command-traces')).every(({ length }) => length === 1)).toBe(true)
})

test('a run whose parts are all made is over, however long its runner takes to see that', async () => {
  await using history = await someHours()
  const seen = Promise.withResolvers<void>()
  const after = (index: number) => (index === 1 ? seen.promise : undefined)
  const slow = runnerOf(history, { after })
  const runner: PartRunner = {
    ...slow,
    end(run, digest) {
      seen.resolve()
      return slow.end(run, digest)
    },
  }
  const metrics = FEW.slice(0, 1)
  await using jobs = await driver(history, runner, { metrics })
  let over = false
  const ended = jobs.run().finally(() => (over = true))
  await vi.waitUntil(async () => {
    await history.clock.advance(MADE_LOOK_MIN_MS)
    return over
  }, 30_000)
  await ended
  expect(await toldRuns(history)).toMatchObject([{ metric: 'hubs', outcome: 'committed', parts: 2, failures: null }])
  await isWhole(history, runner, metrics)
})
