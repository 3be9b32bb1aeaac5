import { EVENT_FIELDS, TRANSPORT_KINDS } from '../contract/event.ts'
import { EVENT_LINE_MAX_BYTES, EVENT_TIME_FUTURE_MAX_MS, EVENT_TIME_PAST_MAX_MS } from '../contract/limits.ts'
import { ID_PATTERN } from '../contract/source.ts'
import { literal } from '../lake/schema.ts'
import { SPOOL_BATCH_NUMBERS } from './limits.ts'

/**
 * The SQL that turns spooled lines into rows of the events table. Pure: statements from names. Tables: `batches` (a row a
 * batch), `misfits` (lines that the spool could not take); of the part of the spool that a connection works at `parsed`
 * and `subjects` (hub → bucket), which become rows of `judged`.
 *
 * Each line is parsed under `CASE WHEN json_valid`: `try(json_transform(…))` would run a whole vector row by row for one
 * bad line in it, eight times slower at one bad line in a thousand (docs/decisions/021).
 */

/** Fields whose JSON type counts are taken as JSON; where words are expected, anything else is kept as its text. */
const JSON_FIELDS = new Set<string>(['m', 'value', 'issued', 'ms'])
const STRUCTURE = JSON.stringify(
  Object.fromEntries(EVENT_FIELDS.map((name) => [name, JSON_FIELDS.has(name) ? 'JSON' : 'VARCHAR'])),
)
/** RFC 7396: what takes the fields that have a column out of an object. */
const WITHOUT_FIELDS = JSON.stringify(Object.fromEntries(EVENT_FIELDS.map((name) => [name, null])))
/** Year 9999: a later time cannot be written down. */
const TIME_MAX_MS = 253_402_300_799_999
/** Kinds that only the writer makes. */
const RESERVED = TRANSPORT_KINDS.map((kind) => `'${kind}'`).join(', ')

export const BATCHES_TABLE = `CREATE OR REPLACE TABLE batches (
  batch BIGINT, bucket INTEGER, position BIGINT, source_id VARCHAR, service BOOLEAN, listener VARCHAR,
  received_ms DOUBLE, boot_id VARCHAR, stream VARCHAR, first BIGINT, count BIGINT, next BIGINT, acked BIGINT,
  now_ms DOUBLE, wall_ms DOUBLE, firmware VARCHAR, agent VARCHAR, dropped VARCHAR, crc VARCHAR, duplicates BIGINT,
  dead VARCHAR, whole VARCHAR)`

export const MISFITS_TABLE = `CREATE OR REPLACE TABLE misfits (number BIGINT, reason VARCHAR, line VARCHAR)`
export const SUBJECTS_TABLE = `CREATE OR REPLACE TEMP TABLE subjects (subject VARCHAR, subject_bucket INTEGER)`

/** Lines and their fields. A table and no view: as a view each column would parse the line anew. */
export function parseSql(spoolPath: string): string {
  return `CREATE OR REPLACE TEMP TABLE parsed AS
SELECT number // ${SPOOL_BATCH_NUMBERS} AS batch, number % ${SPOOL_BATCH_NUMBERS} AS ordinal, line,
  unnest(CASE WHEN valid THEN json_transform(line, '${STRUCTURE}') END),
  CASE WHEN valid THEN len(json_keys(line)) END AS keys
FROM (SELECT *, json_valid(line) AS valid FROM read_csv(${literal(spoolPath)}, columns = {'number': 'BIGINT', 'line': 'VARCHAR'},
  auto_detect = false, header = false, delim = '\\t', quote = '', escape = '', new_line = '\\n',
  max_line_size = ${EVENT_LINE_MAX_BYTES + 64}))`
}

/** Hubs that services speak about; whoever reads this fills `subjects`. */
export const SPOKEN_OF = `SELECT DISTINCT hub FROM parsed JOIN batches USING (batch) WHERE service AND hub IS NOT NULL`

const number = (field: string) => `TRY_CAST(CAST(${field} AS VARCHAR) AS DOUBLE)`
const wrongNumber = (field: string) => `${field} IS NOT NULL AND NOT coalesce(isfinite(${number(field)}), false)`
const timestamp = (ms: string) => `make_timestamptz(CAST(round((${ms}) * 1000) AS BIGINT))`
const timestampOrNull = (ms: string) => `CASE WHEN ${ms} BETWEEN 0 AND ${TIME_MAX_MS} THEN ${timestamp(ms)} END`

