import type { OwnType } from '../../contract/column.ts'
import { bucketIndexSql, bucketValueSql } from '../../contract/histogram.ts'
import type { TableColumn } from '../../lake/schema.ts'

/** What the shared SQL needs of Spark: what jobs/dialect.ts is for DuckDB. */

/** Names in double quotes, errors where DuckDB has errors, times in UTC and in Parquet as µs. */
export const SPARK_SETTINGS: readonly string[] = [
  ['spark.sql.session.timeZone', 'UTC'],
  ['spark.sql.timestampType', 'TIMESTAMP_LTZ'],
  ['spark.sql.ansi.enabled', 'true'],
  ['spark.sql.ansi.doubleQuotedIdentifiers', 'true'],
  ['spark.sql.parquet.outputTimestampType', 'TIMESTAMP_MICROS'],
  ['spark.sql.parquet.compression.codec', 'zstd'],
].map(([key, value]) => `SET ${key}=${value}`)

export const SPARK_FUNCTIONS: readonly string[] = [
  `CREATE OR REPLACE TEMPORARY FUNCTION log_bucket(ms DOUBLE) RETURNS INT RETURN ${bucketIndexSql('ms')}`,
  `CREATE OR REPLACE TEMPORARY FUNCTION log_bucket_value(i INT) RETURNS DOUBLE RETURN ${bucketValueSql('i')}`,
  `CREATE OR REPLACE TEMPORARY FUNCTION boot_order(boot STRING) RETURNS BIGINT
   RETURN CAST(split_part(boot, '-', 1) AS BIGINT) * 1000000000 + CAST(split_part(boot, '-', 2) AS BIGINT)`,
]

const PREVIOUS = 'ARRAY<STRUCT<boot: STRING, next: BIGINT, dropped: ARRAY<ARRAY<BIGINT>>, held: BOOLEAN>>'

/** Those of `DUCKDB_VIEWS`. */
export const SPARK_VIEWS: Readonly<Record<string, readonly string[]>> = {
  hubs: [
    `CREATE OR REPLACE TEMP VIEW maintenance_windows AS
     SELECT hub_id, boot_id, seq, w.from_ms AS from_ms, w.to_ms AS to_ms
     FROM (SELECT hub_id, boot_id, seq, explode(from_json(extra['maintenance'], 'ARRAY<STRUCT<from_ms: BIGINT, to_ms: BIGINT>>')) AS w
           FROM events WHERE extra['maintenance'] IS NOT NULL) windows`,
  ],
  stream_hours: [
    `CREATE OR REPLACE TEMP VIEW previous_told AS
     SELECT hub_id, bucket, stream, event_time,
       explode(from_json(batch_dropped, 'STRUCT<previous: ${PREVIOUS}>').previous) AS p
     FROM events WHERE batch_dropped IS NOT NULL`,
    `CREATE OR REPLACE TEMP VIEW previous_boots AS
     SELECT hub_id, bucket, p.boot AS boot_id, stream, p.next AS next_seq, p.held AS held, event_time FROM previous_told`,
    `CREATE OR REPLACE TEMP VIEW dropped_ranges AS
     SELECT DISTINCT hub_id, boot_id, stream, r[0] AS from_seq, r[1] AS to_seq FROM (
       SELECT hub_id, boot_id, stream, explode(from_json(batch_dropped, 'STRUCT<dropped: ARRAY<ARRAY<BIGINT>>>').dropped) AS r
       FROM events WHERE batch_dropped IS NOT NULL
       UNION ALL
       SELECT hub_id, p.boot, stream, explode(p.dropped) FROM previous_told) ranges`,
    `CREATE OR REPLACE TEMP VIEW pending_before_ranges AS
     SELECT hub_id, boot_id, stream, CAST(split_part(r, '-', 1) AS BIGINT) AS from_seq, CAST(split_part(r, '-', 2) AS BIGINT) AS to_seq
     FROM (SELECT hub_id, boot_id, stream, explode(split(pending_ranges, ' ')) AS r FROM before
           WHERE pending_ranges IS NOT NULL) ranges`,
  ],
}

const SPARK_TYPES: Readonly<Record<string, string>> = {
  string: 'STRING',
  long: 'BIGINT',
  integer: 'INT',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  timestamp: 'TIMESTAMP',
  date: 'DATE',
  map: 'MAP<STRING, STRING>',
} satisfies Record<OwnType, string>

/** Undefined for a type that no metric reads. */
export function sparkType({ type }: Pick<TableColumn, 'type'>): string | undefined {
  return SPARK_TYPES[type]
}

/** Quotes a text for Spark, where a backslash means something. */
export function sparkLiteral(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

export function sparkTimeSql(ms: number): string {
  return `timestamp_millis(${ms})`
}
