import { expect, test } from 'vitest'
import type { AddFile } from '../lake/action.ts'
import { seededRandom } from '../sim/clock.ts'
import { catalogue } from './catalogue.ts'
import { DAY_MS } from './day.ts'
import { cellName, cellsOf, cellTags, type HourRecord } from './ledger.ts'
import { HOUR_MS, SETTLE_MS } from './limits.ts'
import type { Metric, MetricInput } from './metric.ts'
import { bucketsOf, causeOf, type PlanState, plan } from './plan.ts'
import { unitTime } from './shape.ts'
import { ALL, nothingTouched, spansOf, type Touched } from './touched.ts'

const T0 = Date.UTC(2026, 10, 20)
const DAYS = 4
const BUCKETS = 3

/** What may be of a metric and its inputs: mostly all is made and nothing moved since, so that a cause stands alone. */
function anyState(metric: Metric, seed: number): PlanState {
  const { float } = seededRandom(seed)
  const below = (count: number) => Math.floor(float() * count)
  const inputs = new Map(metric.inputs.map(({ table }) => [table, touchedSomewhere()]))
  const state = { metric, buckets: BUCKETS, inputs, floor: below(5) === 0 ? floorAt() : undefined }
  const now_ms = T0 + DAYS * DAY_MS + below(DAY_MS)
  const files = new Map<string, AddFile>()
  for (const bucket of bucketsOf(state)) for (const add of filesOf(bucket)) files.set(add.path, add)
  const [events = touchedSomewhere()] = inputs.values()
  return { ...state, now_ms, spans: spansOf(events, now_ms), cells: cellsOf(metric, { files }) }

  function floorAt() {
    return { table: 'events', from_ms: T0 + below(DAYS) * DAY_MS }
  }

  function touchedSomewhere(): Touched {
    const touched = nothingTouched()
    for (let i = below(4); i >= 0; i--) {
      const [hour_ms, bucket] = [T0 + below(DAYS * 24) * HOUR_MS, below(BUCKETS + 1) - 1]
      for (const versions of [touched.hours, touched.issued, touched.receipts])
        if (below(2) === 0) versions.set(hour_ms, bucket, below(12))
      if (below(4) === 0) touched.validity.add({ from_ms: hour_ms + below(HOUR_MS), bucket, version: below(12) })
    }
    return touched
  }

  function filesOf(bucket: number): readonly AddFile[] {
    if (metric.shape === 'bucket') return below(5) === 0 ? [] : [fileOf(0, bucket, [0])]
    const days = Array.from({ length: DAYS }, (_, day) => T0 + day * DAY_MS).filter(() => below(8) > 0)
    return days.map((day_ms) => {
      if (metric.shape === 'day-all') return fileOf(day_ms, bucket, [day_ms])
      const hours = Array.from({ length: 24 }, (_, hour) => day_ms + hour * HOUR_MS)
      return fileOf(day_ms, bucket, below(4) === 0 ? hours.filter(() => below(20) > 0) : hours)
    })
  }

  function fileOf(day_ms: number, bucket: number, hours: readonly number[]): AddFile {
    const name = cellName(day_ms, bucket)
    const tags = cellTags(name, new Map(hours.map((hour_ms) => [hour_ms, recordOf()])))
    return { path: name, partitionValues: {}, size: 1, modificationTime: 0, dataChange: true, tags }
  }

  function recordOf(): HourRecord {
    const odd = below(100)
    return {
      inputs: Object.fromEntries(metric.inputs.map(({ table }) => [table, odd === 0 ? below(12) : 10])),
      carry: odd === 1 ? 'b' : 'a',
      out: odd === 2 ? 'b' : 'a',
      rows: '',
      open: odd === 3,
      revision: metric.revision + (odd === 4 ? -1 : odd === 5 ? 1 : 0),
      definition: metric.hash,
    }
  }
}

test('what is planned by days is what a look at each hour finds', () => {
  let found = 0
  for (const metric of catalogue()) {
    for (let seed = 0; seed < 60; seed++) {
      const state = anyState(metric, seed)
      const hours =
        metric.shape === 'bucket'
          ? state.spans.slice(0, 1).map(() => 0)
          : state.spans.flatMap(({ from_ms, to_ms }) => {
              const length_ms = unitTime(metric.shape)?.length_ms ?? HOUR_MS
              const first_ms = Math.floor(from_ms / length_ms) * length_ms
              const count = Math.floor((to_ms - first_ms) / length_ms) + 1
              return Array.from({ length: count }, (_, i) => first_ms + i * length_ms)
            })
      const each = hours.flatMap((hour_ms) =>
        bucketsOf(state).flatMap((bucket) => {
          const cause = causeOf(state, hour_ms, bucket)
          return cause ? [{ metric: metric.name, hour_ms, bucket, cause }] : []
        }),
      )
      expect(plan(state), `${metric.name}, seed ${seed}`).toEqual(each)
      found += each.length
    }
  }
  expect(found).toBeGreaterThan(10_000)
})

