import { bucketValueSql } from '../contract/histogram.ts'
import { WORST_HUBS_MAX } from './limits.ts'
import { date, lines, timestamp } from './sql-text.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

/** A span of whole hours, the one before of equal length, and how long one point of a series is. */
export type FleetWindow = {
  readonly from_ms: number
  readonly to_ms: number
  readonly before_ms: number
  readonly interval_ms: number
}

/** Metrics are made by the hour: the window is widened to whole hours, and long ones get longer points. */
export function fleetWindow(from_ms: number, to_ms: number): FleetWindow {
  const from = Math.floor(from_ms / HOUR_MS) * HOUR_MS
  const to = Math.max(Math.ceil(to_ms / HOUR_MS) * HOUR_MS, from + HOUR_MS)
  const span = to - from
  const interval_ms = span <= 8 * DAY_MS ? HOUR_MS : span <= 45 * DAY_MS ? 6 * HOUR_MS : DAY_MS
  return { from_ms: from, to_ms: to, before_ms: from - span, interval_ms }
}

/** Coarser log buckets for the heat map: this many of the table's in one cell, about 10 % wide. */
export const HEAT_STEP = 5

function within(from_ms: number, to_ms: number): string {
  return `metric_date BETWEEN ${date(from_ms)} AND ${date(to_ms - 1)} AND hour >= ${timestamp(from_ms)} AND hour < ${timestamp(to_ms)}`
}

function point(window: FleetWindow): string {
  return window.interval_ms === HOUR_MS
    ? 'epoch_ms(hour)'
    : `epoch_ms(hour) // ${window.interval_ms} * ${window.interval_ms}`
}

/** The sums of metrics.md's definitions: ratios of sums, never means of ratios. */
const RATES = `
  sum(connected_ms)::DOUBLE / nullif(sum(expected_ms - unknown_ms), 0) AS availability,
  sum(expected_ms)::DOUBLE AS expected_ms,
  sum(disconnects)::DOUBLE AS disconnects,
  sum(done)::DOUBLE / nullif(sum(issued - running), 0) AS success,
  sum(issued)::DOUBLE AS commands,
  sum(lost)::DOUBLE / nullif(sum(sent), 0) AS loss,
  sum(sent)::DOUBLE AS sent`

/** Two rows: the window, and the one before it. */
export function totalsSql(window: FleetWindow): string {
  return `SELECT
  CASE WHEN hour >= ${timestamp(window.from_ms)} THEN 'window' ELSE 'before' END AS span,${RATES},
  sum(dropped)::DOUBLE AS dropped,
  sum(dead)::DOUBLE AS dead,
  arg_max(pending, hour)::DOUBLE AS pending,
  sum(done)::DOUBLE AS done,
  sum(late)::DOUBLE AS late,
  sum(interrupted)::DOUBLE AS interrupted,
  sum(rejected)::DOUBLE AS rejected,
  sum(expired)::DOUBLE AS expired,
  sum(offline)::DOUBLE AS offline
FROM fleet_hours
WHERE firmware = '*' AND ${within(window.before_ms, window.to_ms)}
GROUP BY span`
}

export function hubsSql(window: FleetWindow): string {
  return lines(`
    SELECT
      CASE WHEN hour >= ${timestamp(window.from_ms)} THEN 'window' ELSE 'before' END AS span,
      count(DISTINCT hub_id) AS hubs
    FROM hub_hours
    WHERE expected_ms > 0 AND ${within(window.before_ms, window.to_ms)}
    GROUP BY span`)
}

export function hoursSql(window: FleetWindow): string {
  return `SELECT
  ${point(window)} AS time_ms,${RATES}
FROM fleet_hours
WHERE firmware = '*' AND ${within(window.from_ms, window.to_ms)}
GROUP BY time_ms
ORDER BY time_ms`
}

/** Percentiles from merged buckets: each group's counts are added up, then walked to the rank (contract/histogram.ts). */
function percentilesSql(group: string, name: string, where: string): string {
  return lines(`
    WITH merged AS (
      SELECT ${group} AS ${name}, log_bucket, sum(count)::DOUBLE AS n
      FROM latency_hours
      WHERE hop = 'tap_to_light' AND ${where}
      GROUP BY ${name}, log_bucket
    ), walked AS (
      SELECT ${name}, CASE WHEN log_bucket IS NULL THEN 0 ELSE ${bucketValueSql('log_bucket')} END AS ms,
        sum(n) OVER (PARTITION BY ${name} ORDER BY log_bucket NULLS FIRST) AS upto,
        sum(n) OVER (PARTITION BY ${name}) AS total
      FROM merged
    )
    SELECT ${name}, any_value(total) AS commands,
      min(ms) FILTER (upto > 0.50 * (total - 1)) AS p50,
      min(ms) FILTER (upto > 0.95 * (total - 1)) AS p95,
      min(ms) FILTER (upto > 0.99 * (total - 1)) AS p99
    FROM walked
    GROUP BY ${name}
    ORDER BY ${name}`)
}

export function latencyTotalsSql(window: FleetWindow): string {
  const span = `CASE WHEN hour >= ${timestamp(window.from_ms)} THEN 'window' ELSE 'before' END`
  return percentilesSql(span, 'span', within(window.before_ms, window.to_ms))
}

