import type { Clock } from '../contract/clock.ts'
import { type HubResult, type LedgerEvent, outcomeOf } from './command.ts'

/** What there is to record of a command that this relay has no trace of: it was another relay's, or is long over. */
export function unknownResult(hub: string, said: HubResult, clock: Clock): LedgerEvent[] {
  const outcome = outcomeOf(said.stage, false)
  if (outcome === undefined) return []
  const ms = said.issued === undefined ? undefined : Math.max(0, clock.now() - said.issued)
  const base = { m: clock.monotonic(), hub, kind: 'command', command: said.command, issued: said.issued, ms }
  return [
    { ...base, stage: 'acked', reason: 'unknown to this relay' },
    { ...base, stage: outcome, reason: said.reason },
  ]
}
