/** Limits of the lake. At each, the message names the limit. */

/** Attempts of one commit to find a free version before it gives up with `unavailable`. */
export const COMMIT_ATTEMPTS_MAX = 100
/** Puts of one version whose effect stays unknown before the commit gives up with `unknown`. */
export const UNANSWERED_PUTS_MAX = 5
/** A checkpoint may be written at every version that this divides … */
export const CHECKPOINT_INTERVAL = 20
/** … and is once the entries since the last one name a twentieth as many files as it holds, or are so many. */
export const CHECKPOINT_FILES_RATIO = 20
export const CHECKPOINT_VERSIONS_MAX = 400
/** Entries since the checkpoint that are read at once to open a table. */
export const ENTRIES_AT_ONCE = 16
/** Recent commits that a table keeps in memory, so that rebasing over them reads nothing. */
export const RECENT_COMMITS_MAX = 64
/** Fields that may become columns: each is asked for in every row that is read. */
export const PROMOTED_COLUMNS_MAX = 64
/** Statistics are kept for so many first columns of a table that does not say which; as other engines do. */
export const STATISTICS_COLUMNS_MAX = 32
/** A text minimum or maximum longer than this is left out. */
export const STATISTICS_TEXT_MAX = 64
/** Rows of a Parquet row group. */
export const ROW_GROUP_ROWS = 131_072
/** Folders that a folder store remembers as durable before it forgets them all. */
export const DURABLE_FOLDERS_MAX = 10_000
/** Tombstones older than this leave the snapshot, and so the checkpoint; vacuum asks the log (docs/decisions/026). */
export const TOMBSTONE_RETENTION_MS = 3_600_000
/** One log entry. A larger commit did not happen, and says so. */
export const LOG_ENTRY_MAX_BYTES = 64 * 1024 * 1024
/** Rows that one query answers at most; more are cut off, and the answer says so. */
export const QUERY_ROWS_MAX = 1_000_000
/** Bytes of the values of one answer, about; rows past it are cut off, and the answer says so. */
export const QUERY_ANSWER_MAX_BYTES = 128 * 1024 * 1024
/** Memory of one engine of queries where its owner names none; a query that needs more ends with `limit`. */
export const QUERY_MEMORY_LIMIT = '2GB'
/** Characters of one SQL text, and SELECTs in it: the engine's own memory for a plan is under no limit of its own. */
export const STATEMENT_MAX_CHARACTERS = 100_000
export const STATEMENT_QUERIES_MAX = 500
/** Memory of a process that answers questions, beside what its engine may have; past it the process ends. */
export const QUERY_PROCESS_MAX_BYTES = 3 * 1024 * 1024 * 1024
/** How often that is looked at. */
export const MEMORY_LOOK_MS = 100
/** A question of `hearth sql` runs this long unless it says otherwise; then it is cancelled. */
export const QUERY_TIME_MAX_MS = 600_000
/** A cancelled question that has not ended after this long ends its process: some calls cannot be interrupted. */
export const QUERY_CANCEL_GRACE_MS = 2_000
/** Requests to an S3 server at once, and sockets that are kept to it; more wait for their turn. */
export const S3_REQUESTS_MAX = 32
/** Attempts of one request; then it is `unavailable`. Waits between them double, with chance, up to the second one. */
export const S3_ATTEMPTS_MAX = 5
export const S3_WAIT_MS = 100
export const S3_WAIT_MAX_MS = 5_000
/** A server that asks to be spared is spared this much longer. */
export const S3_SLOW_DOWN_FACTOR = 5
/** To get a connection; for an answer without much of a body; for one with a part or a range. */
export const S3_CONNECT_MAX_MS = 5_000
export const S3_REQUEST_MAX_MS = 15_000
export const S3_BODY_MAX_MS = 60_000
/** A body up to this is one request; a larger one goes up in parts of it (the least part that S3 takes is 5 MiB). */
export const S3_PART_BYTES = 16 * 1024 * 1024
/** Parts that S3 takes of one object. */
export const S3_PARTS_MAX = 10_000
/** Parts of one object that go up at once: each is in memory. */
export const S3_PARTS_AT_ONCE = 4
/** Objects are read in ranges of this, several at once. */
export const RANGE_BYTES = 8 * 1024 * 1024
export const RANGES_AT_ONCE = 8
/** Data files and ranges of them that are fetched at once into the local cache: at most so many ranges are in memory. */
export const FETCHES_AT_ONCE = 16

/**
 * Compaction leaves files from this on alone, and makes none above the second: about 128 and 256 MiB of event lines, of
 * which simulated readings take a fourteenth, and noisier ones more.
 */
export const COMPACT_FILE_MIN_BYTES = 12 * 1024 * 1024
export const COMPACT_FILE_MAX_BYTES = 24 * 1024 * 1024
/** Files that one commit of a compaction joins, which are of at most COMPACT_FILE_MAX_BYTES together. */
export const COMPACT_FILES_MAX = 512
/** Of files to be joined none is so many times larger than those that are smaller, together. */
export const COMPACT_TIER_RATIO = 4
/** Files of a partition are joined once one is so old … */
export const COMPACT_AFTER_MS = 3_600_000
/** … or once so many of it are below COMPACT_FILE_MIN_BYTES … */
export const PARTITION_FILES_DUE = 64
/** … so that, with a look each minute and a commit each second, there are never more of a partition than this. */
export const PARTITION_FILES_MAX = 128
/** A table with so many live files has all its partitions joined, whatever their age: 400 days of 16 buckets at rest. */
export const TABLE_FILES_DUE = 50_000
/** Copies of data files that a compaction of a lake in S3 keeps on local disk. */
export const COMPACT_FETCHED_MAX_BYTES = 256 * 1024 * 1024
/** DuckDB of a compaction, as DuckDB writes it; past that it spills into the scratch folder. */
export const COMPACT_MEMORY_LIMIT = '1GB'

/** How long data files are kept that the newest version does without: how far one can travel in time. */
export const RETENTION_MS = 7 * 86_400_000
/** A shorter retention than this is refused: queries, jobs and writers work on versions that are as old. */
export const RETENTION_MIN_MS = 3_600_000
/** A machine whose clock is so far ahead of the store's deletes nothing. */
export const STORE_CLOCK_SLACK_MS = 60_000
/** Objects that are deleted, and log entries that are read, at the same time. */
export const UPKEEP_CONCURRENT_MAX = 16
/** How long log entries are kept: how long a writer may sleep and still find that it was overtaken, and history reaches. */
export const LOG_RETENTION_MS = 30 * 86_400_000
/** Files, and bytes of them, that one commit of a removal of rows takes; ingest is planned anew after each. */
export const REMOVAL_FILES_MAX = 64
export const REMOVAL_MAX_BYTES = 128 * 1024 * 1024
/** Commits that a removal may lose to others before it gives up with `conflict`. */
export const REMOVAL_ATTEMPTS_MAX = 20
/** Objects at the place of a new lake that are looked through for another lake. */
export const NESTING_OBJECTS_MAX = 10_000
