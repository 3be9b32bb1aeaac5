import { type Problem, type ProblemKind, retryAfterOf } from '../contract/problem.ts'

const STATUS: Readonly<Record<ProblemKind, number>> = {
  invalid: 400,
  unauthorized: 401,
  missing: 404,
  conflict: 409,
  limit: 429,
  closed: 503,
  unavailable: 503,
  corrupt: 500,
  internal: 500,
}

/** HTTP's words for a Problem. A good token that lacks a right is 403. */
export function statusOf(problem: Problem): { readonly status: number; readonly retry_after_s?: number } {
  if (problem.kind === 'unauthorized' && problem.cause === 'scope') return { status: 403 }
  const status = STATUS[problem.kind]
  if (status !== 429 && status !== 503) return { status }
  const wait_ms = retryAfterOf(problem) ?? 1_000
  return { status, retry_after_s: Math.max(1, Math.ceil(wait_ms / 1000)) }
}

/** RFC 9457, with the kind, and whether it may have happened all the same. */
export function problemBody(problem: Problem, status: number) {
  return {
    type: 'about:blank',
    title: problem.kind,
    status,
    kind: problem.kind,
    outcome: problem.outcome,
    detail: problem.message,
    message: problem.message,
  }
}
