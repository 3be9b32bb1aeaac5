import { z } from 'zod'
import { OUTCOMES } from '../contract/command.ts'
import { GAMMA } from '../contract/histogram.ts'
import { Problem } from '../contract/problem.ts'
import { count, numeric, rowsOf } from './answer-rows.ts'
import type { CompletenessAnswer, FigureValue, FleetAnswer, FreshnessAnswer } from './api.ts'
import {
  completenessSql,
  firmwareLatencySql,
  firmwareSql,
  fleetWindow,
  HEAT_STEP,
  heatSql,
  hoursSql,
  hubsSql,
  latencySeriesSql,
  latencyTotalsSql,
  maintenanceSql,
  metricsFreshnessSql,
  newestSql,
  rollOutsSql,
  totalsSql,
  worstHubsSql,
} from './fleet-sql.ts'
import { WINDOW_MAX_MS } from './limits.ts'
import type { Queries } from './query-protocol.ts'

const span = z.enum(['window', 'before'])
const rates = {
  availability: numeric,
  expected_ms: numeric,
  disconnects: numeric,
  success: numeric,
  commands: numeric,
  loss: numeric,
  sent: numeric,
}
const percentiles = { commands: numeric, p50: numeric, p95: numeric, p99: numeric }
const totalsRow = z.object({
  span,
  ...rates,
  dropped: numeric,
  dead: numeric,
  pending: numeric,
  done: count,
  late: count,
  interrupted: count,
  rejected: count,
  expired: count,
  offline: count,
})

/** Everything on the Fleet page, for [from_ms, to_ms) widened to whole hours. */
export async function fleetAnswerOf(
  queries: Queries,
  from_ms: number,
  to_ms: number,
  signal: AbortSignal,
): Promise<FleetAnswer> {
  if (to_ms - from_ms > WINDOW_MAX_MS) {
    throw new Problem('limit', `a window may be ${WINDOW_MAX_MS / 86_400_000} days long; ask for less`)
  }
  const window = fleetWindow(from_ms, to_ms)
  const tables = await tablesOf(queries, signal)
  const ask = async <S extends z.ZodType>(table: string, sql: string, row: S) => ({
    sql,
    rows: tables.has(table) ? rowsOf(await queries.run({ sql, max_rows: 100_000 }, signal), row) : [],
  })
  const [totals, hubs, latency, hours, series, heat, worst, firmware, firmwareLatency, rollOuts, maintenance] =
    await Promise.all([
      ask('fleet_hours', totalsSql(window), totalsRow),
      ask('hub_hours', hubsSql(window), z.object({ span, hubs: numeric })),
      ask('latency_hours', latencyTotalsSql(window), z.object({ span, ...percentiles })),
      ask('fleet_hours', hoursSql(window), z.object({ time_ms: count, ...rates })),
      ask('latency_hours', latencySeriesSql(window), z.object({ time_ms: count, ...percentiles })),
      ask('latency_hours', heatSql(window), z.object({ time_ms: count, cell: count, commands: count })),
      ask(
        'hub_hours',
        worstHubsSql(window),
        z.object({
          hub_id: z.string(),
          region: z.string().nullable(),
          firmware: z.string().nullable(),
          ...rates,
          crashes: numeric,
        }),
      ),
      ask(
        'hub_hours',
        firmwareSql(window),
        z.object({
          firmware: z.string(),
          hubs: numeric,
          hub_hours: numeric,
          ...rates,
          disconnects_per_day: numeric,
          crashes: numeric,
        }),
      ),
      ask('latency_hours', firmwareLatencySql(window), z.object({ firmware: z.string(), ...percentiles })),
      ask('hub_hours', rollOutsSql(window), z.object({ firmware: z.string(), time_ms: count })),
      ask('hubs', maintenanceSql(window), z.object({ from_ms: count, to_ms: count, hubs: count, first: z.string() })),
    ])

  const figure = <R extends { readonly span: 'window' | 'before' }>(
    from: { readonly sql: string; readonly rows: readonly R[] },
    pick: (row: R) => number | null,
    of?: (row: R) => number | null,
  ): FigureValue => {
    const now = from.rows.find((row) => row.span === 'window')
    const before = from.rows.find((row) => row.span === 'before')
    return {
      value: now ? pick(now) : null,
      before: before ? pick(before) : null,
      ...(of ? { of: now ? of(now) : null } : {}),
      sql: from.sql,
    }
  }
  const time_ms: number[] = []
  for (let time = window.from_ms; time < window.to_ms; time += window.interval_ms) {
    time_ms.push(Math.floor(time / window.interval_ms) * window.interval_ms)
  }
  const hourAt = new Map(hours.rows.map((row) => [row.time_ms, row]))
  const latencyAt = new Map(series.rows.map((row) => [row.time_ms, row]))
  const indexAt = new Map(time_ms.map((time, index) => [time, index]))
  const firmwareAt = new Map(firmwareLatency.rows.map((row) => [row.firmware, row]))
  const now = totals.rows.find((row) => row.span === 'window')
  return {
    window: { from_ms: window.from_ms, to_ms: window.to_ms, interval_ms: window.interval_ms },
    figures: {
      availability: figure(
        totals,
        (row) => row.availability,
        (row) => row.expected_ms,
      ),
      success: figure(
        totals,
        (row) => row.success,
        (row) => row.commands,
      ),
      loss: figure(
        totals,
        (row) => row.loss,
        (row) => row.sent,
      ),
      disconnects: figure(totals, (row) => row.disconnects),
      commands: figure(totals, (row) => row.commands),
      p50: figure(
        latency,
        (row) => row.p50,
        (row) => row.commands,
      ),
      p95: figure(
        latency,
        (row) => row.p95,
        (row) => row.commands,
      ),
      p99: figure(
        latency,
        (row) => row.p99,
        (row) => row.commands,
      ),
      hubs: figure(hubs, (row) => row.hubs),
    },
    account: { dropped: now?.dropped ?? null, dead: now?.dead ?? null, pending: now?.pending ?? null },
    marks: [
      ...rollOuts.rows.map(({ firmware: name, time_ms }) => ({ time_ms, words: `firmware ${name}` })),
      ...maintenance.rows.map(({ from_ms, to_ms, hubs: many, first }) => ({
        ...{ time_ms: from_ms, to_ms },
        words: `maintenance of ${many === 1 ? first : `${many} hubs`}`,
      })),
    ],
    outcomes: Object.fromEntries(OUTCOMES.map((outcome) => [outcome, now?.[outcome] ?? 0])),
    series: {
      time_ms,
      availability: time_ms.map((time) => hourAt.get(time)?.availability ?? null),
      success: time_ms.map((time) => hourAt.get(time)?.success ?? null),
      loss: time_ms.map((time) => hourAt.get(time)?.loss ?? null),
      commands: time_ms.map((time) => hourAt.get(time)?.commands ?? null),
      p50: time_ms.map((time) => latencyAt.get(time)?.p50 ?? null),
      p95: time_ms.map((time) => latencyAt.get(time)?.p95 ?? null),
      p99: time_ms.map((time) => latencyAt.get(time)?.p99 ?? null),
      sql: { hours: hours.sql, latency: series.sql },
    },
    heat: {
      cells: heat.rows.flatMap((row): [number, number, number][] => {
        const index = indexAt.get(row.time_ms)
        return index === undefined ? [] : [[index, row.cell, row.commands]]
      }),
      gamma: GAMMA ** HEAT_STEP,
    },
    worst: {
      hubs: worst.rows.map(({ hub_id, expected_ms: _expected, sent: _sent, ...row }) => ({ hub: hub_id, ...row })),
      sql: worst.sql,
    },
    firmware: {
      rows: firmware.rows.map(({ expected_ms: _expected, sent: _sent, disconnects: _disconnects, ...row }) => {
        const { p50 = null, p95 = null, p99 = null } = firmwareAt.get(row.firmware) ?? {}
        return { ...row, p50, p95, p99 }
      }),
      sql: firmware.sql,
    },
  }
}

