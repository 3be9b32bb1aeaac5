/** What `slo_hours` counts for each objective, case by case. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { HOUR_MS } from './limits.ts'
import type { Objective } from './objective.ts'
import { applyObjectives, defaultObjectives } from './objectives-table.ts'
import { batch, command, connected, enrolled, type History, openHistory, type Row } from './testing/history.ts'

const T0 = Date.UTC(2026, 10, 20, 8)
const MINUTE_MS = 60_000
const at = (minute: number) => T0 + minute * MINUTE_MS

let history: History

beforeAll(async () => {
  history = await openHistory(T0 + HOUR_MS + 5 * MINUTE_MS)
  await history.add([...homes(), ...commands(), ...telemetry()])
  await history.jobs.run()
}, 60_000)

afterAll(() => history[Symbol.asyncDispose]())

/** One hub that is connected all the time, in maintenance for a quarter of the hour; another that is not there at all. */
function homes(): Row[] {
  const maintenance = JSON.stringify([{ from_ms: at(15), to_ms: at(30) }])
  return [
    enrolled('north', T0, { maintenance }),
    ...connected('north', T0, T0 + HOUR_MS),
    enrolled('south', T0, { region: 'south' }),
  ]
}

/** Four that are done after so many ms of tap to light, one that is not, and one in maintenance. */
function commands(): Row[] {
  const done = (id: string, minute: number, ms: number) =>
    command('north', id, at(minute), [
      ['issued', 0],
      ['sent', 0],
      ['executed', ms, true],
      ['acked', ms],
      ['done', ms],
    ])
  return [
    ...[0, 100, 502, 504].flatMap((ms, i) => done(`after ${ms}`, i, ms)),
    ...['offline', 'in maintenance'].flatMap((id, i) =>
      command('north', id, at(10 + 10 * i), [
        ['issued', 0],
        ['offline', 1],
      ]),
    ),
  ]
}

/** Ten events, of which three never come. */
function telemetry(): Row[] {
  const dropped = (held: boolean) =>
    JSON.stringify({ dropped: [], previous: [{ boot: '1-1-bbbbbbbb', next: 10, acked: 0, dropped: [], held }] })
  return [
    batch('north', at(40), 0, 7),
    batch('north', at(50), 0, 0, { boot_id: '1-2-cccccccc', batch_dropped: dropped(false) }),
  ]
}

/** good, bad, total, excluded and matched of an objective in the hour. */
async function counted(objective: string): Promise<readonly number[]> {
  const [row] = await history.rows('slo_hours', `objective = '${objective}' AND hour = '2026-11-20T08:00:00Z'`)
  return ['good', 'bad', 'total', 'excluded', 'matched'].map((name) => Number(row?.[name]))
}

async function give(objectives: readonly Objective[]): Promise<void> {
  const { lake, clock } = history
  const random = { float: () => 0.5, bytes: (count: number) => new Uint8Array(count).fill(7) }
  await applyObjectives({ lake, clock, random }, objectives)
}

test('availability counts the known ms of expected hubs, and leaves out maintenance', async () => {
  expect(await counted('connection-availability')).toEqual([...[45 * MINUTE_MS, 60 * MINUTE_MS, 105 * MINUTE_MS, 0], 2])
})

test('command success counts what was issued to expected hubs, and excludes the others', async () => {
  expect(await counted('command-success')).toEqual([4, 1, 5, 1, 2])
})

test('a duration is good up to the end of the log bucket of its threshold, within 2 %', async () => {
  // ln 500 ÷ ln(1.01 ÷ 0.99) = 310.7; bucket 311 ends at 502.7. Zero is good, and in no bucket.
  expect((await counted('tap-to-light')).slice(0, 4)).toEqual([3, 1, 4, 0])
})

test('of loss what was sent and not lost is good', async () => {
  expect(await counted('telemetry-loss')).toEqual([7, 3, 10, 0, 2])
})

test('what an objective is judged by stands beside what it counts', async () => {
  const [row] = await history.rows('slo_hours', `objective = 'tap-to-light' AND complete`)
  expect(row).toMatchObject({ measure: 'latency', target: 0.95, window_days: 30, minimum_total: '100' })
})

test('other objectives make every hour anew, and one that matches no data says so', async () => {
  const [availability] = defaultObjectives().filter(({ measure }) => measure === 'availability')
  if (!availability) throw new Error('there is one of availability')
  await give([
    { ...availability, name: 'south', region: 'south', target: 0.9 },
    { ...availability, name: 'nobody', firmware: '9.9.9' },
  ])
  expect(await history.jobs.plan()).toMatchObject(
    [T0, T0 + HOUR_MS].map((hour_ms) => ({ metric: 'slo_hours', hour_ms, bucket: -1, cause: 'objectives moved' })),
  )
  await history.jobs.run()
  expect(await counted('south')).toEqual([0, 60 * MINUTE_MS, 60 * MINUTE_MS, 0, 1])
  expect(await counted('nobody')).toEqual([0, 0, 0, 0, 0])
  expect(await history.rows('slo_hours', `objective = 'tap-to-light'`)).toEqual([])
  expect(await history.jobs.plan()).toEqual([])
})
