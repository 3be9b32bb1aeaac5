/** What the processes of the latency budget are told, and what they answer. */
import { z } from 'zod'

/** Of one direction, ms: lognormal by its median and the value that 99 % do not pass. */
export const delay = z.object({ median_ms: z.number(), p99_ms: z.number() })

export const homesTask = z.object({
  relay_port: z.number(),
  gateway_port: z.number(),
  /** A file with the certificates of hubs by name, as JSON: too long for an argument. */
  hubs_file: z.string(),
  /** Outbox and journal of each hub. */
  folder: z.string(),
  seed: z.number(),
  /** From hub to lamp, and the same back; absent: at once. */
  radio: delay.optional(),
})

export const tapsTask = z.object({
  way: z.enum(['WebSocket', 'HTTP']),
  url: z.string(),
  /** Of an app each. */
  tokens: z.array(z.string()),
  hubs: z.array(z.string()),
  seed: z.number(),
  per_second: z.number(),
  /** That count. */
  taps: z.number(),
})

/** A tap, by the brightness that it asked for, which none else did: on the machine's monotonic clock, ms. */
export const tap = z.object({ level: z.number(), at_ms: z.number(), answered_ms: z.number(), done: z.boolean() })
export const taps = z.array(tap)
/** When lamps took a level, by it. */
export const lights = z.array(z.tuple([z.number(), z.number()]))

export type Delay = z.infer<typeof delay>
export type HomesTask = z.infer<typeof homesTask>
export type TapsTask = z.infer<typeof tapsTask>
export type Tap = z.infer<typeof tap>

/** CLOCK_MONOTONIC, which all processes of a machine share (clock_gettime(2)), ms. */
export function machineMonotonic_ms(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
