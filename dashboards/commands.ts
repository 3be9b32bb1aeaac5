import { z } from 'zod'
import { OUTCOMES } from '../contract/command.ts'
import { Problem } from '../contract/problem.ts'
import { literal } from '../lake/schema.ts'
import { count, numeric, rowsOf } from './answer-rows.ts'
import type { AroundAnswer, CommandsAnswer, CommandTrace, Moment, TraceAnswer } from './api.ts'
import type { Queries } from './query-protocol.ts'
import { date, lines, timestamp } from './sql-text.ts'

const DAY_MS = 86_400_000
/** A result may come this long after the issue and still be found; days past it cost files read for nothing. */
const LATE_RESULTS_MS = 2 * DAY_MS
/** What is shown of a hub around one of its commands. */
const CONNECTIONS_AROUND_MS = 3 * 3_600_000
const READINGS_AROUND_MS = 10 * 60_000

/** With several outcomes on record the first of OUTCOMES counts; the ledger's stages carry them all. */
const OUTCOME_SQL = `CASE ${OUTCOMES.map((outcome) => `WHEN bool_or(stage = '${outcome}') THEN '${outcome}'`).join(' ')} END`

const TRACE_COLUMNS = `
  command_id, hub_id,
  any_value(device_id) AS device,
  epoch_ms(min(issued_time)) AS issued_ms,
  ${OUTCOME_SQL} AS outcome,
  max(reason) AS reason,
  max(extra['app']) AS app,
  max(TRY_CAST(extra['deadline_ms'] AS DOUBLE)) AS deadline_ms,
  max(extra['set']) AS set_text,
  max(duration_ms) FILTER (stage = 'acked') - max(duration_ms) FILTER (stage = 'sent') AS round_trip_ms,
  string_agg(concat_ws(' ', stage, CASE WHEN source_id = hub_id THEN 'hub' ELSE 'relay' END, duration_ms), ','
    ORDER BY duration_ms) AS stages`

export type CommandsWindow = {
  readonly from: number
  readonly to: number
  readonly hub?: string | undefined
  readonly outcome?: string | undefined
  readonly limit: number
}

function commandsSql(window: CommandsWindow): string {
  const hub = window.hub === undefined ? '' : ` AND hub_id = ${literal(window.hub)}`
  const outcome = window.outcome === undefined ? '' : ` HAVING outcome = ${literal(window.outcome)}`
  return `SELECT${TRACE_COLUMNS}
FROM command_stages
WHERE event_date BETWEEN ${date(window.from)} AND ${date(window.to + LATE_RESULTS_MS)}
  AND issued_time >= ${timestamp(window.from)} AND issued_time < ${timestamp(window.to)}${hub}
GROUP BY command_id, hub_id${outcome}
ORDER BY issued_ms DESC
LIMIT ${window.limit}`
}

function countsSql(window: CommandsWindow): string {
  const hub = window.hub === undefined ? '' : ` AND hub_id = ${literal(window.hub)}`
  return `SELECT outcome, count(*) AS commands
FROM (
  SELECT command_id, ${OUTCOME_SQL} AS outcome
  FROM command_stages
  WHERE event_date BETWEEN ${date(window.from)} AND ${date(window.to + LATE_RESULTS_MS)}
    AND issued_time >= ${timestamp(window.from)} AND issued_time < ${timestamp(window.to)}${hub}
  GROUP BY command_id
)
GROUP BY outcome`
}

const traceRow = z.object({
  command_id: z.string(),
  hub_id: z.string(),
  device: z.string().nullable(),
  issued_ms: numeric,
  outcome: z.string().nullable(),
  reason: z.string().nullable(),
  app: z.string().nullable(),
  deadline_ms: numeric,
  set_text: z.string().nullable(),
  round_trip_ms: numeric,
  stages: z.string().nullable(),
})

/** The newest commands of a window, and how many ended how. */
export async function listCommands(
  queries: Queries,
  window: CommandsWindow,
  signal: AbortSignal,
): Promise<CommandsAnswer> {
  const sql = commandsSql(window)
  const [rows, counts] = await Promise.all([
    queries.run({ sql, max_rows: window.limit }, signal),
    queries.run({ sql: countsSql(window), max_rows: 100 }, signal),
  ])
  return {
    commands: rowsOf(rows, traceRow).map(toTrace),
    counts: Object.fromEntries(
      rowsOf(counts, z.object({ outcome: z.string().nullable(), commands: count })).map((row) => [
        row.outcome ?? 'open',
        row.commands,
      ]),
    ),
    sql,
  }
}

