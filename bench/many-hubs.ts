/** What many hubs of one process are told, and the lines that they print: `{connected}` as it changes, `{back}` for each one that came back. */
import { z } from 'zod'

export const clientTls = z.object({ key: z.string(), cert: z.string(), ca: z.string() })
/** Of hubs by name. */
export const certificates = z.record(z.string(), clientTls)

export const manyHubsTask = z.object({
  port: z.number(),
  /** A file with the certificates of hubs by name, as JSON: too long for an argument. */
  hubs_file: z.string(),
  keep_alive_s: z.number(),
  /** What each subscribes to, `command` or nothing: a gateway has nothing to say. */
  hears: z.enum(['command', 'nothing']),
  /** Behind what is measured: hubs are other machines, and take a core of this one only when nobody else does. */
  behind: z.boolean().default(false),
})
export const manyHubsSaid = z.object({ connected: z.number().optional(), back: z.string().optional() })

export type ManyHubsTask = z.input<typeof manyHubsTask>
export type ManyHubsSaid = z.infer<typeof manyHubsSaid>
