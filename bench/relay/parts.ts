/** What the processes around the relay are told, and what the app's answers. */
import { z } from 'zod'
import { clientTls } from '../many-hubs.ts'

/** Whom hubs and apps speak to: the relay, or a broker that carries the same bytes. */
const kind = z.enum(['relay', 'mqtt', 'nats'])

export const hubsTask = z.object({
  kind,
  port: z.number(),
  /** A file with the certificates of hubs by name, as JSON: too long for an argument. */
  hubs_file: z.string(),
  /** Their boot counter: the relay lets in no session older than one that it has seen. */
  boot: z.number(),
})

/** Commands one after the other; so many a second for so long, whether answers come or not; or each of these rates. */
export const load = z.union([
  z.object({ one_by_one: z.number() }),
  z.object({ per_second: z.number(), seconds: z.number() }),
  z.object({ rates: z.array(z.number()), seconds: z.number(), p99_most_ms: z.number() }),
])

export const appTask = z.object({
  to: z.union([
    /** `relay`: by a WebSocket an app; `http`: a request a command. */
    z.object({ kind: z.enum(['relay', 'http']), url: z.string(), tokens: z.array(z.string()) }),
    z.object({ kind: z.enum(['mqtt', 'nats']), port: z.number(), tls: clientTls }),
  ]),
  hubs: z.array(z.string()),
  load,
})

/** Of one command: until the app had its answer; of it the relay's own share up to the hub's socket, where it tells. */
export const tapped = z.object({ ms: z.number(), sent_ms: z.number().optional(), done: z.boolean() })
export const appDone = z.object({
  tapped: z.array(tapped),
  /** Of a load of rates: the highest that was held. */
  held_per_second: z.number().optional(),
})

export type HubsTask = z.infer<typeof hubsTask>
export type AppTask = z.infer<typeof appTask>
export type AppDone = z.infer<typeof appDone>
export type Load = z.infer<typeof load>
export type Tapped = z.infer<typeof tapped>
