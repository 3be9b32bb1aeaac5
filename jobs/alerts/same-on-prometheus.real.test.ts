/** Prometheus, given the same series as samples and the same rules in PromQL, has the same alerts in each minute. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { promtool, runPromtool } from '../../infra/prometheus/promtool.ts'
import { seededRandom } from '../../sim/clock.ts'
import { judgeAlerts, MINUTE_MS, type Point, rulesOf, SEVERITIES } from './burn-rate.ts'
import { minutesFrom } from './points-sql.ts'

const TARGET = 0.99
const MINIMUM = 600
const HOUR = 60
const DAY = 24 * HOUR
const MINUTES = 4 * DAY

/** What was counted in a minute; undefined: nothing is known of it. */
type Minute = { readonly bad: number; readonly total: number } | undefined
type Story = (minute: number, chance: () => number) => Minute

const share = (of: number, total = 100): Minute => ({ bad: Math.round(of * total), total })
const within = (minute: number, from: number, length: number) => minute >= from && minute < from + length

/** Each by the alerts that it must have for some time. */
const STORIES: Readonly<Record<string, { readonly fires: readonly string[]; readonly story: Story }>> = {
  healthy: { fires: [], story: (_, chance) => share(0.01 * chance()) },
  'slow-burn': { fires: ['ticket'], story: (minute) => share(within(minute, 1.5 * DAY, 2 * DAY) ? 0.02 : 0) },
  'fast-burn': {
    fires: ['page', 'ticket'],
    story: (minute, chance) => share(minute % (11 * HOUR) < 25 ? 0.3 + 0.2 * chance() : 0.002 * chance()),
  },
  'steady-burn': { fires: ['page', 'ticket'], story: (minute) => share(within(minute, 2 * DAY, 8 * HOUR) ? 0.08 : 0) },
  outage: { fires: ['page', 'ticket'], story: (minute) => share(within(minute, 2 * DAY + 17, 90) ? 1 : 0) },
  gaps: {
    fires: ['page', 'ticket'],
    story: (minute, chance) =>
      minute % 190 < 45 ? undefined : share(within(minute, DAY, 20 * HOUR) ? 0.3 * chance() : 0),
  },
  silence: {
    fires: ['page', 'ticket'],
    story: (minute) => share(within(minute, DAY, 60) ? 0.5 : 0, within(minute, DAY + 40, 9 * HOUR) ? 0 : 100),
  },
  'little-traffic': {
    fires: ['ticket'],
    story: (minute, chance) => share(minute % 7 === 0 && chance() < 0.5 ? 1 : 0, minute % 7 === 0 ? 1 : 0),
  },
  'at-the-edge': {
    fires: ['page', 'ticket'],
    story: (minute, chance) => share((0.29 * chance() * (1 + Math.sin(minute / 170))) / 2),
  },
}

type Series = readonly Minute[]

/** Minute k of a series is the sample at k minutes: what was counted in the minute before. */
function seriesOf(name: string): Series {
  const { float } = seededRandom(name.length)
  return Array.from({ length: MINUTES }, (_, minute) => STORIES[name]?.story(minute, float))
}

/**
 * The points of up to that minute: minutes from `from_ms` on and hours before it, as `pointsSql` gives them where that is
 * the begin of an hour.
 */
function pointsOf(series: Series, sums: ReturnType<typeof sumsOf>, at: number, from: number): readonly Point[] {
  const points: Point[] = []
  for (let minute = Math.max(0, from + 1); minute <= at; minute++) {
    const one = series[minute]
    if (one) points.push({ ...one, unknown: 0, from_ms: (minute - 1) * MINUTE_MS, to_ms: minute * MINUTE_MS })
  }
  for (let end = from; end > 0 && end > at - 3 * DAY - HOUR; end -= HOUR) {
    const [to, before] = [sums[end + 1], sums[Math.max(0, end - HOUR + 1)]]
    if (!to || !before) continue
    const [bad, total] = [to.bad - before.bad, to.total - before.total]
    points.push({ bad, total, unknown: 0, from_ms: (end - HOUR) * MINUTE_MS, to_ms: end * MINUTE_MS })
  }
  return points
}

/** Of the first minutes of a series. */
function sumsOf(series: Series): readonly { readonly bad: number; readonly total: number }[] {
  let sum = { bad: 0, total: 0 }
  return [sum, ...series.map((one) => (sum = { bad: sum.bad + (one?.bad ?? 0), total: sum.total + (one?.total ?? 0) }))]
}

