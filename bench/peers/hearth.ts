/** What the process with Hearth's writer is told. */
import { z } from 'zod'

export const BUCKETS = 4

export const hearthSetting = z.object({
  broker: z.string(),
  endpoint: z.string(),
  region: z.string(),
  bucket: z.string(),
})

/** A task is a line; it answers `done` when all of the topic is committed. Before the first it says `ready`. */
export const hearthTask = z.object({ topic: z.string(), folder: z.string() })
