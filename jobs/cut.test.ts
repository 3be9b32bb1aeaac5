import { expect, test } from 'vitest'
import { catalogue } from './catalogue.ts'
import { type CutOptions, cut } from './cut.ts'
import { DAY_MS } from './day.ts'
import { HOUR_MS } from './limits.ts'
import type { Metric } from './metric.ts'
import type { Unit } from './plan.ts'

const metricOf = (name: string) => catalogue().find((metric) => metric.name === name) as Metric
const NOTHING: ReadonlySet<number> = new Set()

/** Two hours of each day. */
const due = (...days: readonly number[]): Unit[] =>
  days.flatMap((day) =>
    [3, 4].map((hour) => {
      return { metric: 'x', hour_ms: day * DAY_MS + hour * HOUR_MS, bucket: 0, cause: 'never computed' as const }
    }),
  )

const daysOf = (name: string, units: readonly Unit[], options: Partial<CutOptions>) => {
  const { taken, left } = cut(metricOf(name), units, {
    most: 4,
    order: 'newest',
    behind: NOTHING,
    stuck: NOTHING,
    ...options,
  })
  expect(taken.length + left.length).toBe(units.length)
  return [...new Set(taken.map(({ hour_ms }) => Math.floor(hour_ms / DAY_MS)))]
}

test('takes the newest days first, or the oldest where it is asked, as many as it may', () => {
  expect(daysOf('latency_hours', due(1, 2, 3, 4), {})).toEqual([3, 4])
  expect(daysOf('latency_hours', due(1, 2, 3, 4), { order: 'oldest' })).toEqual([1, 2])
  expect(daysOf('latency_hours', due(1, 2, 3, 4), { most: 100 })).toEqual([1, 2, 3, 4])
})

test('takes a day that alone is more than it may', () => {
  expect(daysOf('latency_hours', due(7, 8), { most: 1 })).toEqual([8])
})

test('what carries goes oldest first, up to the first day that an input lacks', () => {
  expect(daysOf('hub_hours', due(1, 2, 3, 4), {})).toEqual([1, 2])
  expect(daysOf('hub_hours', due(1, 2, 3, 4), { behind: new Set([2 * DAY_MS]) })).toEqual([1])
})

test('other days than those that an input lacks are made', () => {
  expect(daysOf('latency_hours', due(1, 2, 3, 4), { behind: new Set([4 * DAY_MS]) })).toEqual([2, 3])
})

test('a whole history is never cut', () => {
  const unit = { metric: 'hubs', hour_ms: 0, bucket: 0, cause: 'never computed' } as const
  expect(cut(metricOf('hubs'), [unit], { most: 1, order: 'newest', behind: NOTHING, stuck: NOTHING }).taken).toEqual([
    unit,
  ])
})

test('days that failed are left alone, and nothing that carries goes on past one', () => {
  const stuck = new Set([3 * DAY_MS])
  expect(daysOf('latency_hours', due(1, 2, 3, 4), { stuck })).toEqual([2, 4])
  expect(daysOf('hub_hours', due(1, 2, 3, 4), { stuck, most: 100 })).toEqual([1, 2])
  const options = { most: 100, order: 'newest', behind: NOTHING, stuck } as const
  expect(cut(metricOf('hub_hours'), due(1, 2, 3, 4), options)).toMatchObject({ more: false })
  expect(cut(metricOf('hub_hours'), due(1, 2, 4), { ...options, most: 2 })).toMatchObject({ more: true })
})
