/** What the processes of the benchmark `jobs` are told, and answer. */
import { z } from 'zod'

/** The metric that is compared with SQL by hand: it carries nothing from hour to hour, as what is by hand does not. */
export const METRIC = 'command_traces'
export const THREADS = 1

export const jobsTask = z.object({
  lake: z.string(),
  /** For what it makes. */
  out: z.string(),
  now_ms: z.number(),
  day_ms: z.number(),
  /** Only this hour; the whole day when absent. */
  hour_ms: z.number().optional(),
})
export const bareTask = z.object({
  lake: z.string(),
  hubs: z.string(),
  out: z.string(),
  day_ms: z.number(),
  hour_ms: z.number().optional(),
})
export const answer = z.object({ ms: z.number(), cpu_us: z.number(), rows: z.string(), rss_mb: z.number() })
export type Answer = z.infer<typeof answer>
