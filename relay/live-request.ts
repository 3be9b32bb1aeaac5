import { z } from 'zod'
import type { Clock } from '../contract/clock.ts'
import type { LiveRequest } from '../contract/live-message.ts'
import { Problem } from '../contract/problem.ts'
import { LISTEN_HUBS_MAX } from './limits.ts'

/** What an app may say on its WebSocket. */
export const liveRequest = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('command'),
    ref: z.string().max(64).optional(),
    hub: z.string(),
    key: z.string().optional(),
    day: z.string().optional(),
    until: z.number().optional(),
    command: z.unknown(),
  }),
  z.object({ type: z.literal('listen'), hubs: z.array(z.string().max(64)).max(LISTEN_HUBS_MAX).optional() }),
  z.object({ type: z.literal('ping') }),
]) satisfies z.ZodType<LiveRequest>

/**
 * A command can lie for minutes in a socket whose way is gone, and its app has given it up. Raises `unavailable` for one
 * that comes after its time: nothing is issued.
 */
export function checkTime(until: number | undefined, clock: Clock): void {
  const over_ms = until === undefined ? 0 : clock.monotonic() - until
  if (over_ms > 0)
    throw new Problem('unavailable', `the command arrived ${Math.ceil(over_ms)} ms after its time; nothing was issued`)
}
