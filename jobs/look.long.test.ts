import { expect, test } from 'vitest'
import { openLake } from '../lake/lake.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { seededRandom } from '../sim/clock.ts'
import { catalogue } from './catalogue.ts'
import { FRESH_WITHIN_MS, HOUR_MS } from './limits.ts'
import { openLook } from './look.ts'
import { BUCKETS, connected, enrolled, type History, openHistory } from './testing/history.ts'

const T0 = Date.UTC(2026, 10, 20, 22)
const MINUTE_MS = 60_000

async function oneHub(): Promise<History> {
  const history = await openHistory(T0 + 3 * HOUR_MS + 5 * MINUTE_MS)
  await history.add([enrolled('demo-01', T0), ...connected('demo-01', T0, T0 + 3 * HOUR_MS)])
  return history
}

const lookAt = ({ lake, clock }: History) => openLook({ lake, clock, metrics: catalogue(), folds: lake.store })

test('a look at what was never made says what is due, and makes no table', async () => {
  await using history = await oneHub()
  const tables = await history.lake.tables()
  const look = lookAt(history)
  const [hubs, , , , hours] = await look.status()
  expect(hubs).toMatchObject({ metric: 'hubs', computed: 0, complete_to_ms: undefined, fresh_until_ms: undefined })
  expect(hours).toMatchObject({
    ...{ metric: 'hub_hours', computed: 0, newest_ms: undefined, complete_to_ms: undefined },
    fresh_until_ms: T0 + HOUR_MS + FRESH_WITHIN_MS,
  })
  expect(hours?.due).toHaveLength(4 * BUCKETS)
  expect(await look.explain('hub_hours', T0)).toMatchObject([{ cause: 'never computed' }, { cause: 'never computed' }])
  expect(await history.lake.tables()).toEqual(tables)
})

test('a metric reaches to the end of its newest hour that is over, and is late a while after the next one', async () => {
  await using history = await oneHub()
  const look = lookAt(history)
  await history.jobs.run()
  const hours = async () => (await look.status()).find(({ metric }) => metric === 'hub_hours')
  const complete_to_ms = T0 + 3 * HOUR_MS
  const reached = { complete_to_ms, fresh_until_ms: complete_to_ms + HOUR_MS + FRESH_WITHIN_MS }
  expect(await hours()).toMatchObject({ ...reached, newest_ms: complete_to_ms, due: [] })
  await history.clock.advance(HOUR_MS)
  const later = await hours()
  expect(later).toMatchObject(reached)
  expect(new Set(later?.due.map(({ cause }) => cause))).toEqual(new Set(['hour is over', 'never computed']))
})

test('a look asks for each table once, however many metrics read it', async () => {
  await using history = await oneHub()
  await history.jobs.run()
  const { clock, lake } = history
  const asked: string[] = []
  const store: ObjectStore = {
    ...lake.store,
    get: (path, range) => (asked.push(path), lake.store.get(path, range)),
    head: (path) => (asked.push(path), lake.store.head(path)),
    list: (prefix, options) => (asked.push(prefix), lake.store.list(prefix, options)),
  }
  const counted = await openLake({ store, clock, random: seededRandom(1) })
  const look = openLook({ lake: counted, clock, metrics: catalogue(), folds: store })
  await look.status()
  asked.length = 0
  await look.status()
  // Whether there is a version that was not read yet: for what it touched, and for what stands.
  const times = Map.groupBy(asked, (path) => path).values()
  expect(Math.max(...times.map(({ length }) => length))).toBe(2)
})

test('what nothing was committed to since is not planned again', async () => {
  await using history = await oneHub()
  const look = lookAt(history)
  const first = await look.status()
  expect((await look.status()).every((status, index) => status === first[index])).toBe(true)
  await history.jobs.run()
  expect((await look.status()).some((status, index) => status === first[index])).toBe(false)
})

test('why there is nothing of a span is known: it is of long before or after the lake, which may be empty', async () => {
  await using history = await oneHub()
  const look = lookAt(history)
  const absence = (from_ms: number, to_ms: number) => look.absence({ from_ms, to_ms })
  const DAY = 24 * HOUR_MS
  expect(await absence(T0 - 9 * DAY, T0 - 2 * DAY)).toBe(
    'nothing is known of so long ago; the next hour that it has is 2026-11-20T22:00Z',
  )
  expect(await absence(T0 - 9 * DAY, T0 + HOUR_MS)).toBeUndefined()
  expect(await absence(T0 + 2 * DAY, T0 + 3 * DAY)).toBe('it has not begun')
  await using empty = await openHistory(T0)
  expect(await lookAt(empty).absence({ from_ms: 0, to_ms: T0 })).toBe('there are no events yet')
})