/** How new the data is. A table that does not exist yet is no data, not an error. */
export async function freshnessOf(queries: Queries, now_ms: number, signal: AbortSignal): Promise<FreshnessAnswer> {
  const newestRow = z.object({ newest_event_ms: numeric, newest_received_ms: numeric })
  const metricsRow = z.object({ metrics_to_ms: numeric, loss: numeric })
  const tables = await tablesOf(queries, signal)
  const ask = async <S extends z.ZodType>(table: string, sql: string, row: S) =>
    tables.has(table) ? rowsOf(await queries.run({ sql, max_rows: 1 }, signal), row) : []
  const [[lately], [metricLately]] = await Promise.all([
    ask('events', newestSql(now_ms), newestRow),
    ask('fleet_hours', metricsFreshnessSql(now_ms), metricsRow),
  ])
  // Nothing of late: what there was before is said to be old, rather than that there is none.
  const [event] = lately?.newest_event_ms === null ? await ask('events', newestSql(undefined), newestRow) : [lately]
  const [metric] =
    metricLately?.metrics_to_ms === null
      ? await ask('fleet_hours', metricsFreshnessSql(undefined), metricsRow)
      : [metricLately]
  return {
    now_ms,
    newest_event_ms: event?.newest_event_ms ?? null,
    newest_received_ms: event?.newest_received_ms ?? null,
    metrics_to_ms: metric?.metrics_to_ms ?? null,
    loss: metric?.loss ?? null,
  }
}

/** How much of the events of a window is known to be missing. */
export async function completenessOf(
  queries: Queries,
  window: { readonly from: number; readonly to: number },
  signal: AbortSignal,
): Promise<CompletenessAnswer> {
  const nothing = { loss: null, known_to_ms: null }
  if (!(await tablesOf(queries, signal)).has('fleet_hours')) return nothing
  const answer = await queries.run({ sql: completenessSql(window.from, window.to), max_rows: 1 }, signal)
  return rowsOf(answer, z.object({ loss: numeric, known_to_ms: numeric }))[0] ?? nothing
}

/** Names of the tables and views that exist; a page of a lake without metrics yet is empty, not broken. */
export async function tablesOf(queries: Queries, signal: AbortSignal): Promise<ReadonlySet<string>> {
  return new Set((await queries.schema(signal)).tables.map((table) => table.name))
}
