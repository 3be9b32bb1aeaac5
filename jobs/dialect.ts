import { bucketIndexSql, bucketValueSql } from '../contract/histogram.ts'

/**
 * What the shared SQL needs and DuckDB lacks, or spells otherwise. Scalars only: a macro never shadows an aggregate
 * (FILTER and OVER break on one), but `collect_list` has no namesake here. On Spark the last three are SQL functions.
 */
export const DUCKDB_MACROS: readonly string[] = [
  'CREATE OR REPLACE MACRO unix_millis(t) AS epoch_ms(t)',
  "CREATE OR REPLACE MACRO timestamp_millis(ms) AS (make_timestamp(CAST(ms AS BIGINT) * 1000) AT TIME ZONE 'UTC')",
  'CREATE OR REPLACE MACRO collect_list(x) AS list(x)',
  'CREATE OR REPLACE MACRO array_join(xs, separator) AS array_to_string(xs, separator)',
  `CREATE OR REPLACE MACRO log_bucket(ms) AS (${bucketIndexSql('ms')})`,
  `CREATE OR REPLACE MACRO log_bucket_value(i) AS ${bucketValueSql('i')}`,
  "CREATE OR REPLACE MACRO boot_order(boot) AS (CAST(split_part(boot, '-', 1) AS BIGINT) * 1000000000 + CAST(split_part(boot, '-', 2) AS BIGINT))",
]

/** Views that take JSON and lists apart, where the two dialects differ: made per metric, from its `events` or `before`. */
export const DUCKDB_VIEWS: Readonly<Record<string, readonly string[]>> = {
  hubs: [
    `CREATE OR REPLACE TEMP VIEW maintenance_windows AS
     SELECT hub_id, boot_id, seq, w.from_ms AS from_ms, w.to_ms AS to_ms
     FROM (SELECT hub_id, boot_id, seq, unnest(from_json(extra['maintenance'], '[{"from_ms":"BIGINT","to_ms":"BIGINT"}]')) AS w
           FROM events WHERE extra['maintenance'] IS NOT NULL) windows`,
  ],
  stream_hours: [
    `CREATE OR REPLACE TEMP VIEW previous_told AS
     SELECT hub_id, bucket, stream, event_time,
       unnest(from_json(batch_dropped->'previous', '[{"boot":"VARCHAR","next":"BIGINT","dropped":[["BIGINT"]],"held":"BOOLEAN"}]')) AS p
     FROM events WHERE batch_dropped IS NOT NULL`,
    `CREATE OR REPLACE TEMP VIEW previous_boots AS
     SELECT hub_id, bucket, p.boot AS boot_id, stream, p.next AS next_seq, p.held AS held, event_time FROM previous_told`,
    `CREATE OR REPLACE TEMP VIEW dropped_ranges AS
     SELECT DISTINCT hub_id, boot_id, stream, r[1] AS from_seq, r[2] AS to_seq FROM (
       SELECT hub_id, boot_id, stream, unnest(from_json(batch_dropped->'dropped', '[["BIGINT"]]')) AS r
       FROM events WHERE batch_dropped IS NOT NULL
       UNION ALL
       SELECT hub_id, p.boot, stream, unnest(p.dropped) FROM previous_told) ranges`,
    `CREATE OR REPLACE TEMP VIEW pending_before_ranges AS
     SELECT hub_id, boot_id, stream, CAST(split_part(r, '-', 1) AS BIGINT) AS from_seq, CAST(split_part(r, '-', 2) AS BIGINT) AS to_seq
     FROM (SELECT hub_id, boot_id, stream, unnest(string_split(pending_ranges, ' ')) AS r FROM before
           WHERE pending_ranges IS NOT NULL) ranges`,
  ],
}
