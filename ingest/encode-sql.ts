import { EVENT_FIELDS } from '../contract/event.ts'
import { EVENT_TIME_FUTURE_MAX_MS, EVENT_TIME_PAST_MAX_MS } from '../contract/limits.ts'
import { ID_PATTERN } from '../contract/source.ts'
import { EVENT_LINE_MAX_BYTES, SPOOL_BATCH_NUMBERS } from './limits.ts'

/**
 * The SQL that turns a spool of lines into rows of the events table. Pure: statements from names. Tables that it uses:
 * `batches` (a row a batch), `misfits` (lines that the spool could not take), `subjects` (hub → bucket).
 *
 * Each line is parsed under `CASE WHEN json_valid`: `try(json_transform(…))` would run a whole vector row by row for one
 * bad line in it, eight times slower at one bad line in a thousand (docs/decisions/021).
 */

/** Fields whose JSON type counts are taken as JSON; where words are expected, anything else is kept as its text. */
const JSON_FIELDS = new Set<string>(['m', 'value', 'issued', 'ms'])
const STRUCTURE = JSON.stringify(
  Object.fromEntries(EVENT_FIELDS.map((name) => [name, JSON_FIELDS.has(name) ? 'JSON' : 'VARCHAR'])),
)
const KNOWN = EVENT_FIELDS.map((name) => `'${name}'`).join(', ')
/** Year 9999: a later time cannot be written down. */
const TIME_MAX_MS = 253_402_300_799_999
/** Kinds that only the writer makes. */
const RESERVED = `'dead', 'batch'`

export const BATCHES_TABLE = `CREATE OR REPLACE TEMP TABLE batches (
  batch BIGINT, bucket INTEGER, position BIGINT, source_id VARCHAR, service BOOLEAN, listener VARCHAR,
  received_ms DOUBLE, boot_id VARCHAR, stream VARCHAR, first BIGINT, count BIGINT, next BIGINT, acked BIGINT,
  now_ms DOUBLE, wall_ms DOUBLE, firmware VARCHAR, agent VARCHAR, dropped VARCHAR, crc VARCHAR, duplicates BIGINT,
  dead VARCHAR, whole VARCHAR)`

export const MISFITS_TABLE = `CREATE OR REPLACE TEMP TABLE misfits (number BIGINT, reason VARCHAR, line VARCHAR)`
export const SUBJECTS_TABLE = `CREATE OR REPLACE TEMP TABLE subjects (subject VARCHAR, subject_bucket INTEGER)`

