/** What the processes around the relay are told, and what the app's answers. */
import { z } from 'zod'

const clientTls = z.object({ key: z.string(), cert: z.string(), ca: z.string() })

export const hubsTask = z.object({
  port: z.number(),
  hubs: z.record(z.string(), clientTls),
  /** To Hearth a hub says `received` before `executed`, as the agent does; to a broker it gives one answer. */
  tells_received: z.boolean(),
})

export const appTask = z.object({
  /** The relay's app API with a token, or a broker's port with a certificate. */
  to: z.union([z.object({ url: z.string(), token: z.string() }), z.object({ port: z.number(), tls: clientTls })]),
  hubs: z.array(z.string()),
  /** Commands one after the other, and then so many a second for so long, whether answers come or not. */
  one_by_one: z.number(),
  per_second: z.number(),
  seconds: z.number(),
})

/** Of one command: until the app had its answer; of it the relay's own share up to the hub's socket, where it tells. */
export const tapped = z.object({ ms: z.number(), sent_ms: z.number().optional(), done: z.boolean() })
export const appDone = z.object({ one_by_one: z.array(tapped), paced: z.array(tapped) })

export type HubsTask = z.infer<typeof hubsTask>
export type AppTask = z.infer<typeof appTask>
export type AppDone = z.infer<typeof appDone>
export type Tapped = z.infer<typeof tapped>
