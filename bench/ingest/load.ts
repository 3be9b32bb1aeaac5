/** What the load generator's process is told, and answers. */
import { z } from 'zod'

export const loadTask = z.object({
  port: z.number(),
  workload: z.string(),
  seed: z.number(),
  batches: z.number(),
  /** Batches that a connection has under way at the same time: as the hub agent does. */
  window: z.number(),
  /** A file with the certificates: hub → key, cert, ca. */
  certificates: z.string(),
})
export type LoadTask = z.infer<typeof loadTask>

export const certificates = z.record(z.string(), z.object({ key: z.string(), cert: z.string(), ca: z.string() }))

/** The last line that it prints; before it `ready`, once all are connected, and then it waits for a line. */
export const loadDone = z.object({
  ms: z.number(),
  cpu_us: z.number(),
  /** Ms from the write of a batch to its PUBACK. */
  latencies_ms: z.array(z.number()),
  /** PUBACKs with another reason code than success. */
  refused: z.number(),
})
export type LoadDone = z.infer<typeof loadDone>
