import { afterEach, expect, test } from 'vitest'
import { openQuery } from '../../lake/query.ts'
import { HOUR_MS } from '../limits.ts'
import { batch, command, connected, connection, enrolled, type History, openHistory } from '../testing/history.ts'
import { MINUTE_MS } from './burn-rate.ts'
import { pointRow } from './objectives-look.ts'
import { minutesFrom, pointsSql } from './points-sql.ts'

const T0 = Date.UTC(2026, 10, 20, 20)

let history: History
afterEach(() => history[Symbol.asyncDispose]())

/** objective, from_ms, to_ms, bad, total. */
async function points(at_ms: number) {
  await using query = await openQuery({ lake: history.lake, clock: history.clock, threads: 1 })
  return (await query.run(pointsSql(at_ms))).rows.map((row) => pointRow.parse(row))
}

test('a command counts in the minute of its issue, a connection while it is open, up to when the hour is made', async () => {
  const at_ms = T0 + 10 * MINUTE_MS
  history = await openHistory(at_ms + 20_000)
  await history.add([
    enrolled('north', T0),
    connection('north', 'connected', T0, '1.1.1'),
    connection('north', 'disconnected', T0 + 5.5 * MINUTE_MS, '1.1.1'),
    ...command('north', 'one', T0 + 2 * MINUTE_MS + 1, [
      ['issued', 0],
      ['offline', 1],
    ]),
  ])
  await history.jobs.run()
  const found = await points(at_ms)
  const of = (wanted: string) =>
    found.filter(([name]) => name === wanted).map(([, from, , ...sums]) => [(from - T0) / MINUTE_MS, ...sums])
  expect(of('command-success')).toEqual([[2, 1, 1, 0]])
  expect(of('connection-availability')).toEqual(
    Array.from({ length: 10 }, (_, i) => [i, i < 5 ? 0 : i === 5 ? 30_000 : 60_000, 60_000, 0]),
  )
})

test('time in which a relay gave no sign of life is unknown, in minutes and in hours', async () => {
  const at_ms = T0 + 8 * HOUR_MS
  history = await openHistory(at_ms)
  const silent_ms = T0 + 30 * MINUTE_MS
  await history.add([enrolled('north', T0), ...connected('north', T0, silent_ms + 1), batch('north', silent_ms, 0, 1)])
  await history.jobs.run()
  const found = (await points(at_ms)).filter(([name]) => name === 'connection-availability')
  expect(found.slice(0, 3).map(([, from, , ...sums]) => [from, ...sums])).toEqual([
    [T0, 0, HOUR_MS / 2, HOUR_MS / 2],
    [T0 + HOUR_MS, 0, 0, HOUR_MS],
    [T0 + 2 * HOUR_MS, 0, 0, MINUTE_MS],
  ])
})

test('before the minutes there are hours', async () => {
  const at_ms = T0 + 10 * HOUR_MS + 7 * MINUTE_MS
  history = await openHistory(at_ms)
  await history.add([enrolled('north', T0), ...connected('north', T0, at_ms)])
  await history.jobs.run()
  const found = (await points(at_ms)).filter(([name]) => name === 'connection-availability')
  expect(found.filter(([, from, to]) => to - from === HOUR_MS).map(([, from]) => from)).toEqual(
    [0, 1, 2, 3].map((i) => T0 + i * HOUR_MS),
  )
  expect(found.filter(([, from, to]) => to - from === MINUTE_MS)).toHaveLength((at_ms - minutesFrom(at_ms)) / MINUTE_MS)
})