/** As `eventTime` of contract/event.ts, which a property test holds it against. */
const EVENT_TIME_MS = `CASE
    WHEN now_ms IS NOT NULL THEN least(greatest(received_ms - (now_ms - m_ms), received_ms - ${EVENT_TIME_PAST_MAX_MS}), received_ms + ${EVENT_TIME_FUTURE_MAX_MS})
    WHEN wall_ms + m_ms BETWEEN received_ms - ${EVENT_TIME_PAST_MAX_MS} AND received_ms + ${EVENT_TIME_FUTURE_MAX_MS} THEN wall_ms + m_ms
    ELSE received_ms END`
const TIME_SOURCE = `CASE WHEN now_ms IS NOT NULL THEN 'monotonic'
    WHEN wall_ms + m_ms BETWEEN received_ms - ${EVENT_TIME_PAST_MAX_MS} AND received_ms + ${EVENT_TIME_FUTURE_MAX_MS} THEN 'wall'
    ELSE 'received' END`

/** Why a line is no event; NULL when it is one. */
const WHY = `CASE
    WHEN dead IS NOT NULL THEN dead
    WHEN keys IS NULL THEN 'the line is not JSON'
    WHEN kind IS NULL THEN 'kind is missing'
    WHEN kind IN (${RESERVED}) THEN 'kind ' || kind || ' is made by Hearth alone'
    WHEN m IS NULL THEN 'm is missing'
    WHEN ${wrongNumber('m')} THEN 'm is not a number'
    WHEN value IS NOT NULL AND NOT coalesce(isfinite(value_number), false) THEN 'value is neither a number nor true or false: words go into text'
    WHEN ${wrongNumber('issued')} OR ${number('issued')} NOT BETWEEN 0 AND ${TIME_MAX_MS} THEN 'issued is not a time in ms since 1970'
    WHEN ${wrongNumber('ms')} THEN 'ms is not a number'
    WHEN service AND hub IS NULL THEN 'hub is missing: a service says which hub an event is about'
    WHEN service AND NOT regexp_full_match(hub, '${ID_PATTERN.source.slice(1, -1)}') THEN 'hub is not an id'
    WHEN service AND subject_bucket IS DISTINCT FROM bucket THEN 'hub belongs to another bucket than the stream'
    WHEN twice THEN 'a field is there twice'
  END`

const FIELDS_PRESENT = EVENT_FIELDS.map((name) => `CAST(${name} IS NOT NULL AS INTEGER)`).join(' + ')
/** Lines that have more than the fields that were read of them: others, one that is null, or one twice. */
const HAS_MORE = `keys > ${FIELDS_PRESENT}`

const IS_TWICE = 'len(list_distinct(json_keys(line))) < keys'

/**
 * A row when any line of a part has a field twice. Lines have few different sets of names: to look through one line of
 * each costs a small part of looking through every line, and nearly always the answer is no (docs/decisions/023). Asked
 * of an aggregate, so that DuckDB does not ask it of every line before the grouping.
 */
export const ANY_TWICE = `SELECT 1 FROM (
  SELECT any_value(line) AS line, any_value(keys) AS keys FROM parsed WHERE ${HAS_MORE} GROUP BY to_json(json_keys(line))
) WHERE ${IS_TWICE} LIMIT 1`

/** What is no column of its own, as text. A field of a hub's event called `hub` is not believed. */
const EXTRA = `json_transform(json_merge_patch(line, '${WITHOUT_FIELDS}'), '"MAP(VARCHAR, VARCHAR)"')`

export const JUDGED_TABLE = `CREATE OR REPLACE TABLE judged (
  batch BIGINT, ordinal BIGINT, bucket INTEGER, hub VARCHAR, kind VARCHAR, device VARCHAR, attribute VARCHAR,
  value DOUBLE, text VARCHAR, unit VARCHAR, command VARCHAR, stage VARCHAR, reason VARCHAR, m_ms DOUBLE,
  duration_ms DOUBLE, issued_ms DOUBLE, hub_ms DOUBLE, why VARCHAR, line VARCHAR, event_ms DOUBLE, time_source VARCHAR,
  extra MAP(VARCHAR, VARCHAR))`

/**
 * Every parsed line: typed, judged (`why` it is no event), dated. `seekTwice`: some line has a field twice (`ANY_TWICE`).
 * Of its batch it has no more than what rows are chosen by, and its own text only when it is dead: the rest is joined
 * where rows are made.
 */