/** For each minute, by severity: does it fire? */
function firingOf(name: string, series: Series): readonly Readonly<Record<string, boolean>>[] {
  const sums = sumsOf(series)
  const judge = (at: number, from: number) => {
    const points = pointsOf(series, sums, at, from)
    const one = { objective: name, target: TARGET, window_days: 30, matched: 1, alert_minimum: MINIMUM, points }
    return new Map(judgeAlerts(one, at * MINUTE_MS).map(({ severity, state }) => [severity, state === 'firing']))
  }
  return series.map((_, at) => {
    const asRead = judge(at, minutesFrom(at * MINUTE_MS) / MINUTE_MS)
    // Windows of days begin at whole hours: there they are the very same, and between them a window of exact length is.
    const tickets = at % HOUR === 0 ? asRead : judge(at, at - 7 * HOUR)
    return { page: asRead.get('page') === true, ticket: tickets.get('ticket') === true }
  })
}

/** The rules in PromQL. A range has both its ends: less a second it has as many samples as minutes. */
function rules() {
  const over = (name: string, ms: number) => `sum_over_time(${name}[${ms / 1000 - 1}s])`
  const windows = [...new Set(rulesOf(30).flatMap(({ long_ms, short_ms }) => [long_ms, short_ms]))]
  return {
    groups: [
      {
        name: 'objectives',
        rules: [
          ...windows.map((ms) => ({
            record: `burn:${ms / MINUTE_MS}m`,
            expr: `${over('bad', ms)} / ${over('total', ms)} / (1 - ${TARGET})`,
          })),
          ...SEVERITIES.map((severity) => ({
            alert: severity,
            expr: rulesOf(30)
              .filter((rule) => rule.severity === severity)
              .map(({ long_ms, short_ms, burn }) => {
                const burns = [long_ms, short_ms].map((ms) => `burn:${ms / MINUTE_MS}m > ${burn}`)
                return `(${burns.join(' and ')} and ${over('total', long_ms)} >= ${MINIMUM})`
              })
              .join(' or '),
          })),
        ],
      },
    ],
  }
}

let folder = ''
beforeAll(() => {
  promtool()
  folder = mkdtempSync(join(tmpdir(), 'hearth-promtool-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

type Expected = { readonly name: string; readonly series: Series; readonly firing: ReturnType<typeof firingOf> }

/** Runs Prometheus over the series, minute by minute; throws where its alerts are not the expected ones. */
function comparePrometheus(all: readonly Expected[], minutes: number): string {
  const values = (series: Series, of: 'bad' | 'total') => series.map((one) => (one ? one[of] : '_')).join(' ')
  const alerts = Array.from({ length: minutes }, (_, minute) =>
    SEVERITIES.map((alertname) => ({
      ...{ alertname, eval_time: `${minute}m` },
      exp_alerts: all
        .filter(({ firing }) => firing[minute]?.[alertname])
        .map(({ name }) => ({ exp_labels: { objective: name } })),
    })),
  )
  const input_series = all.flatMap(({ name, series }) =>
    (['bad', 'total'] as const).map((of) => ({ series: `${of}{objective="${name}"}`, values: values(series, of) })),
  )
  const tests = [{ interval: '1m', input_series, alert_rule_test: alerts.flat() }]
  writeFileSync(join(folder, 'rules.yaml'), JSON.stringify(rules()))
  writeFileSync(
    join(folder, 'test.yaml'),
    JSON.stringify({ rule_files: ['rules.yaml'], evaluation_interval: '1m', tests }),
  )
  return runPromtool(['test', 'rules', 'test.yaml'], folder)
}

const told = (name: string): Expected => {
  const series = seriesOf(name)
  return { name, series, firing: firingOf(name, series) }
}

test('each minute of four days has the alerts that Prometheus has', () => {
  const all = Object.keys(STORIES).map(told)
  for (const { name, firing } of all) {
    const fired = SEVERITIES.filter((severity) => firing.some((minute) => minute[severity]))
    expect(fired, name).toEqual(STORIES[name]?.fires)
  }
  expect(comparePrometheus(all, MINUTES)).toContain('SUCCESS')
})

test('Prometheus would say where they differ', () => {
  const { name, series, firing } = told('fast-burn')
  const first = firing.findIndex(({ page }) => page === true)
  const wrong = firing.map((minute, i) => (i === first ? { ...minute, page: false } : minute))
  expect(() => comparePrometheus([{ name, series, firing: wrong }], first + 2)).toThrow(
    `alertname: page, time: ${first}m`,
  )
})
