/** What stands behind the bad of an objective: who asks is somebody who was just woken. DuckDB's SQL over the lake's tables. */
import { literal } from '../../lake/schema.ts'
import { countedRows, type Window } from './counted-sql.ts'
import { SHARE_MIN } from './limits.ts'

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

/** `promised`: the objective alone, for `countedRows`. */
export const promisedSql = (objective: string) =>
  `promised AS (SELECT * FROM objectives WHERE objective = ${literal(objective)})`

/** dimension, name, bad, total: of each dimension the name that most of the bad has; bad and total of all as `all`. */
export function behindSql(objective: string, measure: string, window: Window): string {
  const each = DIMENSIONS.map(
    (name) => `SELECT '${name}' AS dimension, CAST(${name} AS VARCHAR) AS name, bad, total FROM counted`,
  )
  return `WITH ${promisedSql(objective)},
counted AS (
${countedRows(measure, window)}
),
named AS (${each.join(' UNION ALL ')} UNION ALL SELECT 'all', 'all', bad, total FROM counted)
SELECT dimension, name, CAST(SUM(bad) AS DOUBLE) AS bad, CAST(SUM(total) AS DOUBLE) AS total
FROM named WHERE name IS NOT NULL GROUP BY dimension, name HAVING SUM(bad) > 0
QUALIFY ROW_NUMBER() OVER (PARTITION BY dimension ORDER BY SUM(bad) DESC, name) = 1 ORDER BY dimension`
}

/** What a person wants to see of each row. */
const SHOWN: Readonly<Record<string, string>> = {
  command_success: 'time, hub_id, device_id, outcome, reason, firmware, region, relay',
  latency: 'time, hub_id, device_id, ms, issued_to_sent_ms, network_ms, hub_ms, firmware, relay',
  availability: 'time, hub_id, bad AS away_ms, disconnects, firmware, region, relay',
  loss: 'time, hub_id, bad AS lost, total AS sent, firmware, region',
}

/** The bad ones, for a person who goes on from there in Query; only those of names that have most of the bad, and more than their part. */
export function rowsSql(objective: string, measure: string, window: Window, behind: readonly Behind[]): string {
  const only = behind
    .filter(({ dimension }) => ['firmware', 'region', 'relay'].includes(dimension))
    .filter(({ share_of_bad, share_of_all }) => share_of_bad > SHARE_MIN && share_of_bad > share_of_all)
    .map(({ dimension, name }) => ` AND ${dimension} = ${literal(name)}`)
  return `WITH ${promisedSql(objective)}
SELECT ${SHOWN[measure]}
FROM (
${countedRows(measure, window)}
)
WHERE bad > 0${only.join('')}
ORDER BY ${measure === 'latency' ? 'ms' : 'bad'} DESC, time DESC`
}
