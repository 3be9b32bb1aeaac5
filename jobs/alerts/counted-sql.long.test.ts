/** What alerts, what stands behind them, and the rows that people are led to count, against what `slo_hours` counts. */
import { afterEach, expect, test } from 'vitest'
import { openQuery } from '../../lake/query.ts'
import { seededRandom } from '../../sim/clock.ts'
import { HOUR_MS } from '../limits.ts'
import { applyObjectives, defaultObjectives } from '../objectives-table.ts'
import { command, type History, openHistory } from '../testing/history.ts'
import { STORY_HOURS, tellStory } from '../testing/story.ts'
import { behindSql, rowsSql } from './behind-sql.ts'
import { MINUTE_MS } from './burn-rate.ts'
import { pointRow } from './objectives-look.ts'
import { pointsSql } from './points-sql.ts'

const T0 = Date.UTC(2026, 10, 20, 20)
const END_MS = T0 + STORY_HOURS * HOUR_MS

let history: History
afterEach(() => history[Symbol.asyncDispose]())

/** The objectives that come with Hearth, and each for a part of the fleet. */
const objectives = defaultObjectives().flatMap((one) => [
  one,
  { ...one, name: `${one.name}-4-3-0`, firmware: '4.3.0' },
  { ...one, name: `${one.name}-north`, ...(one.measure === 'latency' ? { firmware: '4.2.1' } : { region: 'north' }) },
])

/** Each hour of each objective in which something was counted, or could not be. */
type Sums = Map<string, readonly [bad: number, total: number, unknown: number]>

function add(sums: Sums, objective: string, time_ms: number, bad: number, total: number, unknown: number): void {
  const key = `${objective} ${Math.floor(time_ms / HOUR_MS) * HOUR_MS - T0}`
  const [bads, totals, unknowns] = sums.get(key) ?? [0, 0, 0]
  if (bad !== 0 || total !== 0 || unknown !== 0) sums.set(key, [bads + bad, totals + total, unknowns + unknown])
}

test.each([1, 2, 3])('all count what slo_hours counts, next to a threshold too: history %i', async (seed) => {
  history = await openHistory(END_MS)
  const { lake, clock } = history
  await applyObjectives({ lake, clock, random: seededRandom(seed) }, objectives)
  // 500 ms are good up to the end of their log bucket, at 502.8 ms.
  const durations = [0, 1, 499, 500, 501, 502, 502.7, 502.9, 503, 510].flatMap((ms, i) =>
    command('demo-01', `after ${ms}`, T0 + (90 + i) * MINUTE_MS, [
      ['issued', 0],
      ['sent', 0],
      ['executed', ms, true],
      ['acked', ms],
      [i % 2 === 0 ? 'done' : 'late', ms],
    ]),
  )
  await history.add([...tellStory(seed, T0), ...durations])
  await history.jobs.run()
  await using query = await openQuery({ lake, clock, threads: 1 })

  const expected: Sums = new Map()
  for (const row of await history.rows('slo_hours')) {
    const [bad, total] = [Number(row['bad']), Number(row['total'])]
    const unknown = row['measure'] === 'availability' ? Number(row['excluded']) : 0
    add(expected, String(row['objective']), Date.parse(String(row['hour'])), bad, total, unknown)
  }
  expect(new Set([...expected.keys()].map((key) => key.split(' ')[0])).size).toBeGreaterThan(8)
  expect(expected.get(`tap-to-light ${HOUR_MS}`)?.[0]).toBeGreaterThanOrEqual(3)

  const minutes: Sums = new Map()
  for (const row of (await query.run(pointsSql(END_MS))).rows) {
    const [objective, from_ms, to_ms, bad, total, unknown] = pointRow.parse(row)
    expect(to_ms - from_ms).toBe(objective.startsWith('telemetry-loss') ? HOUR_MS : MINUTE_MS)
    add(minutes, objective, from_ms, bad, total, unknown)
  }
  expect(Object.fromEntries(minutes)).toEqual(Object.fromEntries(expected))

  const window = { from_ms: T0, to_ms: END_MS }
  for (const { name, measure } of objectives) {
    const hours = [...expected].filter(([key]) => key.startsWith(`${name} `)).map(([, sums]) => sums)
    const [bad, total] = [0, 1].map((i) => hours.reduce((sum, one) => sum + (one[i] ?? 0), 0))
    const { rows } = await query.run(behindSql(name, measure, window))
    expect(rows.filter(([dimension]) => dimension === 'all')).toEqual(bad === 0 ? [] : [['all', 'all', bad, total]])
    const led = await query.run(rowsSql(name, measure, window, []))
    const column = led.columns.findIndex((one) => ['away_ms', 'lost'].includes(one.name))
    expect(led.rows.reduce((sum, row) => sum + (column < 0 ? 1 : Number(row[column])), 0)).toBe(bad)
  }
})
