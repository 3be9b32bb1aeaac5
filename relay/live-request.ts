import { z } from 'zod'
import type { Clock } from '../contract/clock.ts'
import { isObject } from '../contract/command-check.ts'
import type { LiveRequest } from '../contract/live-message.ts'
import { Problem } from '../contract/problem.ts'
import { LISTEN_HUBS_MAX } from './limits.ts'

const REF_MAX = 64

/** What an app may say on its WebSocket. */
export const liveRequest = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('command'),
    ref: z.string().max(REF_MAX).optional(),
    hub: z.string(),
    key: z.string().optional(),
    day: z.string().optional(),
    until: z.number().optional(),
    command: z.unknown(),
  }),
  z.object({ type: z.literal('listen'), hubs: z.array(z.string().max(64)).max(LISTEN_HUBS_MAX).optional() }),
  z.object({ type: z.literal('ping') }),
]) satisfies z.ZodType<LiveRequest>

/** `liveRequest`'s answer for a command that is well formed, at a tenth of its cost: each comes through here. */
export function isLiveCommand(said: unknown): said is Extract<LiveRequest, { type: 'command' }> {
  if (!isObject(said) || said['type'] !== 'command' || typeof said['hub'] !== 'string' || !('command' in said))
    return false
  const { ref, key, day, until } = said
  return (
    (ref === undefined || (typeof ref === 'string' && ref.length <= REF_MAX)) &&
    (key === undefined || typeof key === 'string') &&
    (day === undefined || typeof day === 'string') &&
    (until === undefined || (typeof until === 'number' && Number.isFinite(until)))
  )
}

/**
 * A command can lie for minutes in a socket whose way is gone, and its app has given it up. Raises `unavailable` for one
 * that comes after its time: nothing is issued.
 */
export function checkTime(until: number | undefined, clock: Clock): void {
  const over_ms = until === undefined ? 0 : clock.monotonic() - until
  if (over_ms > 0)
    throw new Problem('unavailable', `the command arrived ${Math.ceil(over_ms)} ms after its time; nothing was issued`)
}
