/** What one metric lacks, those that read it wait for; what failed keeps nothing else. */
import { readFileSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { Problem } from '../contract/problem.ts'
import { openLake } from '../lake/lake.ts'
import { type Hooks, openHookedStore } from '../lake/testing/hooked-store.ts'
import { seededRandom } from '../sim/clock.ts'
import { calculateElsewhere } from './calculate-elsewhere.ts'
import { type Catalogue, catalogue } from './catalogue.ts'
import { DAY_MS } from './day.ts'
import { type Jobs, type MetricRun, openJobs } from './jobs.ts'
import { HOUR_MS, RETRY_FIRST_MS } from './limits.ts'
import { type Metric, parseMetric } from './metric.ts'
import { runObjects, runsUnderWay } from './run-objects.ts'
import type { Runner } from './runner.ts'
import { alive, command, connected, connection, enrolled, type History, openHistory } from './testing/history.ts'
import { openPartRunner } from './testing/part-runner.ts'

const T0 = Date.UTC(2026, 10, 20, 22)
const HUBS = ['demo-01', 'demo-02', 'demo-03']
const only = (...names: readonly string[]): Catalogue => catalogue().filter(({ name }) => names.includes(name))
const FEW = only('hubs', 'sessions')
const DONE: readonly [string, number][] = [
  ['issued', 0],
  ['sent', 1],
  ['acked', 5],
  ['done', 5],
]

const raised = (text: string) => text.replace(/-- revision: (\d+)/, (_, was) => `-- revision: ${Number(was) + 1}`)

/** One definition otherwise. */
const otherwise = (name: string, change: (text: string) => string) => (metric: Metric) =>
  metric.name === name
    ? parseMetric(name, change(readFileSync(new URL(`./metrics/${name}.sql`, import.meta.url), 'utf8')))
    : metric
const refusing = (hub: string) => (text: string) =>
  text.replace('-- check: ', `-- check: no — hub_id <> '${hub}'\n-- check: `)

async function someHours(metrics = FEW): Promise<History> {
  const history = await openHistory(T0 + 3 * HOUR_MS + 5 * 60_000, 1, metrics)
  await history.add(HUBS.flatMap((hub) => [enrolled(hub, T0), ...connected(hub, T0, T0 + 2 * HOUR_MS)]))
  return history
}

let drivers = 0
async function driver(history: History, runner: Runner, metrics: Catalogue, hooks: Hooks = {}): Promise<Jobs> {
  const { lake, clock } = history
  const environment = { clock, random: seededRandom(3_000 + ++drivers) }
  const theirs = await openLake({ ...environment, store: openHookedStore(lake.store, hooks) })
  const scratch_folder = lake.store.localPath?.(`scratch-${drivers}`) ?? ''
  const calculate = () => calculateElsewhere({ lake: theirs, metrics, runner, clock, on_abort: 'leave' })
  return await openJobs({ ...environment, lake: theirs, scratch_folder, metrics, calculate })
}

const jobsOf = ({ lake, clock }: History, metrics: Catalogue, units_a_run?: number) =>
  openJobs({
    ...{ lake, clock, random: seededRandom(3), metrics, scratch_folder: lake.store.localPath?.('scratch-own') ?? '' },
    ...(units_a_run !== undefined && { units_a_run }),
  })

test('after a run that another began, what is due since is made before what reads it', async () => {
  await using history = await openHistory(T0 + 30 * 60_000)
  await history.add(HUBS.flatMap((hub) => [enrolled(hub, T0), ...connected(hub, T0, T0 + 30 * 60_000)]))
  const runner = openPartRunner(history)
  let killed = false
  const after: Hooks['after'] = (operation, path) => {
    if (operation !== 'put' || killed || !/\/sessions-.*\/task$/.test(path)) return
    killed = true
    throw new Error('killed')
  }
  await using dying = await driver(history, runner, catalogue(), { after })
  await expect(dying.run()).rejects.toThrow('killed')
  await history.clock.advance(40 * 60_000)
  await history.add(HUBS.flatMap((hub) => alive(hub, T0 + 30 * 60_000, T0 + 70 * 60_000)))
  await using next = await driver(history, runner, catalogue())
  const runs = await next.run()
  expect(runs.filter(({ metric }) => metric === 'sessions').map(({ adopted }) => adopted)).toEqual([true, false])
  expect(await next.plan()).toEqual([])
  // The run tells its own parts, and not those of the run before it.
  const own = (await history.rows('job_runs', "metric = 'sessions' AND outcome = 'committed'")).map(
    ({ parts, attempts }) => [parts, attempts],
  )
  expect(own.map((one) => one.map(Number))).toEqual([
    [2, 2],
    [2, 2],
  ])
  await using anew = await history.anew()
  for (const metric of ['sessions', 'hub_hours', 'slo_hours'])
    expect(await history.rows(metric), metric).toEqual(await anew.rows(metric))
})

test('a metric of which the SELECT is wrong keeps no other', async () => {
  const wrong = (text: string) => text.replace('c.hub_id || ', 'c.no_such_column || ')
  const metrics = catalogue().map(otherwise('device_days', wrong))
  await using history = await openHistory(T0 + 4 * HOUR_MS, 1, metrics)
  await history.add([
    ...HUBS.flatMap((hub) => [enrolled(hub, T0), ...connected(hub, T0, T0 + 3 * HOUR_MS)]),
    ...command('demo-01', 'c', T0 + 60_000, DONE),
  ])
  await expect(history.jobs.run()).rejects.toMatchObject({
    kind: 'invalid',
    message: expect.stringContaining('no_such_column'),
  })
  expect((await history.rows('slo_hours')).length).toBeGreaterThan(0)
  expect((await history.rows('job_runs', "outcome = 'failed'")).map(({ metric }) => metric)).toEqual(['device_days'])
})

test('a metric that was changed and not its revision is refused, with what to do, and keeps no other', async () => {
  await using history = await someHours()
  await history.jobs.run()
  await history.add([
    connection('demo-01', 'disconnected', T0 + HOUR_MS, '1.1.1', { planned: 'false' }),
    enrolled('demo-09', T0),
  ])
  const change = (text: string) => `${text.trimEnd()}\nLIMIT 1000000\n`
  await using changed = await jobsOf(history, FEW.map(otherwise('sessions', change)))
  const before = await history.rows('sessions')
  await expect(changed.run()).rejects.toMatchObject({
    kind: 'invalid',
    message: expect.stringMatching(
      /^sessions was changed, and its revision is still \d+: hours of 2026-11-20 are of the definition [0-9a-f]{16}, and this is [0-9a-f]{16}; raise/,
    ),
  })
  expect(await history.rows('sessions')).toEqual(before)
  expect((await history.rows('hubs')).map(({ hub_id }) => hub_id)).toContain('demo-09')
  await using risen = await jobsOf(history, FEW.map(otherwise('sessions', (text) => raised(change(text)))))
  const sessions = (await risen.run()).find(({ metric }) => metric === 'sessions')
  expect(new Set(sessions?.units.map(({ cause }) => cause))).toEqual(new Set(['definition rose']))
})

test('what reads a metric whose check fails waits for it, and is made once it is mended', async () => {
  const metrics = catalogue().map(otherwise('sessions', refusing('demo-02')))
  await using history = await openHistory(T0 + HOUR_MS + 5 * 60_000, 1, metrics)
  await history.add([enrolled('demo-01', T0), ...connected('demo-01', T0, T0 + HOUR_MS + 5 * 60_000)])
  await history.jobs.run()
  await history.clock.advance(HOUR_MS)
  await history.add([
    ...[enrolled('demo-02', T0 + HOUR_MS), ...connected('demo-02', T0 + HOUR_MS, T0 + 2 * HOUR_MS)],
    ...alive('demo-01', T0 + HOUR_MS + 5 * 60_000, T0 + 2 * HOUR_MS + 5 * 60_000),
  ])
  await expect(history.jobs.run()).rejects.toThrow(/sessions failed its check "no"/)
  expect((await history.rows('hub_hours', "hub_id = 'demo-02'")).length).toBe(0)
  expect((await history.rows('latency_hours')).length).toBe(0)
  await using mended = await jobsOf(history, catalogue())
  await mended.run()
  await using anew = await history.anew()
  expect(await history.rows('hub_hours')).toEqual(await anew.rows('hub_hours'))
})

test('a check that fails elsewhere is told as it is here, and keeps no other metric', async () => {
  const metrics = FEW.map(otherwise('hubs', refusing('demo-02')))
  await using history = await someHours()
  await using jobs = await driver(history, openPartRunner(history, { metrics }), metrics)
  await expect(jobs.run()).rejects.toMatchObject({ kind: 'corrupt', message: expect.stringContaining('check "no"') })
  const told = (await history.rows('job_runs')).map(({ metric, outcome }) => [metric, outcome])
  expect(told).toEqual([
    ['hubs', 'failed'],
    ['sessions', 'committed'],
  ])
  expect(await runsUnderWay(history.lake.store)).toEqual([])
})

test('what a part of another Hearth left is not in the way for ever', async () => {
  await using history = await someHours()
  let first = true
  const before = async () => {
    if (!first) return
    first = false
    const [run = ''] = await runsUnderWay(history.lake.store)
    const objects = runObjects(history.lake.store, run)
    await objects.putMade(await objects.begun(), 0, '{"hearth_made":2}')
  }
  await using jobs = await driver(history, openPartRunner(history, { metrics: FEW, before }), FEW)
  await expect(jobs.run()).rejects.toThrow(/not what came of a task of hubs/)
  await jobs.run()
  expect(await jobs.plan()).toEqual([])
})

test('a commit stands, and is told, when what is left of its run cannot be cleared', async () => {
  await using history = await someHours()
  const before: Hooks['before'] = (operation, path) => {
    if (operation === 'delete' && path.startsWith('_hearth/runs')) throw new Problem('unavailable', 'S3 is away')
  }
  await using jobs = await driver(history, openPartRunner(history, { metrics: FEW }), FEW, { before })
  expect((await jobs.run()).map(({ metric }) => metric)).toEqual(['hubs', 'sessions'])
})

test('a run that cannot be ended keeps no other', async () => {
  await using history = await someHours()
  const stop = new AbortController()
  const asleep = openPartRunner(history, { metrics: FEW, before: () => stop.abort(new Error('asleep')) })
  await using dying = await driver(history, asleep, FEW)
  await expect(dying.run({ signal: stop.signal })).rejects.toThrow('asleep')
  await history.jobs.run()
  await history.add([enrolled('demo-09', T0 + HOUR_MS)])
  const [old] = await runsUnderWay(history.lake.store)
  const good = openPartRunner(history, { metrics: FEW })
  const end = async (run: string, digest?: string) => {
    if (run === old) throw new Problem('unavailable', 'its pods are still there')
    await good.end(run, digest)
  }
  await using jobs = await driver(history, { ...good, end }, FEW)
  await jobs.run()
  expect(await jobs.plan()).toEqual([])
})

test('parts that are not those of the task are refused', async () => {
  await using history = await someHours()
  await using jobs = await openJobs({
    ...{ lake: history.lake, clock: history.clock, random: seededRandom(3), metrics: FEW },
    scratch_folder: history.lake.store.localPath?.('scratch-twice') ?? '',
    calculate: () =>
      calculateElsewhere({
        ...{ lake: history.lake, metrics: FEW, clock: history.clock, on_abort: 'leave' },
        runner: swapped(openPartRunner(history, { metrics: FEW })),
      }),
  })
  await expect(jobs.run()).rejects.toThrow(/what came of a task of hubs lacks hour 0 of bucket \d/)
  expect(await history.rows('hubs')).toEqual([])

  /** Each part leaves what the one beside it made. */
  function swapped(runner: Runner): Runner {
    return {
      ...runner,
      async run(request, options) {
        const end = await runner.run(request, options)
        const objects = runObjects(history.lake.store, request.run)
        const begun = await objects.begun()
        const texts = await Promise.all([0, 1].map((index) => objects.made(begun, index)))
        for (const index of [0, 1]) {
          await history.lake.store.delete(`_hearth/runs/${request.run}/made-${request.digest}-${index}`)
          await objects.putMade(begun, index, texts[1 - index] ?? '')
        }
        return end
      },
    }
  }
})

test('a back-fill goes on past a day whose file is damaged, and tells of it at its end', async () => {
  const metrics = only('hubs', 'command_traces')
  await using history = await openHistory(T0 + 4 * DAY_MS + HOUR_MS, 1, metrics)
  const days = [0, 1, 2, 3, 4]
  await history.add([
    enrolled('demo-01', T0),
    ...days.flatMap((day) => command('demo-01', `c${day}`, T0 + day * DAY_MS, DONE)),
  ])
  const events = await history.lake.table('events')
  for (const [path, add] of (await events.snapshot()).files) {
    if (add.partitionValues['event_date'] !== '2026-11-23') continue
    const file = history.lake.store.localPath?.(`${events.prefix}/${path}`) ?? ''
    const bytes = await readFile(file)
    bytes.fill(0, 4, bytes.length - 200)
    await rm(file)
    await writeFile(file, bytes)
  }
  await using jobs = await jobsOf(history, metrics, 48)
  await expect(jobs.run()).rejects.toMatchObject({ kind: 'corrupt' })
  const due = new Set((await jobs.plan()).map(({ hour_ms }) => new Date(hour_ms).toISOString().slice(0, 10)))
  // A whole history, of hubs, needs all of its files.
  expect([...due]).toEqual(['1970-01-01', '2026-11-23'])
})

test('what carries is made no further than its share goes', { timeout: 60_000 }, async () => {
  await using history = await openHistory(T0 + 3 * DAY_MS)
  const days = [0, 1, 2]
  await history.add([
    ...[enrolled('demo-01', T0), ...connected('demo-01', T0, T0 + 2 * HOUR_MS)],
    ...days.flatMap((day) => command('demo-01', `c${day}`, T0 + day * DAY_MS, DONE)),
  ])
  await history.jobs.run()
  const metrics = catalogue()
    .map(
      otherwise('command_traces', (text) =>
        raised(text).replace('outcome_ms\nFROM joined', 'outcome_ms + 1 AS outcome_ms\nFROM joined'),
      ),
    )
    .map(otherwise('hub_hours', (text) => raised(text).replace("b.firmware, 'unknown')", "b.firmware, 'none')")))
  await using jobs = await jobsOf(history, metrics, 1)
  const shares: (readonly MetricRun[])[] = []
  const runs = await jobs.run({ order: 'oldest', ran: (share) => void shares.push(share) })
  const first = shares[0]?.find(({ metric }) => metric === 'hub_hours')
  expect(new Set(first?.units.map(({ hour_ms }) => Math.floor(hour_ms / DAY_MS))).size).toBe(1)
  const units = runs.flatMap((run) => run.units.map(({ hour_ms, bucket }) => `${run.metric} ${hour_ms} ${bucket}`))
  expect(units.length).toBe(new Set(units).size)
  expect(await jobs.plan()).toEqual([])
})

test('a schedule lets what fails wait, fails with it meanwhile, and tells of it once; a run by hand tries at once', async () => {
  const metrics = FEW.map(otherwise('sessions', refusing('demo-02')))
  await using history = await someHours(metrics)
  const failed: string[] = []
  const patient = () => history.jobs.run({ patient: true, failed: (metric) => failed.push(metric) })
  const told = async () => (await history.rows('job_runs', "metric = 'sessions' AND outcome = 'failed'")).length
  await expect(patient()).rejects.toThrow(/sessions failed its check/)
  await expect(patient()).rejects.toThrow(/sessions failed its check/)
  expect([failed, await told()]).toEqual([['sessions', 'sessions'], 1])
  await history.clock.advance(RETRY_FIRST_MS)
  await expect(patient()).rejects.toThrow(/sessions failed its check/)
  await expect(history.jobs.run()).rejects.toThrow(/sessions failed its check/)
  expect(await told()).toBe(3)
  await history.clock.advance(2 * RETRY_FIRST_MS)
  await expect(patient()).rejects.toThrow(/sessions failed its check/)
  expect(await told()).toBe(3)
})
