-- A day of a metric by hand: its own SELECT, over the same files, all hours in one statement; one file a bucket comes out.
-- {events}, {hubs}: globs of Parquet; {only}: the rows of events that it reads; {columns}: those of hubs;
-- {select}: the metric's SELECT; {day}: midnight, UTC; {order}: as our files are sorted; {out}: folder.
CREATE OR REPLACE TEMP VIEW hours AS
SELECT hour, hour + INTERVAL 1 HOUR AS hour_end, hour + INTERVAL 1 HOUR AS until, TRUE AS complete
FROM (SELECT TIMESTAMPTZ '{day}' + to_hours(h) AS hour FROM range(24) hours(h));
CREATE OR REPLACE TEMP VIEW events AS SELECT * FROM read_parquet('{events}', hive_partitioning = true) WHERE {only};
CREATE OR REPLACE TEMP VIEW hubs AS SELECT * FROM read_parquet('{hubs}', hive_partitioning = false);
CREATE OR REPLACE TEMP TABLE result AS {select};
COPY (SELECT * FROM result ORDER BY {order})
TO '{out}' (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v1, ROW_GROUP_SIZE 131072, PARTITION_BY (bucket), WRITE_PARTITION_COLUMNS true, OVERWRITE_OR_IGNORE);
