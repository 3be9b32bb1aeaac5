import type { Invariant } from '../evidence.ts'

/** No log lost anything here: one that does not follow on the table would be a loss that somebody made. */
export const theLogFollowsOnTheTable: Invariant = {
  name: 'the log follows on the table',
  check: ({ losses }) => losses.map(({ log_id, bucket, reason }) => `${log_id} bucket ${bucket}: ${reason}`),
}
