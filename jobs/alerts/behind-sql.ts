/** What stands behind the bad of an objective: who asks is somebody who was just woken. DuckDB's SQL over the lake's tables. */

import { literal } from '../../lake/schema.ts'
import { HOUR_MS } from '../limits.ts'
import { timeSql, withinSql } from './points-sql.ts'

export type Window = { readonly from_ms: number; readonly to_ms: number }

/** Of the bad in the window, what most of it has in common. */
export type Behind = {
  readonly dimension: string
  readonly name: string
  /** Its part of all that was bad, and of all that was counted. */
  readonly share_of_bad: number
  readonly share_of_all: number
}

/** Names of what bad events are counted by. */
const DIMENSIONS = ['firmware', 'relay', 'hop', 'outcome', 'region']

const scope = (of: string, names: readonly string[]) =>
  names.map((name) => `(o.${name} IS NULL OR o.${name} = ${of}.${name})`).join(' AND ')
const HUB_SCOPE = ['firmware', 'region', 'model']

/** Hours as a whole, but commands to the ms. */
function countedSql(measure: string, { from_ms, to_ms }: Window): string {
  const hours = withinSql(Math.floor(from_ms / HOUR_MS) * HOUR_MS, to_ms)
  const issued = `${hours} AND issued_time >= ${timeSql(from_ms)} AND issued_time < ${timeSql(to_ms)}`
  const hubs = `(SELECT * FROM hub_hours WHERE ${hours}) h`
  if (measure === 'command_success')
    return `SELECT h.firmware, t.relay, NULL AS hop, t.outcome, h.region, IF(t.outcome = 'done', 0, 1) AS bad, 1 AS total
    FROM (SELECT * FROM command_traces WHERE ${issued} AND expected AND outcome IS NOT NULL) t
    JOIN ${hubs} ON h.hour = t.hour AND h.hub_id = t.hub_id JOIN promised o ON ${scope('h', HUB_SCOPE)}`
  if (measure === 'latency')
    return `SELECT COALESCE(t.firmware, 'unknown') AS firmware, t.relay, t.outcome, NULL AS region, IF(t.ms > o.threshold_ms, 1, 0) AS bad, 1 AS total,
      CASE WHEN t.network_ms >= GREATEST(t.issued_to_sent_ms, t.hub_ms) THEN 'network' WHEN t.hub_ms >= t.issued_to_sent_ms THEN 'hub'
        WHEN t.issued_to_sent_ms IS NOT NULL THEN 'relay' END AS hop
    FROM (
      SELECT *, CASE (SELECT hop FROM promised) WHEN 'tap_to_light' THEN tap_to_light_ms WHEN 'issued_to_acked' THEN issued_to_acked_ms
        WHEN 'relay_share' THEN issued_to_sent_ms WHEN 'round_trip' THEN round_trip_ms WHEN 'network' THEN network_ms ELSE hub_ms END AS ms
      FROM command_traces WHERE ${issued} AND outcome IN ('done', 'late')
    ) t JOIN promised o ON t.ms IS NOT NULL AND (o.firmware IS NULL OR o.firmware = COALESCE(t.firmware, 'unknown'))`
  if (measure === 'availability')
    return `SELECT h.firmware, s.relay, NULL AS hop, NULL AS outcome, h.region,
      h.expected_ms - h.unknown_ms - h.connected_ms AS bad, h.expected_ms - h.unknown_ms AS total
    FROM ${hubs} JOIN promised o ON ${scope('h', HUB_SCOPE)}
    LEFT JOIN (SELECT hour, hub_id, arg_max(relay, connected_time) AS relay FROM sessions WHERE ${hours} GROUP BY hour, hub_id) s
      ON s.hour = h.hour AND s.hub_id = h.hub_id`
  return `SELECT h.firmware, NULL AS relay, NULL AS hop, NULL AS outcome, h.region, h.lost AS bad, h.sent AS total
    FROM ${hubs} JOIN promised o ON ${scope('h', HUB_SCOPE)}`
}

/** dimension, name, bad, total: of each dimension the name that most of the bad has; bad and total of all as `all`. */
export function behindSql(objective: string, measure: string, window: Window): string {
  const each = DIMENSIONS.map(
    (name) => `SELECT '${name}' AS dimension, CAST(${name} AS VARCHAR) AS name, bad, total FROM counted`,
  )
  return `WITH promised AS (SELECT * FROM objectives WHERE objective = ${literal(objective)}),
counted AS (${countedSql(measure, window)}),
named AS (${each.join(' UNION ALL ')} UNION ALL SELECT 'all', 'all', bad, total FROM counted)
SELECT dimension, name, CAST(SUM(bad) AS DOUBLE) AS bad, CAST(SUM(total) AS DOUBLE) AS total
FROM named WHERE name IS NOT NULL GROUP BY dimension, name HAVING SUM(bad) > 0
QUALIFY ROW_NUMBER() OVER (PARTITION BY dimension ORDER BY SUM(bad) DESC, name) = 1 ORDER BY dimension`
}

/** By what the rows of a measure can be narrowed. */
const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  command_success: ['relay'],
  latency: ['firmware', 'relay'],
}

/** The bad ones, for a person who goes on from there in Query; only those of a name that has half of the bad, and more than its part. */
export function rowsSql(measure: string, { from_ms, to_ms }: Window, behind: readonly Behind[]): string {
  const columns = COLUMNS[measure] ?? ['firmware', 'region']
  const of = behind.filter(
    ({ dimension, name, share_of_bad, share_of_all }) =>
      columns.includes(dimension) && name !== 'unknown' && share_of_bad >= 0.5 && share_of_bad > share_of_all,
  )
  const only = of.map(({ dimension, name }) => `\n  AND ${dimension} = ${literal(name)}`).join('')
  const hours = withinSql(Math.floor(from_ms / HOUR_MS) * HOUR_MS, to_ms)
  const issued = `${hours}\n  AND issued_time >= ${timeSql(from_ms)}`
  if (measure === 'command_success')
    return `SELECT issued_time, hub_id, device_id, outcome, reason, relay, firmware\nFROM command_traces\nWHERE ${issued}\n  AND expected AND outcome <> 'done'${only}\nORDER BY issued_time DESC`
  if (measure === 'latency')
    return `SELECT issued_time, hub_id, tap_to_light_ms, issued_to_sent_ms, network_ms, hub_ms, relay, firmware\nFROM command_traces\nWHERE ${issued}\n  AND outcome IN ('done', 'late')${only}\nORDER BY tap_to_light_ms DESC NULLS LAST`
  if (measure === 'availability')
    return `SELECT hub_id, sum(expected_ms - unknown_ms - connected_ms) AS away_ms, sum(disconnects) AS disconnects, max(firmware) AS firmware\nFROM hub_hours\nWHERE ${hours}${only}\nGROUP BY hub_id ORDER BY away_ms DESC`
  return `SELECT hub_id, sum(lost) AS lost, sum(sent) AS sent, max(firmware) AS firmware\nFROM hub_hours\nWHERE ${hours}${only}\nGROUP BY hub_id ORDER BY lost DESC`
}