export function judgeSql(seekTwice: boolean): string {
  return `INSERT INTO judged
SELECT batch, ordinal, bucket, hub, kind, device, attribute, value_number AS value, text, unit, command, stage, reason,
  m_ms, duration_ms, issued_ms, wall_ms + m_ms AS hub_ms, why,
  CASE WHEN why IS NOT NULL THEN line END AS line,
  CASE WHEN why IS NULL THEN ${EVENT_TIME_MS} END AS event_ms,
  CASE WHEN why IS NULL THEN ${TIME_SOURCE} END AS time_source,
  CASE WHEN why IS NULL AND ${HAS_MORE} THEN ${EXTRA} END AS extra
FROM (
  SELECT *, ${WHY} AS why FROM (
    SELECT p.*, b.bucket, b.service, b.received_ms, b.now_ms, b.wall_ms, b.dead, s.subject_bucket,
      ${number('m')} AS m_ms, ${number('ms')} AS duration_ms, ${number('issued')} AS issued_ms,
      CASE CAST(value AS VARCHAR) WHEN 'true' THEN 1.0 WHEN 'false' THEN 0.0 ELSE ${number('value')} END AS value_number,
      ${seekTwice ? `CASE WHEN ${HAS_MORE} THEN ${IS_TWICE} ELSE false END` : 'false'} AS twice
    FROM parsed p JOIN batches b USING (batch) LEFT JOIN subjects s ON service AND s.subject = p.hub
  )
)`
}

/** As the rows' times are rounded: to µs. */
const hourOf = (ms: string) => `CAST(round((${ms}) * 1000) AS BIGINT) // 3600000000`

/** (batch, hour since 1970) of the events: which dates a batch opens, and which hours it touches. */
export const HOURS_SQL = `SELECT DISTINCT batch, ${hourOf('event_ms')} AS hour FROM judged WHERE why IS NULL ORDER BY ALL`

/** Batches that are in the files; a bucket may have ended early. */
export const CHOSEN_TABLE = `CREATE OR REPLACE TABLE chosen (batch BIGINT)`

const CHOSEN_BATCHES = `SELECT * EXCLUDE (bucket) FROM batches SEMI JOIN chosen USING (batch)`

/**
 * The rows of the events table with its partition columns, of the chosen batches; absent columns are NULL. A view and no
 * table: each file reads its part of `judged` once, and nothing is copied in between.
 */
export function rowsSql(logId: string): string {
  const log = literal(logId)
  const whence = `bucket, source_id, boot_id, stream, ${timestamp('received_ms')} AS received_time, firmware, agent`
  const transport = `${whence}, ${timestamp('received_ms')} AS event_time, 'received' AS time_source, ${log} AS log_id,
    position AS log_position, CASE WHEN service THEN NULL ELSE source_id END AS hub_id`
  const context = `map {'listener': listener, 'now': CAST(now_ms AS VARCHAR), 'wall': CAST(wall_ms AS VARCHAR)} AS extra`
  return `CREATE OR REPLACE VIEW rows AS SELECT *, CAST(event_time AS DATE) AS event_date FROM (
  SELECT ${whence}, CASE WHEN service THEN hub ELSE source_id END AS hub_id, first + ordinal AS seq,
    ${timestamp('event_ms')} AS event_time, ${timestampOrNull('hub_ms')} AS hub_time, m_ms AS mono_ms, time_source, kind,
    ${timestamp('issued_ms')} AS issued_time, device AS device_id, attribute, value, text, unit,
    command AS command_id, stage, duration_ms, reason, CASE WHEN cardinality(extra) > 0 THEN extra END AS extra
  FROM judged JOIN (${CHOSEN_BATCHES}) USING (batch) WHERE why IS NULL
  UNION ALL BY NAME
  SELECT ${transport}, first + ordinal AS seq, ordinal, 'dead' AS kind, why AS reason, line AS text, ${context}
  FROM (SELECT batch, bucket, ordinal, why, line FROM judged WHERE why IS NOT NULL)
  JOIN (${CHOSEN_BATCHES}) USING (batch)
  UNION ALL BY NAME
  SELECT ${transport}, first + ordinal AS seq, ordinal, 'dead' AS kind, m.reason, m.line AS text, ${context}
  FROM (SELECT number // ${SPOOL_BATCH_NUMBERS} AS batch, number % ${SPOOL_BATCH_NUMBERS} AS ordinal, reason, line FROM misfits) m
  JOIN batches USING (batch) SEMI JOIN chosen USING (batch)
  UNION ALL BY NAME
  SELECT ${transport}, CASE WHEN whole IS NULL THEN 'batch' ELSE 'dead' END AS kind, -1 AS ordinal,
    CASE WHEN whole IS NULL THEN NULL ELSE dead END AS reason, whole AS text, first AS batch_first, count AS batch_count,
    next AS batch_next, acked AS batch_acked, dropped AS batch_dropped, crc AS batch_crc, duplicates AS batch_duplicates,
    CASE WHEN whole IS NULL THEN coalesce(n.dead_lines, 0) END AS batch_dead, map {'listener': listener} AS extra
  FROM batches SEMI JOIN chosen USING (batch) LEFT JOIN dead_counts n USING (batch)
)`
}