export function latencySeriesSql(window: FleetWindow): string {
  return percentilesSql(point(window), 'time_ms', within(window.from_ms, window.to_ms))
}

export function heatSql(window: FleetWindow): string {
  return lines(`
    SELECT ${point(window)} AS time_ms, log_bucket // ${HEAT_STEP} AS cell, sum(count)::DOUBLE AS commands
    FROM latency_hours
    WHERE hop = 'tap_to_light' AND log_bucket IS NOT NULL AND ${within(window.from_ms, window.to_ms)}
    GROUP BY time_ms, cell
    ORDER BY time_ms, cell`)
}

export function worstHubsSql(window: FleetWindow): string {
  return `SELECT hub_id,
  any_value(region) AS region,
  arg_max(firmware, hour) AS firmware,${RATES},
  sum(crashes)::DOUBLE AS crashes
FROM hub_hours
WHERE ${within(window.from_ms, window.to_ms)}
GROUP BY hub_id
HAVING sum(expected_ms) > 0
ORDER BY availability ASC NULLS FIRST, success ASC NULLS LAST, hub_id
LIMIT ${WORST_HUBS_MAX}`
}

export function firmwareSql(window: FleetWindow): string {
  return `SELECT firmware,
  count(DISTINCT hub_id) AS hubs,
  sum(expected_ms) / 3600000.0 AS hub_hours,${RATES},
  sum(disconnects) / nullif(sum(connected_ms) / 86400000.0, 0) AS disconnects_per_day,
  sum(crashes)::DOUBLE AS crashes
FROM hub_hours
WHERE expected_ms > 0 AND ${within(window.from_ms, window.to_ms)}
GROUP BY firmware
ORDER BY firmware DESC`
}

export function firmwareLatencySql(window: FleetWindow): string {
  return percentilesSql('firmware', 'firmware', within(window.from_ms, window.to_ms))
}

/** The first hours of each firmware that was not there when the tables begin: its roll-out. */
export function rollOutsSql(window: FleetWindow): string {
  return lines(`
    SELECT firmware, epoch_ms(min(hour)) AS time_ms
    FROM hub_hours
    WHERE firmware IS NOT NULL AND expected_ms > 0 AND metric_date BETWEEN ${date(window.before_ms)} AND ${date(window.to_ms - 1)}
    GROUP BY firmware
    HAVING min(hour) >= ${timestamp(window.from_ms)} AND min(hour) < ${timestamp(window.to_ms)}
      AND min(hour) > (SELECT min(hour) FROM hub_hours WHERE metric_date BETWEEN ${date(window.before_ms)} AND ${date(window.to_ms - 1)})
    ORDER BY time_ms`)
}

/** Times in which hubs were in maintenance: windows that overlap are one, with all their hubs. */
export function maintenanceSql(window: FleetWindow): string {
  return lines(`
    WITH windows AS (
      SELECT hub_id, valid_from, valid_to,
        coalesce(valid_from > max(valid_to) OVER (ORDER BY valid_from, hub_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), true) AS apart
      FROM hubs
      WHERE maintenance AND valid_from < ${timestamp(window.to_ms)} AND valid_to > ${timestamp(window.from_ms)}
    ), merged AS (
      SELECT *, sum(apart::INT) OVER (ORDER BY valid_from, hub_id) AS part
      FROM windows
    )
    SELECT epoch_ms(min(valid_from)) AS from_ms, epoch_ms(max(valid_to)) AS to_ms, count(DISTINCT hub_id) AS hubs, min(hub_id) AS first
    FROM merged
    GROUP BY part
    ORDER BY from_ms`)
}

/** Newest committed event: of today or yesterday, or with no such, of all time, which reads more. */
export function newestSql(now_ms: number | undefined): string {
  return lines(`
    SELECT epoch_ms(max(event_time)) AS newest_event_ms, epoch_ms(max(received_time)) AS newest_received_ms
    FROM events${now_ms === undefined ? '' : `\n    WHERE event_date >= ${date(now_ms - DAY_MS)}`}`)
}

/** What was lost of the events of a window, and to where that is known. */
export function completenessSql(from_ms: number, to_ms: number): string {
  return lines(`
    SELECT sum(lost)::DOUBLE / nullif(sum(sent), 0) AS loss, epoch_ms(max(hour) FILTER (complete)) + ${HOUR_MS} AS known_to_ms
    FROM fleet_hours
    WHERE firmware = '*' AND ${within(from_ms, to_ms)}`)
}

/** Where metrics end, and the loss over the last day; of all time, loss included, with no day named. */
export function metricsFreshnessSql(now_ms: number | undefined): string {
  const recent =
    now_ms === undefined ? '' : ` AND metric_date >= ${date(now_ms - DAY_MS)} AND hour >= ${timestamp(now_ms - DAY_MS)}`
  return lines(`
    SELECT epoch_ms(max(hour)) + ${HOUR_MS} AS metrics_to_ms, sum(lost)::DOUBLE / nullif(sum(sent), 0) AS loss
    FROM fleet_hours
    WHERE firmware = '*'${recent}`)
}
