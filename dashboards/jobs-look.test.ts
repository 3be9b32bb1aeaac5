import { afterEach, beforeEach, expect, test } from 'vitest'
import { catalogue } from '../jobs/catalogue.ts'
import { HOUR_MS } from '../jobs/limits.ts'
import { connected, enrolled, type History, openHistory } from '../jobs/testing/history.ts'
import { byCause, type JobsLook, openJobsLook } from './jobs-look.ts'

const T0 = Date.UTC(2026, 10, 20, 22)

let history: History
let look: JobsLook
beforeEach(async () => {
  history = await openHistory(T0 + 3 * HOUR_MS + 300_000)
  look = openJobsLook({ ...history, metrics: catalogue() })
})
afterEach(() => history[Symbol.asyncDispose]())

const of = async (name: string) => (await look.standing()).metrics.find(({ metric }) => metric === name)

test('tells of a lake without events that nothing is due, and writes nothing', async () => {
  expect((await look.standing()).metrics.every(({ due, computed }) => due.length === 0 && computed === 0)).toBe(true)
  expect(await history.lake.tables()).toEqual(['events'])
})

test('tells how far each metric reaches and what is due, before and after it is made', async () => {
  await history.add([enrolled('demo-01', T0), ...connected('demo-01', T0, T0 + 3 * HOUR_MS)])
  expect(await of('fleet_hours')).toMatchObject({
    ...{ unit: 'hour', computed: 0, newest_ms: null, complete_to_ms: null },
    due: [{ cause: 'never computed', units: 4, first_ms: T0, last_ms: T0 + 3 * HOUR_MS }],
  })
  await history.jobs.run()
  expect(await of('fleet_hours')).toMatchObject({ computed: 4, complete_to_ms: T0 + 3 * HOUR_MS, due: [] })
  expect(await of('hubs')).toMatchObject({ unit: 'history', newest_ms: null, complete_to_ms: null, due: [] })
  expect(await look.explain('fleet_hours', T0)).toMatchObject({
    buckets: [{ bucket: null, cause: null, made: { open: false }, frozen: null }],
  })
  await expect(look.explain('fleet_hours', T0 + 9 * HOUR_MS)).rejects.toMatchObject({ kind: 'missing' })
})

test('units that are due are added up by their causes, that of most first', () => {
  const unit = (hour: number, cause: 'events moved' | 'hour is over') => ({
    ...{ metric: 'hub_hours', hour_ms: hour * HOUR_MS, bucket: 0, cause },
  })
  expect(byCause([unit(1, 'hour is over'), unit(2, 'events moved'), unit(5, 'events moved')])).toEqual([
    { cause: 'events moved', units: 2, first_ms: 2 * HOUR_MS, last_ms: 5 * HOUR_MS },
    { cause: 'hour is over', units: 1, first_ms: HOUR_MS, last_ms: HOUR_MS },
  ])
})
