import { expect, test } from 'vitest'
import { bucketOf } from '../contract/bucket.ts'
import { assert } from '../contract/problem.ts'
import { raiseFloor } from '../lake/table-floor.ts'
import { seededRandom } from '../sim/clock.ts'
import { catalogue } from './catalogue.ts'
import { openJobs } from './jobs.ts'
import { HOUR_MS } from './limits.ts'
import { openLook } from './look.ts'
import { plan } from './plan.ts'
import { runMetric } from './run-metric.ts'
import { BUCKETS, connected, enrolled, health, openHistory } from './testing/history.ts'

const T0 = Date.UTC(2026, 10, 20, 22)
const MINUTE = 60_000
const MIDNIGHT = T0 + 2 * HOUR_MS
const DATE = '2026-11-21'

async function history() {
  const made = await openHistory(T0 + 5 * HOUR_MS + 5 * MINUTE)
  await made.add([
    enrolled('demo-01', T0),
    ...connected('demo-01', T0, T0 + 5 * HOUR_MS),
    ...[0, 1, 2, 3, 4].map((h) => health('demo-01', T0 + h * HOUR_MS + MINUTE)),
  ])
  await made.jobs.run()
  return made
}

const late = [0, 1, 2, 3].map((h) => health('demo-01', T0 + h * HOUR_MS + 2 * MINUTE))

test('no hour is made anew whose input, or the hour before it, reaches below the floor of an input', async () => {
  await using made = await history()
  await raiseFloor(await made.lake.table('events'), DATE, seededRandom(1))
  await made.add(late)
  const due = (await made.jobs.plan()).filter(({ metric }) => metric === 'hub_hours').map(({ hour_ms }) => hour_ms)
  expect(due).toEqual([MIDNIGHT + HOUR_MS])
  await made.jobs.run()
  expect(await made.jobs.plan()).toEqual([])
  const bucket = bucketOf('demo-01', BUCKETS)
  const at = async (hour_ms: number) => (await made.look.explain('hub_hours', hour_ms))[bucket]
  expect(await at(T0)).toMatchObject({ cause: undefined, frozen: { table: 'events', from_ms: MIDNIGHT } })
  expect((await at(T0))?.record).toBeDefined()
  expect(await at(MIDNIGHT)).toMatchObject({ frozen: {} })
  expect(await at(MIDNIGHT + HOUR_MS)).not.toHaveProperty('frozen')
})

test('what was planned before a floor rose is not made of what is left', async () => {
  await using made = await history()
  await made.add(late)
  const { lake, clock } = made
  const metrics = catalogue()
  const look = openLook({ lake, clock, metrics, folds: lake.store })
  const [hubHours] = metrics.filter(({ name }) => name === 'hub_hours')
  assert(hubHours, 'it is one of Hearth')
  const { standing, state } = await look.at(hubHours, clock.now(), async ({ name }) => {
    const table = await lake.table(name)
    return { table, snapshot: await table.snapshot() }
  })
  const planned = { ...state(), ...standing }
  const units = plan(planned)
  expect(units).toHaveLength(4)
  await raiseFloor(await lake.table('events'), DATE, seededRandom(1))
  const calculate = () => Promise.reject(new Error('it was calculated'))
  const options = { lake, clock, random: seededRandom(2), scratch_folder: '/nowhere' }
  expect(await runMetric(options, calculate, planned, { units }, {})).toBeUndefined()
})

test('old hours keep the definition that they were made with when it changes', async () => {
  await using made = await history()
  await raiseFloor(await made.lake.table('events'), DATE, seededRandom(1))
  const metrics = catalogue().map((one) =>
    one.name === 'hub_hours' ? { ...one, revision: one.revision + 1, hash: 'another' } : one,
  )
  const { lake, clock } = made
  await using jobs = await openJobs({ lake, clock, random: seededRandom(2), scratch_folder: '/nowhere', metrics })
  const due = (await jobs.plan()).filter(({ metric }) => metric === 'hub_hours')
  expect(new Set(due.map(({ cause }) => cause))).toEqual(new Set(['definition rose']))
  expect(Math.min(...due.map(({ hour_ms }) => hour_ms))).toBe(MIDNIGHT + HOUR_MS)
})
