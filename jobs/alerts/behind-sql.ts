/** What stands behind the bad of an objective: who asks is somebody who was just woken. DuckDB's SQL over the lake's tables. */
import { z } from 'zod'
import { literal } from '../../lake/schema.ts'
import { countedRows, type Window } from './counted-sql.ts'
import { EXCESS_MIN, SHARE_MIN } from './limits.ts'
import { rounded } from './rounded.ts'

/** What more of the bad in the window has in common than of all that was counted. */
export type Behind = {
  readonly dimension: string
  readonly name: string
  /** Its part of all that was bad, and of all that was counted. */
  readonly share_of_bad: number
  readonly share_of_all: number
}

/** By what the bad of each measure is counted: where it was, and then in what way. */
const DIMENSIONS: Readonly<Record<string, readonly string[]>> = {
  command_success: ['hub', 'region', 'firmware', 'relay', 'device_type', 'outcome', 'reason'],
  latency: ['hub', 'firmware', 'relay', 'device_type', 'hop', 'outcome'],
  availability: ['hub', 'region', 'firmware', 'relay'],
  loss: ['hub', 'region', 'firmware'],
}
const WHERE = ['hub', 'region', 'firmware', 'relay', 'device_type']
/** Nothing that is good has one: it tells what happened, though all of it is bad. */
const OF_BAD = ['outcome', 'reason']

function columnOf(dimension: string): string {
  return dimension === 'hub' ? 'hub_id' : dimension
}

/** `promised`: the objective alone, for `countedRows`. */
export const promisedSql = (objective: string) =>
  `promised AS (SELECT * FROM objectives WHERE objective = ${literal(objective)})`

/**
 * dimension, name, bad, total: of each dimension the name whose part of the bad is most above its part of all; bad and total of
 * all as `all`.
 */
export function behindSql(objective: string, measure: string, window: Window): string {
  const each = (DIMENSIONS[measure] ?? []).map(
    (dimension) => `SELECT '${dimension}' AS dimension, ${columnOf(dimension)} AS name, bad, total FROM counted`,
  )
  return `WITH ${promisedSql(objective)},
counted AS MATERIALIZED (
${countedRows(measure, window)}
),
named AS (${[...each, "SELECT 'all' AS dimension, 'all' AS name, bad, total FROM counted"].join(' UNION ALL ')}),
sums AS (SELECT SUM(bad) AS bads, SUM(total) AS totals FROM counted)
SELECT dimension, name, CAST(SUM(bad) AS DOUBLE) AS bad, CAST(SUM(total) AS DOUBLE) AS total
FROM named, sums WHERE name IS NOT NULL GROUP BY dimension, name HAVING SUM(bad) > 0
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY dimension ORDER BY SUM(bad) / ANY_VALUE(bads) - SUM(total) / ANY_VALUE(totals) DESC, SUM(bad) DESC, name
) = 1
ORDER BY dimension`
}

/** Rows of `behindSql`, what explains most first; without what has about as much of the bad as of all. */
export function behindOf(rows: readonly (readonly unknown[])[]): readonly Behind[] {
  const found = rows.map((row) => z.tuple([z.string(), z.string(), z.number(), z.number()]).parse(row))
  const [, , bads, totals] = found.find(([dimension]) => dimension === 'all') ?? ['all', 'all', 0, 0]
  return found
    .filter(([dimension]) => dimension !== 'all')
    .map(([dimension, name, bad, total]) => ({
      ...{ dimension, name, share_of_bad: rounded(bad / bads), share_of_all: rounded(total / totals) },
    }))
    .filter((one) => excessOf(one) >= EXCESS_MIN || (OF_BAD.includes(one.dimension) && one.share_of_bad > SHARE_MIN))
    .sort((one, other) => excessOf(other) - excessOf(one) || placeOf(one) - placeOf(other))
}

function excessOf({ share_of_bad, share_of_all }: Behind): number {
  return share_of_bad - share_of_all
}

/** A hub before the region that it is alone in, and both before how it went wrong. */
function placeOf({ dimension }: Behind): number {
  return [...WHERE, 'hop', ...OF_BAD].indexOf(dimension)
}

/** Does it say where the bad is, and not in what way? */
export function isPlace({ dimension }: Behind): boolean {
  return WHERE.includes(dimension)
}

/** Where most of the bad is. */
export function placeOfMost(behind: readonly Behind[]): Behind | undefined {
  return behind.find((one) => isPlace(one) && one.share_of_bad > SHARE_MIN)
}

/** What a person wants to see of each row. */
const SHOWN: Readonly<Record<string, string>> = {
  command_success: 'time, hub_id, device_id, device_type, outcome, reason, firmware, region, relay',
  latency: 'time, hub_id, device_id, device_type, ms, issued_to_sent_ms, network_ms, hub_ms, firmware, relay',
  availability: 'time, hub_id, bad AS away_ms, disconnects, firmware, region, relay',
  loss: 'time, hub_id, bad AS lost, total AS sent, firmware, region',
}

/** The bad ones, for a person who goes on from there in Query; only those of where most of the bad is. */
export function rowsSql(objective: string, measure: string, window: Window, behind: readonly Behind[]): string {
  const most = placeOfMost(behind)
  const only = most ? ` AND ${columnOf(most.dimension)} = ${literal(most.name)}` : ''
  return `WITH ${promisedSql(objective)}
SELECT ${SHOWN[measure]}
FROM (
${countedRows(measure, window)}
)
WHERE bad > 0${only}
ORDER BY ${measure === 'latency' ? 'ms' : 'bad'} DESC, time DESC`
}
