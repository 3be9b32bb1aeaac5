/** Limits of the dashboards; what happens at each is said beside it. */

/** Characters of one SQL text; more is `invalid`. */
export const SQL_MAX_CHARACTERS = 100_000
/** Rows that one answer shows when the caller names no number, and the most it may name; the rest is cut and said so. */
export const ROWS_DEFAULT = 10_000
export const ROWS_MAX = 1_000_000
/** Longest run of one query; then it is cancelled and answered `limit`. */
export const QUERY_TIME_MAX_MS = 60_000
/** Queries that run at once in the child, and that wait for a place; more are answered `limit`. */
export const QUERIES_RUNNING_MAX = 6
export const QUERIES_WAITING_MAX = 64
/** A cancelled query that has not ended after this long costs the child its life. */
export const CANCEL_GRACE_MS = 3_000
/** Longest wait for the child to be ready after its start. */
export const CHILD_START_MAX_MS = 20_000
/** Waits between restarts of the child: doubled from the first to the last. */
export const CHILD_RESTART_MIN_MS = 200
export const CHILD_RESTART_MAX_MS = 10_000
/** How long an answer of the fleet page may be shared by those who ask the same. */
export const ANSWER_SHARED_MS = 2_000
export const ANSWERS_SHARED_MAX = 64
/** Longest wait for what the lake adds to an answer that the registry and the relay give; then it goes without. */
export const LAKE_PART_WAIT_MAX_MS = 300
/** … how old the last one may be that stands in for it, and how many are asked for at a time: of a slow lake no page has all places. */
export const LAKE_PART_OLD_MAX_MS = 10 * 60_000
export const LAKE_PARTS_ASKED_MAX = 4
/** Longest window of the fleet page. */
export const WINDOW_MAX_MS = 400 * 86_400_000
/** Hubs in the table of the worst. */
export const WORST_HUBS_MAX = 50
/** Browsers that listen at once; more are answered `limit`. */
export const LISTENERS_MAX = 256
/** Bytes that wait for a browser that does not read; at more it is cut off, and connects anew. */
export const LISTENER_BACKLOG_MAX_BYTES = 1024 * 1024
/** Messages of the relay kept for a browser that has just come. */
export const LIVE_KEPT_MAX = 500
/** Longest wait for an answer of the relay beyond a command's own deadline. */
export const RELAY_ANSWER_MAX_MS = 10_000
/** Commands in one answer of the list. */
export const COMMANDS_DEFAULT = 200
export const COMMANDS_MAX = 1_000
/** Bytes of one request's body: JSON may write a character of a query in twelve (two escapes of six), and all that are allowed fit. */
export const BODY_MAX_BYTES = 12 * SQL_MAX_CHARACTERS + 1_024
/** A line to each listening browser this often, so that a cut connection is noticed. */
export const LIVE_BEAT_MS = 15_000
/** Processors and memory of the query process's DuckDB: past the memory a query ends with `limit`. */
export const QUERY_THREADS = 2
export const QUERY_MEMORY_LIMIT = '1GB'
/** How long the list of tables is kept: a new one shows after this. */
export const SCHEMA_KEPT_MS = 5_000
/** How long the dead letters of a window may be shared: to tell what a replay has stored since, all events are read. */
export const DEAD_LETTERS_SHARED_MS = 60_000
/** Versions of a table in one answer. */
export const VERSIONS_DEFAULT = 50
export const VERSIONS_MAX = 500
/** Newest versions of a table in which the last compaction and vacuum are looked for. */
export const UPKEEP_VERSIONS = 60
/** Reasons of dead letters, and losses, on the Lake page. */
export const LAKE_ROWS_MAX = 50
/** Runs in one answer of the Jobs page, the newest first. */
export const RUNS_MAX = 60
/** Characters of what failed in one run's parts, on the page; `job_runs` has the rest. */
export const FAILURES_SHOWN_CHARACTERS = 4_000
/** WebSockets of pages to the relay; more are refused with 503. */
export const PIPES_MAX = 256
/** Hubs whose devices' last words are kept; the one that was silent for longest is forgotten, and the table has them. */
export const STATES_HUBS_MAX = 2_000
/** Devices of one hub, and attributes of one device, that are kept and read; more are forgotten, the oldest first. */
export const STATES_OF_HUB_MAX = 500