const GENERATION = `TRY_CAST(extra['generation'] AS DOUBLE)`
const ABOUT_ERASED = `judged JOIN batches USING (batch) JOIN erased_hubs USING (hub) WHERE service`

/** Hubs that were erased, of those that services spoke about here: up to which generation, and back since when if at all. */
export function erasedHubsTable(
  hubs: ReadonlyMap<string, { readonly generation: number; readonly since_ms: number | undefined }>,
): string {
  const rows = [...hubs].map(([hub, one]) => `(${literal(hub)}, ${one.generation}, ${one.since_ms ?? 'NULL'})`)
  return `CREATE OR REPLACE TABLE erased_hubs AS SELECT hub, CAST(until_generation AS DOUBLE) AS until_generation,
  CAST(since_ms AS DOUBLE) AS since_ms FROM (VALUES ${rows.join(', ')}) t(hub, until_generation, since_ms)`
}
/** (hub, ms) of those that the registry tells here to be enrolled anew. */
export const ENROLLED_ANEW = `SELECT hub, min(TRY_CAST(extra['valid_from_ms'] AS DOUBLE)) AS since_ms FROM ${ABOUT_ERASED}
  AND kind = 'registry' AND why IS NULL AND ${GENERATION} > until_generation GROUP BY hub HAVING since_ms > 0`
export const KEEP_ENROLLED = `UPDATE erased_hubs e SET since_ms = n.since_ms FROM (${ENROLLED_ANEW}) n
  WHERE e.hub = n.hub AND e.since_ms IS NULL`
/** Lines of services about erased hubs, as (batch, ordinal). */
export const ERASED_TABLE = `CREATE OR REPLACE TABLE erased AS SELECT batch, ordinal FROM ${ABOUT_ERASED} AND coalesce(
  CASE WHEN kind = 'registry' THEN ${GENERATION} <= until_generation ELSE since_ms IS NULL OR event_ms < since_ms END, true)`
export const ERASED_LINES = `SELECT batch, ordinal FROM erased`
export const WITHOUT_ERASED = `DELETE FROM judged USING erased WHERE judged.batch = erased.batch AND judged.ordinal = erased.ordinal`

/** Lines that became dead, as (batch, ordinal). */
export const DEAD_LINES = `SELECT batch, ordinal FROM judged SEMI JOIN chosen USING (batch) WHERE why IS NOT NULL
UNION ALL SELECT number // ${SPOOL_BATCH_NUMBERS}, number % ${SPOOL_BATCH_NUMBERS} FROM misfits`
export const DEAD_COUNTS_TABLE = `CREATE OR REPLACE TABLE dead_counts AS
SELECT batch, count(*) AS dead_lines FROM (${DEAD_LINES}) GROUP BY batch`

/** Rows (what, hour or time in ms, bucket) of what `HOURS_SQL` does not tell: see contract/touched.ts. */
export const TOUCHED_SQL = `SELECT 'issued' AS what, ${hourOf('issued_ms')} * 3600000 AS at, bucket FROM judged SEMI JOIN chosen USING (batch)
  WHERE why IS NULL AND kind = 'command' AND issued_ms IS NOT NULL GROUP BY ALL
UNION ALL SELECT 'registry', coalesce(min(TRY_CAST(extra['valid_from_ms'] AS BIGINT)), 0), bucket FROM judged SEMI JOIN chosen USING (batch)
  WHERE why IS NULL AND kind = 'registry' GROUP BY bucket
ORDER BY ALL`
