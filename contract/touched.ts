import { z } from 'zod'

const pair = z.tuple([z.number().int(), z.number().int()])

/**
 * Which hours an ingest commit touched: `commitInfo.hearth.touched`, from which jobs know what is due again.
 * Exact, where file statistics would over-report. An hour is its first ms since 1970.
 */
export const touched = z.object({
  /** (event hour, bucket) of every row but those of kind `batch` and `dead`. */
  hours: z.array(pair),
  /** (issue hour, bucket) of every command stage: a stage two days late affects the hour of its issue. */
  issued: z.array(pair),
  /** (bucket, from_ms): the smallest `valid_from_ms` of the registry rows, which count from there on. */
  registry: z.array(pair),
})
export type Touched = z.infer<typeof touched>
