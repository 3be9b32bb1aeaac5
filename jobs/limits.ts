/** Limits of the jobs. */

export const HOUR_MS = 3_600_000
/** How long after its end an hour's commands may still run and its events be on their way; then it is complete. */
export const SETTLE_MS = 120_000
/** A unit's final rows are to be there this long after its end, or its metric is told to be late. */
export const FRESH_WITHIN_MS = 15 * 60_000
/** Hours before this are not planned: events cannot be older than this at their receipt. */
export const HISTORY_MAX_MS = 400 * 86_400_000
/** A silence of a fleet that is longer is none of its hours: one row with a time of long ago does not make a year of them. */
export const SILENCE_MAX_MS = 31 * 86_400_000
/** How far before its hour a unit may look: into the hour before, which it goes on from, and at clocks that differ. */
export const LOOKBACK_MS = 3_600_000
/** Units that are committed at once, a month of 16 buckets: a back-fill of years is seen to go on, and a crash costs a share. */
export const UNITS_A_RUN_MAX = 12_000
/**
 * Rows of inputs of a day that a task reads at once, of some buckets: memory goes with them, and past JOBS_MEMORY_LIMIT they
 * go to disk and back. Each part costs 15 ms; where hours carry, that is 24 times a day.
 */
export const ROWS_AT_ONCE = 1_250_000
export const ROWS_AT_ONCE_CARRIED = 10_000_000
/** Metrics that others calculate at the same time for one run. */
export const METRICS_AT_ONCE = 4
/** A run that loses its commit to another is planned anew this often before it leaves the work to the next tick. */
export const RUN_ATTEMPTS_MAX = 3
/** How soon a driver sees that the parts of a run are made: after this share of the time that they take, … */
export const MADE_LOOK_SHARE = 0.05
/** … and within these: a look is one request to list objects. */
export const MADE_LOOK_MIN_MS = 200
export const MADE_LOOK_MAX_MS = 5_000
/** DuckDB of the jobs, as DuckDB writes it; past that it spills into the scratch folder. */
export const JOBS_MEMORY_LIMIT = '2GB'
/** Files of a day that are written or uploaded at once. */
export const FILES_AT_ONCE = 2
/** Rows that a failed check names. */
export const CHECK_ROWS_MAX = 5
/** … and of those, rows that a check of a metric tells. */
export const CHECK_ROWS_TOLD = 3
/** What failed is tried again by a schedule after this, and after twice as long each time that the same fails again, up to the second. */
export const RETRY_FIRST_MS = 10_000
export const RETRY_MAX_MS = 600_000
/** A run that failed longer ago says nothing of whether its metric fails now. */
export const FAILING_WITHIN_MS = 7 * 86_400_000
/** Hubs whose events a metric is tried out on. */
export const SAMPLE_HUBS = 20
/** A rehearsal's folder that is older than this was left by one that was killed. */
export const REHEARSAL_KEPT_MS = 24 * 3_600_000
/** What versions of a table touched is folded into an object after so many: a start reads no more log entries than that. */
export const FOLD_VERSIONS = 1_000
/** What `job_runs` keeps of the last words of the parts of a run that failed. */
export const FAILURES_CHARACTERS_MAX = 16_384
/** A part of a run that ends with this is not tried again: what it was to make is refused, damaged or over. */
export const PART_HOPELESS_EXIT = 3

/** An answer of Redis that takes longer is none, for a look at the schedule and for a doctor. */
export const QUEUE_ANSWER_MAX_MS = 5_000
/** A scheduler sees to it this often, or each interval where that is shorter, that the schedule stands in Redis. */
export const QUEUE_LOOK_MS = 10_000
/** Redis may be away so long, as it is for a restart or a failover; then each scheduler looks for due work by itself. */
export const QUEUE_AWAY_MAX_MS = 60_000
/** Connections to Redis are tried again after this, then after twice as long each time, up to the second. */
export const QUEUE_RETRY_FIRST_MS = 100
export const QUEUE_RETRY_MAX_MS = 5_000
/** A socket that hears nothing for so long while it waits is dead: above the 10 s that a worker waits for a tick. */
export const QUEUE_SILENT_MAX_MS = 20_000
/**
 * A scheduler that cannot renew its hold of a tick for so long has lost it, and another makes the tick: the longest that
 * its event loop may stand still for nothing. Renewed each third of it.
 */
export const QUEUE_LOCK_MS = 15_000
/** How often the schedulers look for ticks that were lost: found at the second look, so in 25 s at most. */
export const QUEUE_STALLED_MS = 5_000
/** At its end a scheduler waits so long for Redis to hear that its tick is over; else that tick is found to be lost. */
export const QUEUE_CLOSE_MAX_MS = 1_000
/** Entries of what became of ticks, which BullMQ keeps for listeners and nobody here reads. */
export const QUEUE_EVENTS_MAX = 100
/** Statements that Spark runs at once take no longer; then it is ended. */
export const SPARK_STEP_MAX_MS = 3_600_000
/** A Spark that had nothing to do for so long is ended. */
export const SPARK_IDLE_MS = 60_000
/** How long a Spark may take to end. */
export const SPARK_END_MS = 30_000
