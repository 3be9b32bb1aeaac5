import { expect, test } from 'vitest'
import { seededRandom } from '../sim/clock.ts'
import { catalogue, extended } from './catalogue.ts'
import { checkMetric } from './check-metric.ts'
import { HOUR_MS } from './limits.ts'
import { parseMetric } from './metric.ts'
import { command, connected, enrolled, openHistory } from './testing/history.ts'
import { LAMP_SELECT, lampHours } from './testing/lamp-hours.ts'

const T0 = Date.UTC(2026, 10, 20, 22)

/** By check: whether it holds, and what is wrong. */
async function checked(select: string): Promise<Record<string, string | undefined>> {
  await using history = await openHistory(T0 + 3 * HOUR_MS)
  await history.add(
    ['demo-01', 'demo-02', 'demo-03'].flatMap((hub) => [
      enrolled(hub, T0),
      ...connected(hub, T0, T0 + 2 * HOUR_MS),
      ...[0, 1, 2, 3].flatMap((i) => command(hub, `${hub}-${i}`, T0 + i * 20 * 60_000, [['issued', 0]])),
    ]),
  )
  const metric = parseMetric('lamp_hours.sql', lampHours(select))
  const { lake, clock } = history
  const scratch_folder = lake.store.localPath?.('scratch-check') ?? ''
  const options = { lake, clock, random: seededRandom(3), scratch_folder, metrics: extended([metric]) }
  const found = await checkMetric(metric, options)
  return Object.fromEntries(found.map(({ name, problem }) => [name, problem]))
}

test('a metric that is right holds', async () => {
  expect(Object.entries(await checked(LAMP_SELECT))).toEqual([
    ['units named', undefined],
    ['runs', undefined],
    ['late events come to the same', undefined],
    ['Spark makes the same', undefined],
  ])
})

test.each([
  ['a column that is not there', LAMP_SELECT.replace('hub_id, COUNT', 'home, COUNT'), /home/],
  [
    'a column that the header names and the SELECT lacks',
    LAMP_SELECT.replace('AS commands', 'AS orders'),
    /orders|commands/,
  ],
  ['a key that stands twice', `${LAMP_SELECT} UNION ALL ${LAMP_SELECT}`, /failed its check "unique"/],
  ['a check that fails', LAMP_SELECT.replace('COUNT(*)', '0 * COUNT(*)'), /failed its check "some"/],
])('%s is said', async (_, select, said) => {
  expect(await checked(select)).toMatchObject({ runs: expect.stringMatching(said) })
})

test('a metric whose numbers hang on when events came is found out', async () => {
  const found = await checked(LAMP_SELECT.replace('COUNT(*) AS', 'COUNT(*) + CAST(1000000 * random() AS BIGINT) AS'))
  expect(found['late events come to the same']).toMatch(/first of those that differ: .*demo-0/)
})

test('metrics of one’s own come after what they read, in whatever order they are given', () => {
  const [lamp] = [parseMetric('lamp_hours.sql', lampHours(LAMP_SELECT))]
  const rooms = { ...lamp, name: 'room_hours', inputs: [{ table: 'lamp_hours', reach: 'hour' as const }] }
  expect(extended([rooms as typeof lamp, lamp]).slice(-2)).toEqual([lamp, rooms])
  expect(() => extended([rooms as typeof lamp])).toThrow(/room_hours reads lamp_hours: expected events/)
  expect(() => extended([{ ...lamp, name: 'hub_hours' }])).toThrow(/there is a table or metric hub_hours already/)
  expect(extended([])).toEqual(catalogue())
})