/** The SELECT of one command's stages, for the page's link to the rows behind it. */
export function stagesSql(command: string, issued_ms: number | undefined): string {
  const days =
    issued_ms === undefined
      ? ''
      : `\n  AND event_date BETWEEN ${date(issued_ms - DAY_MS)} AND ${date(issued_ms + LATE_RESULTS_MS)}`
  return `SELECT stage, CASE WHEN source_id = hub_id THEN 'hub' ELSE 'relay' END AS clock, duration_ms, reason, event_time, source_id
FROM command_stages
WHERE command_id = ${literal(command)}${days}
ORDER BY event_time`
}

/** One command from the lake. Raises `missing`. */
export async function traceCommand(
  queries: Queries,
  command: string,
  issued_ms: number | undefined,
  signal: AbortSignal,
): Promise<TraceAnswer> {
  const days =
    issued_ms === undefined
      ? ''
      : ` AND event_date BETWEEN ${date(issued_ms - DAY_MS)} AND ${date(issued_ms + LATE_RESULTS_MS)}`
  const sql = `SELECT${TRACE_COLUMNS}
FROM command_stages
WHERE command_id = ${literal(command)}${days}
GROUP BY command_id, hub_id`
  const [row] = rowsOf(await queries.run({ sql, max_rows: 1 }, signal), traceRow)
  if (!row) {
    throw new Problem(
      'missing',
      `no command ${command} in the table; a new one takes up to ten seconds to get there, an id has 32 hex digits`,
    )
  }
  return { trace: toTrace(row), sql: stagesSql(command, issued_ms) }
}

/** What the hub went through around a time: its connection, and the readings of the device. */
export async function aroundCommand(
  queries: Queries,
  at: { readonly hub: string; readonly device: string; readonly time_ms: number },
  signal: AbortSignal,
): Promise<AroundAnswer> {
  const from_ms = at.time_ms - CONNECTIONS_AROUND_MS
  const to_ms = at.time_ms + CONNECTIONS_AROUND_MS
  const connections = lines(`
    SELECT epoch_ms(event_time) AS time_ms, stage, reason
    FROM connections
    WHERE event_date BETWEEN ${date(from_ms - DAY_MS)} AND ${date(to_ms)} AND hub_id = ${literal(at.hub)}
      AND event_time < ${timestamp(to_ms)}
    ORDER BY event_time DESC`)
  const readings = lines(`
    SELECT epoch_ms(event_time) AS time_ms, attribute, value, text, unit
    FROM readings
    WHERE event_date BETWEEN ${date(at.time_ms - READINGS_AROUND_MS)} AND ${date(at.time_ms + READINGS_AROUND_MS)}
      AND hub_id = ${literal(at.hub)} AND device_id = ${literal(at.device)}
      AND event_time BETWEEN ${timestamp(at.time_ms - READINGS_AROUND_MS)} AND ${timestamp(at.time_ms + READINGS_AROUND_MS)}
    ORDER BY event_time`)
  const [first, second] = await Promise.all([
    queries.run({ sql: connections, max_rows: 500 }, signal),
    queries.run({ sql: readings, max_rows: 200 }, signal),
  ])
  const connectionRow = z.object({ time_ms: count, stage: z.string(), reason: z.string().nullable() })
  const readingRow = z.object({
    time_ms: count,
    attribute: z.string().nullable(),
    value: numeric,
    text: z.string().nullable(),
    unit: z.string().nullable(),
  })
  return {
    connections: rowsOf(first, connectionRow).reverse(),
    readings: rowsOf(second, readingRow),
    from_ms,
    to_ms,
  }
}

function toTrace(row: z.output<typeof traceRow>): CommandTrace {
  return {
    command: row.command_id,
    hub: row.hub_id,
    device: row.device,
    set: parseSet(row.set_text),
    app: row.app,
    issued_ms: row.issued_ms,
    deadline_ms: row.deadline_ms,
    outcome: row.outcome,
    reason: row.reason,
    round_trip_ms: row.round_trip_ms,
    stages: parseStages(row.stages ?? ''),
    told_by: 'lake',
  }
}

/** `issued relay 0,sent relay 1.2,received hub 0`, as TRACE_COLUMNS writes it. */
export function parseStages(stages: string): Moment[] {
  return stages.split(',').flatMap((part): Moment[] => {
    const [stage, by, ms] = part.split(' ')
    if (!stage || (by !== 'hub' && by !== 'relay') || ms === undefined || ms === '') return []
    return [{ stage, by, ms: Number(ms) }]
  })
}

function parseSet(set: string | null): Record<string, unknown> | null {
  if (set === null) return null
  try {
    const parsed = z.record(z.string(), z.unknown()).safeParse(JSON.parse(set))
    return parsed.success ? parsed.data : { value: set }
  } catch (error) {
    // Not JSON: an older relay, or a foreign one. It is shown as it is.
    if (error instanceof SyntaxError) return { value: set }
    throw error
  }
}
