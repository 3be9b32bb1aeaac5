import { Problem } from '../contract/problem.ts'
import { RETENTION_MIN_MS } from './limits.ts'

/** How long to keep what the newest version does without. */
export type Retention = {
  /** As long as is usual for it unless given. */
  readonly retention_ms?: number
  /** RETENTION_MIN_MS unless given: for tests, which have no hour. */
  readonly retention_min_ms?: number
}

const HOUR_MS = 3_600_000

/** Raises `invalid` for a retention that is too short for those that are at work. */
export function retentionMs(
  { retention_ms, retention_min_ms = RETENTION_MIN_MS }: Retention,
  usual_ms: number,
): number {
  const kept_ms = retention_ms ?? usual_ms
  if (kept_ms >= retention_min_ms) return kept_ms
  throw new Problem(
    'invalid',
    `a retention is at least ${retention_min_ms / HOUR_MS} h, as queries, jobs and writers work on versions that are as old; found ${kept_ms / HOUR_MS} h`,
  )
}
