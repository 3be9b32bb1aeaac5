/** The view `hub_local_days` over what the jobs made. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openQuery, type Query } from '../lake/query.ts'
import { HOUR_MS } from './limits.ts'
import { alive, connection, enrolled, type History, openHistory } from './testing/history.ts'

/** 9 o'clock in Berlin, 21 in Auckland. */
const T0 = Date.UTC(2026, 10, 20, 8)
const ENROLLED = T0 + 20 * 60_000
const HOURS = 30
const NOW = T0 + HOURS * HOUR_MS - 1
let history: History
let query: Query

beforeAll(async () => {
  history = await openHistory(NOW)
  await history.add([
    enrolled('berlin', ENROLLED),
    enrolled('auckland', ENROLLED, { zone: 'Pacific/Auckland' }),
    enrolled('nowhere', ENROLLED, { zone: 'Nowhere/At-All' }),
    connection('berlin', 'connected', ENROLLED, '1.1.1'),
    ...alive('berlin', ENROLLED, NOW),
  ])
  await history.jobs.run()
  query = await openQuery({ lake: history.lake, clock: history.clock, threads: 1 })
}, 60_000)
afterAll(async () => {
  await query[Symbol.asyncDispose]()
  await history[Symbol.asyncDispose]()
})

const ask = async (sql: string) => (await query.run(sql)).rows
const daysOf = (hub: string) =>
  ask(
    `SELECT strftime(local_day, '%d'), CAST(hours AS INTEGER), complete FROM hub_local_days WHERE hub_id = '${hub}' ORDER BY 1`,
  )

test('days begin at midnight in the zone of the home', async () => {
  expect(await daysOf('berlin')).toEqual([
    ['20', 15, true],
    ['21', 15, false],
  ])
  expect(await daysOf('auckland')).toEqual([
    ['20', 3, true],
    ['21', 24, true],
    ['22', 3, false],
  ])
})

test('a zone that does not exist is taken for UTC', async () => {
  expect(await daysOf('nowhere')).toEqual([
    ['20', 16, true],
    ['21', 14, false],
  ])
})

test('each hour of a hub is in one day, that of its enrolment too', async () => {
  const sums = 'hub_id, sum(expected_ms), sum(connected_ms), sum(issued)'
  const days = await ask(`SELECT ${sums} FROM hub_local_days GROUP BY ALL ORDER BY ALL`)
  expect(days).toEqual(await ask(`SELECT ${sums} FROM hub_hours GROUP BY ALL ORDER BY ALL`))
  expect(days[1]?.[1]).toBe(String(NOW - ENROLLED))
})

test('is described with the units of the columns that it passes on, once its tables are there', async () => {
  const described = (await query.schema()).find(({ name }) => name === 'hub_local_days')
  expect(described?.kind).toBe('view')
  expect(described?.columns).toContainEqual(expect.objectContaining({ name: 'lost', unit: 'events' }))
})
