import { IDEMPOTENCY_WINDOW_MS } from '../contract/limits.ts'
import { Problem } from '../contract/problem.ts'
import { utcDay } from './command.ts'
import type { IssueRequest } from './issue-request.ts'

const DAY_PATTERN = /^\d{4}-\d{2}-\d{2}$/

/** The day of the id: today, or the one that the first answer told. Raises `invalid`. */
export function checkedDay(request: IssueRequest, now_ms: number): string {
  const today = utcDay(now_ms)
  if (request.day === undefined) return today
  // Another relay's guess is no fault of the app: it counts where it can be so by this clock.
  if (request.day_assumed) return request.day === utcDay(now_ms - IDEMPOTENCY_WINDOW_MS) ? request.day : today
  if (request.key === undefined)
    throw new Problem('invalid', 'a day repeats an earlier command: send its Idempotency-Key with it')
  const age_ms = now_ms - Date.parse(`${request.day}T00:00:00Z`)
  // Another relay's clock may already be past midnight; further off, the key's window is over.
  if (!DAY_PATTERN.test(request.day) || !(age_ms > -60_000 && age_ms < 2 * IDEMPOTENCY_WINDOW_MS))
    throw new Problem(
      'invalid',
      `expected the day of a command of the last 24 hours, as ${today}; found ${JSON.stringify(request.day)}`,
    )
  return request.day
}
