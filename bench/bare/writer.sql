-- The writer's work by hand: the same lines and per-batch columns in, the same rows out, nothing checked twice.
-- {lines}: file of <batch * 16384 + ordinal><TAB><line>; {batches}: Parquet of per-batch columns; {out}: folder.
CREATE OR REPLACE TEMP TABLE parsed AS
SELECT number // 16384 AS batch, number % 16384 AS ordinal, line, j.* FROM (
  SELECT number, line,
    CASE WHEN json_valid(line) THEN json_transform(line, '{"m":"DOUBLE","hub":"VARCHAR","kind":"VARCHAR","device":"VARCHAR","attribute":"VARCHAR","value":"DOUBLE","text":"VARCHAR","unit":"VARCHAR","command":"VARCHAR","issued":"BIGINT","stage":"VARCHAR","ms":"DOUBLE","reason":"VARCHAR"}') END AS j
  FROM read_csv('{lines}', columns = {'number': 'BIGINT', 'line': 'VARCHAR'}, auto_detect = false, header = false,
    delim = '\t', quote = '', escape = '', new_line = '\n')
);
CREATE OR REPLACE TEMP TABLE rows AS
SELECT *, CAST(event_time AS DATE) AS event_date FROM (
  SELECT bucket, source_id AS hub_id, source_id, boot_id, stream, first + ordinal AS seq,
    make_timestamptz(CAST(round((received_ms - (now_ms - m)) * 1000) AS BIGINT)) AS event_time,
    make_timestamptz(CAST(received_ms * 1000 AS BIGINT)) AS received_time,
    make_timestamptz(CAST(round((wall_ms + m) * 1000) AS BIGINT)) AS hub_time, m AS mono_ms, 'monotonic' AS time_source,
    kind, make_timestamptz(issued * 1000) AS issued_time, device AS device_id, attribute, value, text, unit,
    command AS command_id, stage, ms AS duration_ms, reason, firmware, agent,
    CASE WHEN kind <> 'command' THEN json_transform(json_merge_patch(line, '{"m":null,"hub":null,"kind":null,"device":null,"attribute":null,"value":null,"text":null,"unit":null,"command":null,"issued":null,"stage":null,"ms":null,"reason":null}'), '"MAP(VARCHAR, VARCHAR)"') END AS extra,
    NULL::VARCHAR AS log_id, NULL::BIGINT AS log_position, NULL::BIGINT AS ordinal, NULL::BIGINT AS batch_first, NULL::BIGINT AS batch_count,
    NULL::BIGINT AS batch_next, NULL::BIGINT AS batch_acked, NULL::VARCHAR AS batch_dropped, NULL::VARCHAR AS batch_crc, NULL::BIGINT AS batch_duplicates, NULL::BIGINT AS batch_dead
  FROM parsed JOIN '{batches}' USING (batch) WHERE kind IS NOT NULL AND m IS NOT NULL
);
COPY (SELECT * FROM rows ORDER BY event_date, bucket, kind, hub_id, device_id, seq)
TO '{out}' (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v1, ROW_GROUP_SIZE 131072, PARTITION_BY (event_date, bucket), OVERWRITE_OR_IGNORE);
