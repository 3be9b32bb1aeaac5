/** What `device_days` means, case by case, and when a day is made. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DAY_MS } from './day.ts'
import { HOUR_MS, SETTLE_MS } from './limits.ts'
import { command, enrolled, type History, openHistory, type Row } from './testing/history.ts'

const T0 = Date.UTC(2026, 10, 20)
const at = (hours: number, minutes = 0) => T0 + hours * HOUR_MS + minutes * 60_000

let history: History

beforeAll(async () => {
  history = await openHistory(T0 + DAY_MS + SETTLE_MS)
  await history.add(devices())
  await history.jobs.run()
}, 60_000)

afterAll(() => history[Symbol.asyncDispose]())

/** Commands to a device of a type; `executed_ms` is the radio round trip that the hub told. */
function told(device_id: string, device_type: string, rows: readonly Row[]): Row[] {
  return rows.map((row) => ({
    ...row,
    device_id,
    ...(row['source_id'] === row.hub_id && { extra: { device_type } }),
  }))
}

/** A lamp and a lock of one hub, from the first hour of the day to the last. */
function devices(): Row[] {
  const maintenance = JSON.stringify([{ from_ms: at(12), to_ms: at(13) }])
  const done = (id: string, issued_ms: number, radio_ms: number) =>
    command('home', id, issued_ms, [
      ['issued', 0],
      ['sent', 1],
      ['executed', radio_ms, true],
      ['acked', radio_ms + 5],
      ['done', radio_ms + 5],
    ])
  const failed = (id: string, issued_ms: number, stage: string) =>
    command('home', id, issued_ms, [
      ['issued', 0],
      [stage, 1],
    ])
  return [
    enrolled('home', T0, { maintenance }),
    ...told('lamp-1', 'lamp', done('first', at(0), 40)),
    ...told('lamp-1', 'lamp', done('second', at(9), 50)),
    ...told('lamp-1', 'lamp', done('last', at(23, 59), 60)),
    // Issued in maintenance, so it counts for nothing but its radio round trip.
    ...told('lamp-1', 'lamp', done('in maintenance', at(12, 30), 70)),
    // It never came to the hub, which told the type of that lamp at another time.
    ...told('lamp-1', 'lamp', failed('offline', at(10), 'offline')),
    ...told('lamp-1', 'lamp', failed('expired', at(11), 'expired')),
    ...told('lock-1', 'lock', failed('rejected', at(11), 'rejected')),
  ]
}

test('commands, failures by kind and success are those of the day, by what each device is', async () => {
  const rows = await history.rows('device_days')
  expect(rows).toMatchObject([
    { device_type: 'lamp', devices: '1', issued: '5', done: '3', offline: '1', expired: '1', command_success: 0.6 },
    { device_type: 'unknown', devices: '1', issued: '1', done: '0', rejected: '1', command_success: 0 },
  ])
  expect(new Date(String(rows[0]?.['day'])).getTime()).toBe(T0)
})

test('radio percentiles are read from merged log buckets of 1 % relative error', async () => {
  const [lamps] = await history.rows('device_days', `device_type = 'lamp'`)
  expect(lamps?.['radio_count']).toBe('4')
  // Of 40, 50, 60 and 70 the one at the rank ⌊q × 3⌋, as DDSketch has it.
  for (const [column, ms] of [
    ['radio_p50_ms', 50],
    ['radio_p95_ms', 60],
    ['radio_p99_ms', 60],
  ] as const)
    expect(Math.abs(Number(lamps?.[column]) / ms - 1), column).toBeLessThanOrEqual(0.01)
})

test('a running day has no row yet, and no reason to be asked for', async () => {
  await history.add([enrolled('home', T0 + DAY_MS)])
  await history.jobs.run()
  await expect(history.look.explain('device_days', T0 + DAY_MS)).rejects.toMatchObject({
    kind: 'missing',
    message: expect.stringContaining('it is made of whole days, once they are over'),
  })
  expect(await history.look.explain('device_days', at(9))).toMatchObject([{ bucket: -1, record: { open: false } }])
})

test('a command that is told days later makes its day anew, and no other', async () => {
  await history.clock.advance(3 * DAY_MS)
  await history.jobs.run()
  await history.add(
    told(
      'lamp-1',
      'lamp',
      command('home', 'late', at(14), [
        ['issued', 0],
        ['offline', 1],
      ]),
    ),
  )
  const runs = await history.jobs.run()
  const days = runs.find(({ metric }) => metric === 'device_days')
  expect(days?.units).toMatchObject([{ hour_ms: T0, cause: 'command_traces moved' }])
  expect((await history.rows('device_days', `device_type = 'lamp'`))[0]).toMatchObject({ issued: '6', offline: '2' })
})
