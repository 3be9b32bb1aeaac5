/**
 * What each objective counts, row by row. What is bad is said here for all that alerts ask, and in `metrics/slo_hours.sql`;
 * counted-sql.long.test.ts holds the two together. In DuckDB's SQL over the lake's tables.
 */
import { bucketIndexSql } from '../../contract/histogram.ts'
import { HOUR_MS } from '../limits.ts'

export type Window = { readonly from_ms: number; readonly to_ms: number }

/** `TIMESTAMPTZ '2026-11-24 14:03:00+00'`. */
export function timeSql(time_ms: number): string {
  return `TIMESTAMPTZ '${new Date(time_ms).toISOString().replace('T', ' ').replace('Z', '')}+00'`
}

/** Rows of a table of hours within the hours of [from, to), and nothing read of other days. */
export function withinSql({ from_ms, to_ms }: Window): string {
  const day = (ms: number) => `DATE '${new Date(ms).toISOString().slice(0, 10)}'`
  const hour_ms = Math.floor(from_ms / HOUR_MS) * HOUR_MS
  return `metric_date BETWEEN ${day(hour_ms)} AND ${day(to_ms - 1)} AND hour >= ${timeSql(hour_ms)} AND hour < ${timeSql(to_ms)}`
}

/** Is the hub hour `h` what the objective `o` is about? */
export const OF_SCOPE = ['firmware', 'region', 'model']
  .map((name) => `(o.${name} IS NULL OR o.${name} = h.${name})`)
  .join(' AND ')

/**
 * objective, time, hub_id, firmware, region, relay, hop, outcome, bad, total, and what people want to see of it besides: what
 * the objectives of `promised` that are of a measure count in a window. Commands one by one, hubs by whole hours.
 */
export function countedRows(measure: string, window: Window): string {
  const hours = withinSql(window)
  const issued = `${hours}
      AND issued_time >= ${timeSql(window.from_ms)} AND issued_time < ${timeSql(window.to_ms)}`
  const promised = `promised o ON o.measure = '${measure}'`
  if (measure === 'command_success')
    return `  SELECT o.objective, t.issued_time AS time, t.hub_id, h.firmware, h.region, t.relay, NULL AS hop, t.outcome,
    IF(t.outcome = 'done', 0, 1) AS bad, 1 AS total, t.device_id, t.device_type, t.reason
  FROM (
    SELECT * FROM command_traces
    WHERE ${issued}
      AND expected AND outcome IS NOT NULL
  ) t
  JOIN (SELECT * FROM hub_hours WHERE ${hours}) h ON h.hour = t.hour AND h.hub_id = t.hub_id
  JOIN ${promised} AND ${OF_SCOPE}`
  // Good up to the end of the threshold's log bucket; zero is in no bucket.
  if (measure === 'latency')
    return `  SELECT objective, issued_time AS time, hub_id, told_firmware AS firmware, NULL AS region, relay,
    CASE
      WHEN network_ms >= GREATEST(issued_to_sent_ms, hub_ms) THEN 'network'
      WHEN hub_ms >= issued_to_sent_ms THEN 'hub'
      WHEN issued_to_sent_ms IS NOT NULL THEN 'relay'
    END AS hop, outcome,
    IF(ms <= 0 OR ${bucketIndexSql('ms')} <= ${bucketIndexSql('threshold_ms')}, 0, 1) AS bad, 1 AS total,
    device_id, device_type, ms, issued_to_sent_ms, network_ms, hub_ms
  FROM (
    SELECT t.*, o.objective, o.threshold_ms, CASE o.hop
        WHEN 'tap_to_light' THEN tap_to_light_ms WHEN 'issued_to_acked' THEN issued_to_acked_ms
        WHEN 'relay_share' THEN issued_to_sent_ms WHEN 'round_trip' THEN round_trip_ms
        WHEN 'network' THEN network_ms WHEN 'hub' THEN hub_ms
      END AS ms
    FROM (
      SELECT *, COALESCE(firmware, 'unknown') AS told_firmware FROM command_traces
      WHERE ${issued}
        AND outcome IN ('done', 'late')
    ) t
    JOIN ${promised} AND (o.firmware IS NULL OR o.firmware = t.told_firmware)
  ) WHERE ms IS NOT NULL`
  const of_hubs = `(SELECT * FROM hub_hours WHERE ${hours}) h JOIN ${promised} AND ${OF_SCOPE}`
  if (measure === 'availability')
    return `  SELECT o.objective, h.hour AS time, h.hub_id, h.firmware, h.region, s.relay, NULL AS hop, NULL AS outcome,
    h.expected_ms - h.unknown_ms - h.connected_ms AS bad, h.expected_ms - h.unknown_ms AS total, h.disconnects
  FROM ${of_hubs}
  LEFT JOIN (
    SELECT hour, hub_id, arg_max(relay, connected_time) AS relay FROM sessions
    WHERE ${hours}
    GROUP BY hour, hub_id
  ) s ON s.hour = h.hour AND s.hub_id = h.hub_id`
  return `  SELECT o.objective, h.hour AS time, h.hub_id, h.firmware, h.region, NULL AS relay, NULL AS hop, NULL AS outcome,
    h.lost AS bad, h.sent AS total
  FROM ${of_hubs}`
}
