import type { Invariant } from '../evidence.ts'

/** When the drivers have found nothing to do, neither does one who looks anew. */
export const nothingIsLeftToMake: Invariant = {
  name: 'nothing is left to make',
  check: ({ jobs }) =>
    jobs.due.map(
      ({ metric, hour_ms, bucket, cause }) =>
        `${metric} ${new Date(hour_ms).toISOString()} of bucket ${bucket}: ${cause}`,
    ),
}
