import { z } from 'zod'

export const homeTask = z.object({
  port: z.number(),
  seed: z.number(),
  /** How many times as often as in a home. */
  pace: z.number(),
})
export type HomeTask = z.infer<typeof homeTask>
