/** Limits of runs on Kubernetes. */

/** A part that failed is tried again so often: after 10 s, then 20 (Kubernetes' own back-off). */
export const PART_RETRIES = 2
/** How long a Job that is over is kept when no driver takes what it made. */
export const FINISHED_KEPT_S = 3_600
/** An image that cannot be had by then will not come: the run fails, and says so. */
export const IMAGE_WAIT_MS = 60_000
/** A look at a run when nothing was heard of it. */
export const LOOK_MS = 5_000
/** Between two tries to reach an API server that is away. */
export const AWAY_MS = 500
/** One that is away for longer fails the tick; the next one finds the run as it is. */
export const AWAY_LIMIT_MS = 300_000
/** So long it is waited for by who is told to stop and has something to tidy up there. */
export const STOP_AWAY_LIMIT_MS = 5_000
/** So long a deletion may take, its pods' farewell included. */
export const END_LIMIT_MS = 120_000
/** What is kept of the last words of a part. */
export const LAST_WORDS_CHARACTERS = 1_000