test('an hour is due when a version that is about it, or about all buckets, came after those it was made from', () => {
  for (const metric of catalogue()) {
    for (let seed = 0; seed < 20; seed++) {
      const state = anyState(metric, seed)
      for (const { day_ms, bucket, hours } of state.cells.values()) {
        for (const [hour_ms, record] of hours()) {
          const cause = causeOf(state, hour_ms, bucket)
          if (cause !== undefined && !cause.endsWith(' moved')) continue
          const moved = metric.inputs.filter(
            (input) => newestIn(state, input, hour_ms, bucket) > (record.inputs[input.table] ?? -1),
          )
          const frozen = state.floor && metric.shape !== 'bucket' && hour_ms - HOUR_MS < state.floor.from_ms
          const ahead = [...hours().values()].some(({ revision }) => revision > metric.revision)
          const expected = frozen || ahead ? undefined : moved[0] && `${moved[0].table} moved`
          if (cause === undefined || moved.length > 0) expect(cause, `${metric.name} ${seed} ${day_ms}`).toBe(expected)
        }
      }
    }
  }
})

function newestIn(
  { inputs, metric }: PlanState,
  { table, reach }: MetricInput,
  hour_ms: number,
  bucket: number,
): number {
  const touched = inputs.get(table) ?? nothingTouched()
  const about = (of: number) => of === ALL || bucket === ALL || of === bucket
  const end_ms = hour_ms + (unitTime(metric.shape)?.length_ms ?? Number.POSITIVE_INFINITY)
  const versions =
    reach === 'validity'
      ? touched.validity.rows.filter((row) => about(row.bucket) && row.from_ms < end_ms).map(({ version }) => version)
      : [...touched[reach === 'receipt' ? 'receipts' : reach === 'hour' ? 'hours' : 'issued'].entries()]
          .filter(([hour, of]) => hour >= hour_ms && hour < end_ms && about(of))
          .map(([, , version]) => version)
  return Math.max(-1, ...versions)
}

test('a registry row counts from its moment on, for its bucket or for all', () => {
  const { validity } = nothingTouched()
  validity.add({ from_ms: 10, bucket: 1, version: 5 })
  expect(validity.newest(1, 10)).toBe(-1)
  validity.add({ from_ms: 5, bucket: ALL, version: 3 })
  expect([validity.newest(1, 11), validity.newest(2, 11), validity.newest(ALL, 11), validity.newest(1, 6)]).toEqual([
    5, 3, 5, 3,
  ])
})

test('a unit of a day is due once the day is over and settled, and again when an hour of an input in it moved', () => {
  const metric = catalogue().find(({ shape }) => shape === 'day-all')
  if (!metric) throw new Error('there is a metric of days')
  const [{ table } = { table: '' }] = metric.inputs
  const touched = nothingTouched()
  touched.hours.set(T0 + 5 * HOUR_MS, 1, 7)
  const over_ms = T0 + DAY_MS + SETTLE_MS
  const dueAt = (now_ms: number, cells: PlanState['cells'] = new Map()) =>
    plan({
      ...{ metric, now_ms, cells, buckets: BUCKETS, inputs: new Map([[table, touched]]), floor: undefined },
      spans: spansOf(touched, now_ms),
    }).map(({ hour_ms, bucket, cause }) => [hour_ms, bucket, cause])
  expect(dueAt(over_ms - 1)).toEqual([])
  expect(dueAt(over_ms)).toEqual([[T0, ALL, 'never computed']])
  const record = { carry: '', out: '', rows: '', open: false, revision: metric.revision, definition: metric.hash }
  const made = (version: number) => {
    const tags = cellTags(cellName(T0, ALL), new Map([[T0, { ...record, inputs: { [table]: version } }]]))
    const add = { path: 'p', partitionValues: {}, size: 1, modificationTime: 0, dataChange: true, tags }
    return cellsOf(metric, { files: new Map([['p', add]]) })
  }
  expect(dueAt(over_ms, made(7))).toEqual([])
  touched.hours.set(T0 + 23 * HOUR_MS, 0, 8)
  expect(dueAt(over_ms, made(7))).toEqual([[T0, ALL, `${table} moved`]])
  expect(dueAt(over_ms + DAY_MS, made(8))).toEqual([[T0 + DAY_MS, ALL, 'never computed']])
})
