/** What is found behind the bad of each measure, and that the rows that people are led to are there. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { openQuery, type Query } from '../../lake/query.ts'
import { HOUR_MS } from '../limits.ts'
import { batch, command, connected, enrolled, type History, health, openHistory, type Row } from '../testing/history.ts'
import { type Behind, behindOf, behindSql, rowsSql } from './behind-sql.ts'
import { MINUTE_MS } from './burn-rate.ts'

const T0 = Date.UTC(2026, 10, 20, 8)
const WINDOW = { from_ms: T0, to_ms: T0 + HOUR_MS }

let history: History
let query: Query

beforeAll(async () => {
  history = await openHistory(T0 + HOUR_MS + 5 * MINUTE_MS)
  await history.add([...hub('north', '5.0.0'), ...hub('east', '4.2.1'), enrolled('south', T0, { region: 'south' })])
  await history.jobs.run()
  query = await openQuery({ lake: history.lake, clock: history.clock, threads: 1 })
})
afterAll(async () => {
  await query?.[Symbol.asyncDispose]()
  await history?.[Symbol.asyncDispose]()
})

/** A hub that is there; on firmware 5.0.0 it is slow, loses events, and does not do half of what it is told. */
function hub(name: string, firmware: string): Row[] {
  const bad = firmware === '5.0.0'
  const dropped = { dropped: [], previous: [{ boot: '1-1-bbbbbbbb', next: 10, acked: 0, dropped: [], held: false }] }
  const rows = [
    ...[enrolled(name, T0), ...connected(name, T0, T0 + HOUR_MS)],
    health(name, T0 + MINUTE_MS, '1-1-bbbbbbbb', firmware),
    ...Array.from({ length: 10 }, (_, i) =>
      command(name, `${name} ${i}`, T0 + i * MINUTE_MS, [
        ['issued', 0],
        ['sent', 2],
        ...((bad && i < 5
          ? [['expired', 5_000]]
          : [
              ['executed', bad ? 800 : 20, true],
              ['acked', 900],
              ['done', 900],
            ]) as [string, number, boolean?][]),
      ]),
    ).flat(),
    batch(name, T0 + 40 * MINUTE_MS, 0, bad ? 7 : 10),
    batch(name, T0 + 50 * MINUTE_MS, 0, 0, { boot_id: '1-2-cccccccc', batch_dropped: JSON.stringify(dropped) }),
  ]
  return rows.map((row) => (row['firmware'] === undefined ? row : { ...row, firmware }))
}

const found = z.tuple([z.string(), z.string(), z.number(), z.number()])

/** By dimension: name, bad, total. */
async function behind(objective: string, measure: string) {
  const { rows } = await query.run(behindSql(objective, measure, WINDOW))
  return Object.fromEntries(
    rows.map((row) => {
      const [dimension, ...others] = found.parse(row)
      return [dimension, others]
    }),
  )
}

test('what stands behind has more of the bad than of all, that with the most more first', () => {
  const rows = [
    ['all', 'all', 114, 4983],
    ...[
      ['firmware', '4.1.0', 66, 4285],
      ['hub', 'demo-07', 66, 120],
      ['relay', 'relay-0', 114, 4983],
    ],
    ...[
      ['outcome', 'offline', 70, 70],
      ['reason', 'no-such-device', 50, 50],
      ['region', 'us-east', 66, 120],
    ],
  ]
  expect(behindOf(rows).map(({ dimension }) => dimension)).toEqual(['outcome', 'hub', 'region', 'reason'])
  const all = [
    ['all', 'all', 60, 60],
    ['outcome', 'offline', 60, 60],
    ['hub', 'demo-07', 20, 20],
  ]
  expect(behindOf(all)).toEqual([{ dimension: 'outcome', name: 'offline', share_of_bad: 1, share_of_all: 1 }])
  expect(behindOf([])).toEqual([])
})

test('of commands that were not done: hub, firmware, relay, outcome', async () => {
  expect(await behind('command-success', 'command_success')).toEqual({
    ...{ all: ['all', 5, 20], firmware: ['5.0.0', 5, 10], outcome: ['expired', 5, 5], relay: ['relay-0', 5, 20] },
    ...{ region: ['north', 5, 20], hub: ['north', 5, 10] },
  })
})

test('of commands that were slow: the hop that took longest', async () => {
  expect(await behind('tap-to-light', 'latency')).toMatchObject({
    all: ['all', 5, 15],
    hop: ['hub', 5, 5],
    hub: ['north', 5, 5],
  })
})

test('of hubs that were away: their firmware and region', async () => {
  expect(await behind('connection-availability', 'availability')).toMatchObject({
    ...{ all: ['all', HOUR_MS, 3 * HOUR_MS], region: ['south', HOUR_MS, HOUR_MS] },
    ...{ firmware: ['unknown', HOUR_MS, HOUR_MS], hub: ['south', HOUR_MS, HOUR_MS] },
  })
})

test('of events that were lost: the firmware that lost them', async () => {
  const lost = await behind('telemetry-loss', 'loss')
  expect(lost['firmware']?.[0]).toBe('5.0.0')
  expect(lost['relay']).toBeUndefined()
})

test.each([
  ['command-success', 'command_success', 5],
  ['tap-to-light', 'latency', 5],
  ['connection-availability', 'availability', 1],
  ['telemetry-loss', 'loss', 1],
])('people are led to the bad rows of %s, and no others', async (objective, measure, count) => {
  expect((await query.run(rowsSql(objective, measure, WINDOW, []))).rows).toHaveLength(count)
})

test('the rows are narrowed to the first place that has most of the bad', async () => {
  const firmware = { dimension: 'firmware', name: '4.2.1', share_of_bad: 0.6, share_of_all: 0.1 }
  const hub = { dimension: 'hub', name: 'north', share_of_bad: 0.6, share_of_all: 0.2 }
  const relay = { dimension: 'relay', name: 'relay-1', share_of_bad: 0.4, share_of_all: 0.1 }
  const outcome = { dimension: 'outcome', name: 'offline', share_of_bad: 0.9, share_of_all: 0.1 }
  const rows = async (behind: readonly Behind[]) =>
    (await query.run(rowsSql('command-success', 'command_success', WINDOW, behind))).rows
  expect(await rows([outcome, relay, firmware, hub])).toEqual([])
  expect(await rows([outcome, relay, hub, firmware])).toHaveLength(5)
})
