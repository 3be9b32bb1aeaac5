import { z } from 'zod'

const bucket = z.object({
  /** Positions of the log, both included. */
  from: z.number().int(),
  through: z.number().int(),
  batches: z.number().int(),
  duplicates: z.number().int(),
})

/** What an ingest commit says of itself in `commitInfo.hearth.ingest`: which positions of which log it took. */
const ingestInfo = z.object({ log: z.string(), epoch: z.number().int(), buckets: z.record(z.string(), bucket) })
export type IngestInfo = z.infer<typeof ingestInfo>

const info = z.looseObject({ ingest: ingestInfo })

/** Undefined for a commit of another kind, or of another engine. */
export function ingestInfoOf(hearth: unknown): IngestInfo | undefined {
  const parsed = info.safeParse(hearth)
  return parsed.success ? parsed.data.ingest : undefined
}