/** Lines and their fields. A table and no view: as a view each column would parse the line anew. */
export function parseSql(spoolPath: string): string {
  const path = spoolPath.replaceAll("'", "''")
  return `CREATE OR REPLACE TEMP TABLE parsed AS
SELECT number // ${SPOOL_BATCH_NUMBERS} AS batch, number % ${SPOOL_BATCH_NUMBERS} AS ordinal, line,
  unnest(CASE WHEN valid THEN json_transform(line, '${STRUCTURE}') END),
  CASE WHEN valid THEN len(json_keys(line)) END AS keys
FROM (SELECT *, json_valid(line) AS valid FROM read_csv('${path}', columns = {'number': 'BIGINT', 'line': 'VARCHAR'},
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

/** Entries of the object that are no column of their own. A field of a hub's event called `hub` is not believed. */
const EXTRA_ENTRIES = `list_filter(map_entries(json_transform(line, '"MAP(VARCHAR, VARCHAR)"')), lambda entry: NOT list_contains([${KNOWN}], entry.key))`
const FIELDS_PRESENT = EVENT_FIELDS.map((name) => `CAST(${name} IS NOT NULL AS INTEGER)`).join(' + ')

/** Every line with its batch: typed, judged (`why` it is no event), dated. */
export const JUDGE_SQL = `CREATE OR REPLACE TEMP TABLE judged AS
SELECT *, CASE WHEN why IS NULL THEN ${EVENT_TIME_MS} ELSE received_ms END AS event_ms,
  CASE WHEN why IS NULL THEN ${TIME_SOURCE} ELSE 'received' END AS time_source
FROM (
  SELECT *, ${WHY} AS why FROM (
    SELECT p.*, b.* EXCLUDE (batch), s.subject_bucket,
      CASE WHEN service THEN p.hub ELSE source_id END AS about,
      ${number('m')} AS m_ms, ${number('ms')} AS duration_ms, ${number('issued')} AS issued_ms,
      CASE CAST(value AS VARCHAR) WHEN 'true' THEN 1.0 WHEN 'false' THEN 0.0 ELSE ${number('value')} END AS value_number,
      CASE WHEN keys > ${FIELDS_PRESENT} THEN ${EXTRA_ENTRIES} END AS extras,
      CASE WHEN keys > ${FIELDS_PRESENT} THEN len(list_distinct(json_keys(line))) < keys ELSE false END AS twice
    FROM parsed p JOIN batches b USING (batch) LEFT JOIN subjects s ON service AND s.subject = p.hub
  )
)`

export const DATES_SQL = `SELECT batch, list(DISTINCT CAST(CAST(${timestamp('event_ms')} AS DATE) AS VARCHAR)) AS dates
FROM (SELECT batch, event_ms FROM judged UNION ALL SELECT batch, received_ms FROM batches)
GROUP BY batch ORDER BY batch`

/** Batches that are in the files; a bucket may have ended early. */
export const CHOSEN_TABLE = `CREATE OR REPLACE TEMP TABLE chosen (batch BIGINT)`

/**
 * The rows of the events table with its partition columns, of the chosen batches; absent columns are NULL. A view and no
 * table: each file reads its part of `judged` once, and nothing is copied in between.
 */
export function rowsSql(logId: string): string {
  const log = `'${logId.replaceAll("'", "''")}'`
  const whence = `bucket, source_id, boot_id, stream, ${timestamp('received_ms')} AS received_time, firmware, agent`
  const transport = `${whence}, ${timestamp('received_ms')} AS event_time, 'received' AS time_source, ${log} AS log_id,
    position AS log_position, CASE WHEN service THEN NULL ELSE source_id END AS hub_id`
  const context = `map {'listener': listener, 'now': CAST(now_ms AS VARCHAR), 'wall': CAST(wall_ms AS VARCHAR)} AS extra`
  return `CREATE OR REPLACE TEMP VIEW rows AS SELECT *, CAST(event_time AS DATE) AS event_date FROM (
  SELECT ${whence}, about AS hub_id, first + ordinal AS seq, ${timestamp('event_ms')} AS event_time,
    ${timestampOrNull('wall_ms + m_ms')} AS hub_time, m_ms AS mono_ms, time_source, kind,
    ${timestamp('issued_ms')} AS issued_time, device AS device_id, attribute, value_number AS value, text, unit,
    command AS command_id, stage, duration_ms, reason,
    CASE WHEN len(extras) > 0 THEN map_from_entries(extras) END AS extra
  FROM judged SEMI JOIN chosen USING (batch) WHERE why IS NULL
  UNION ALL BY NAME
  SELECT ${transport}, first + ordinal AS seq, ordinal, 'dead' AS kind, why AS reason, line AS text, ${context}
  FROM judged SEMI JOIN chosen USING (batch) WHERE why IS NOT NULL
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

/** Lines that became dead, as (batch, ordinal). */
export const DEAD_LINES = `SELECT batch, ordinal FROM judged SEMI JOIN chosen USING (batch) WHERE why IS NOT NULL
UNION ALL SELECT number // ${SPOOL_BATCH_NUMBERS}, number % ${SPOOL_BATCH_NUMBERS} FROM misfits`
export const DEAD_COUNTS_TABLE = `CREATE OR REPLACE TEMP TABLE dead_counts AS
SELECT batch, count(*) AS dead_lines FROM (${DEAD_LINES}) GROUP BY batch`

export const PARTITIONS = `SELECT bucket, CAST(event_date AS VARCHAR) AS date FROM rows GROUP BY ALL ORDER BY ALL`

const hour = (time: string) => `epoch_ms(date_trunc('hour', ${time}))`
/** Rows (what, hour or time in ms, bucket): see contract/touched.ts. */
export const TOUCHED_SQL = `SELECT 'hours' AS what, ${hour('event_time')} AS at, bucket FROM rows WHERE kind NOT IN (${RESERVED}) GROUP BY ALL
UNION ALL SELECT 'issued', ${hour('issued_time')}, bucket FROM rows WHERE kind = 'command' AND issued_time IS NOT NULL GROUP BY ALL
UNION ALL SELECT 'registry', coalesce(min(TRY_CAST(extra['valid_from_ms'] AS BIGINT)), 0), bucket FROM rows WHERE kind = 'registry' GROUP BY bucket
ORDER BY ALL`
