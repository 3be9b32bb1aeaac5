/** Limits of the jobs. */

export const HOUR_MS = 3_600_000
/** How long after its end an hour's commands may still run and its events be on their way; then it is complete. */
export const SETTLE_MS = 120_000
/** Hours before this are not planned: events cannot be older than this at their receipt. */
export const HISTORY_MAX_MS = 400 * 86_400_000
/** A silence of a fleet that is longer is none of its hours: one row with a time of long ago does not make a year of them. */
export const SILENCE_MAX_MS = 31 * 86_400_000
/** How far before its hour a unit may look: into the hour before, which it goes on from, and at clocks that differ. */
export const LOOKBACK_MS = 3_600_000
/** A run that loses its commit to another is planned anew this often before it leaves the work to the next tick. */
export const RUN_ATTEMPTS_MAX = 3
/** DuckDB of the jobs, as DuckDB writes it; past that it spills into the scratch folder. */
export const JOBS_MEMORY_LIMIT = '2GB'
/** Rows that a failed check names. */
export const CHECK_ROWS_MAX = 5
/** A rehearsal's folder that is older than this was left by one that was killed. */
export const REHEARSAL_KEPT_MS = 24 * 3_600_000
/** What versions of a table touched is folded into an object after so many: a start reads no more log entries than that. */
export const FOLD_VERSIONS = 1_000
