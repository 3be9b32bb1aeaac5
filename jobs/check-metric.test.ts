import { expect, test } from 'vitest'
import { seededRandom } from '../sim/clock.ts'
import { catalogue, extended } from './catalogue.ts'
import { checkMetric, type MetricCheck } from './check-metric.ts'
import { HOUR_MS } from './limits.ts'
import { type Metric, parseMetric } from './metric.ts'
import { batch, command, connected, enrolled, openHistory } from './testing/history.ts'
import { LAMP_SELECT, lampHours } from './testing/lamp-hours.ts'

const T0 = Date.UTC(2026, 10, 20, 22)

/** What is found, by check. */
async function checked(
  text: string,
  signal?: AbortSignal,
  others: readonly Metric[] = [],
): Promise<Record<string, Omit<MetricCheck, 'name'>>> {
  await using history = await openHistory(T0 + 3 * HOUR_MS)
  await history.add(
    ['demo-01', 'demo-02', 'demo-03'].flatMap((hub) => [
      enrolled(hub, T0),
      ...connected(hub, T0, T0 + 2 * HOUR_MS),
      { ...batch(hub, T0 + 60_000, 0, 1), source_id: 'relay-0', of_service: true },
      ...[0, 1, 2, 3].flatMap((i) => command(hub, `${hub}-${i}`, T0 + i * 20 * 60_000, [['issued', 0]])),
    ]),
  )
  const metric = parseMetric('lamp_hours.sql', text)
  const { lake, clock } = history
  const scratch_folder = lake.store.localPath?.('scratch-check') ?? ''
  const options = {
    lake,
    clock,
    random: seededRandom(3),
    scratch_folder,
    metrics: extended([metric, ...others]),
    signal,
  }
  const found = await checkMetric(metric, options)
  return Object.fromEntries(found.map(({ name, ...rest }) => [name, rest]))
}

const holds = (found: Record<string, Omit<MetricCheck, 'name'>>) =>
  Object.entries(found).map(([name, one]) => [name, one.holds])

test('a metric that is right holds', async () => {
  const found = await checked(lampHours())
  expect(holds(found)).toEqual([
    ['units named', true],
    ['runs', true],
    ['keys unique', true],
    ['checks hold', true],
    ['late events come to the same', true],
    ['Spark makes the same', null],
  ])
  expect(found['runs']?.note).toMatch(/^\d+ events of 3 hubs gave 6 rows$/)
})

test('a SELECT that does not run is said, with where it is wrong', async () => {
  const found = await checked(lampHours(LAMP_SELECT.replace('hub_id, COUNT', 'home, COUNT')))
  expect(found['runs']).toMatchObject({
    holds: false,
    problem: expect.stringMatching(/^lamp_hours: its SELECT: Binder Error: .*"home"/),
    lines: expect.arrayContaining([expect.stringMatching(/^LINE 1: .*home, COUNT/)]),
  })
  expect(holds(found).slice(2)).toEqual(
    holds(found)
      .slice(2)
      .map(([name]) => [name, null]),
  )
})

test('a key that stands twice is said, with rows', async () => {
  const found = await checked(lampHours(`${LAMP_SELECT} UNION ALL ${LAMP_SELECT}`))
  expect(found['keys unique']).toMatchObject({ holds: false, problem: 'keys not unique in 6 rows of a day, as:' })
  expect(found['keys unique']?.lines).toHaveLength(3)
  expect(found).toMatchObject({ runs: { holds: true }, 'checks hold': { holds: null } })
})

test('a check that fails is said, with rows', async () => {
  const found = await checked(lampHours(LAMP_SELECT.replace('COUNT(*)', '0 * COUNT(*)')))
  expect(found).toMatchObject({
    runs: { holds: true },
    'keys unique': { holds: true },
    'checks hold': { holds: false, problem: '"some" fails in 6 rows of a day, as:' },
  })
  expect(found['checks hold']?.lines?.[0]).toMatch(/"hub_id":"demo-0.*"commands":"0"/)
})

test('a check that fails of a metric that it reads is told as that one’s', async () => {
  const light = lampHours(LAMP_SELECT.replace('COUNT(*)', '0 * COUNT(*)')).replace('lamp_hours', 'light_hours')
  const lamp = lampHours('SELECT hour, bucket, hub_id, commands FROM light_hours')
  const reads = lamp.replace('events by hour', 'light_hours').replace(/-- only.*\n/, '')
  const found = await checked(reads, undefined, [parseMetric('light_hours.sql', light)])
  expect(found).toMatchObject({
    runs: { holds: false, problem: 'of light_hours, which it reads, "some" fails in 6 rows of a day, as:' },
    'checks hold': { holds: null },
  })
})

test('a metric whose numbers hang on when events came is found out', async () => {
  const select = LAMP_SELECT.replace('COUNT(*) AS', 'COUNT(*) + CAST(1000000 * random() AS BIGINT) AS')
  expect((await checked(lampHours(select)))['late events come to the same']).toMatchObject({
    holds: false,
    problem: 'it has 6 rows, and 6 where DuckDB makes all at once; the first that differ:',
    lines: [expect.stringMatching(/demo-0.* all at once$/), expect.stringMatching(/demo-0.* here$/)],
  })
})

test('no rows are a warning, and nothing is tried on them', async () => {
  const found = await checked(lampHours().replace("'command'", "'comand'"))
  expect(found['runs']).toMatchObject({
    holds: true,
    note: expect.stringMatching(/^warning: \d+ events of 3 hubs gave 0 rows; its only lets 0 of them through$/),
  })
  expect(found['checks hold']).toEqual({ holds: null, note: 'not tried: no rows' })
})

test('a check ends when it is told to', async () => {
  await expect(checked(lampHours(), AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
  const over = new AbortController()
  const long = LAMP_SELECT.replace('COUNT(*) AS', '(SELECT COUNT(*) FROM range(100) r(n)) AS')
  const waits = checked(lampHours(long), over.signal)
  over.abort(new Error('enough'))
  await expect(waits).rejects.toThrow('enough')
})

test('metrics of one’s own come after what they read, in whatever order they are given', () => {
  const [lamp] = [parseMetric('lamp_hours.sql', lampHours(LAMP_SELECT))]
  const rooms = { ...lamp, name: 'room_hours', inputs: [{ table: 'lamp_hours', reach: 'hour' as const }] }
  expect(extended([rooms as typeof lamp, lamp]).slice(-2)).toEqual([lamp, rooms])
  expect(() => extended([rooms as typeof lamp])).toThrow(/room_hours reads lamp_hours: expected events/)
  expect(() => extended([{ ...lamp, name: 'hub_hours' }])).toThrow(/there is a table or metric hub_hours already/)
  expect(extended([])).toEqual(catalogue())
})
