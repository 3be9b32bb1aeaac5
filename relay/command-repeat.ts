import { type CommandReport, commandId } from '../contract/command.ts'
import { IDEMPOTENCY_WINDOW_MS } from '../contract/limits.ts'
import { Problem } from '../contract/problem.ts'
import { type Command, utcDay } from './command.ts'
import type { IssueRequest } from './issue-request.ts'

/**
 * What was issued under a request's key before, which a repeat is. `id` and `hash` are of the request; `known` looks up
 * by id. Raises `conflict` for another body under the same key.
 */
export function repeatOf(
  request: IssueRequest,
  at: { readonly fleet: string; readonly id: string; readonly hash: string; readonly now_ms: number },
  known: (id: string) => Command | undefined,
): Command | undefined {
  const found = keyed(request, at, known)
  if (found && found.hash !== at.hash) throw usedFor({ ...found, command: found.id })
  return found
}

/** The Problem of a key that was used for another command before. */
export function usedFor({ command, device, set }: Pick<CommandReport, 'command' | 'device' | 'set'>): Problem {
  return new Problem(
    'conflict',
    `the Idempotency-Key was used for another command (${command}: ${device} ${JSON.stringify(set)}); use a new key`,
  )
}

/**
 * A key that came without its day: midnight makes no second command, so yesterday's counts too; nor does the clock of a relay
 * that forwards and guessed the day by it, so what counts is the days of this one.
 */
function keyed(
  request: IssueRequest,
  { fleet, id, now_ms }: { readonly fleet: string; readonly id: string; readonly now_ms: number },
  known: (id: string) => Command | undefined,
): Command | undefined {
  if (request.key === undefined) return undefined
  const same = known(id)
  if (same || (request.day !== undefined && !request.day_assumed)) return same
  const { app, hub, key } = request
  const yesterday_ms = now_ms - IDEMPOTENCY_WINDOW_MS
  for (const time_ms of request.day_assumed ? [now_ms, yesterday_ms] : [yesterday_ms]) {
    const before = known(commandId(fleet, app, hub, key, utcDay(time_ms)))
    if (before && now_ms - before.issued < IDEMPOTENCY_WINDOW_MS) return before
  }
  return undefined
}
