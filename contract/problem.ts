/**
 * The world's faults. A bug is an assertion and crashes; a fault is a `Problem`, thrown, caught by name and handled.
 * The outcome answers the one question that a caller must have answered before it tries again: did it happen?
 * (The distinction between a definite and an indeterminate failure follows Materialize's persist.)
 */
export type ProblemKind =
  | 'invalid'
  | 'unauthorized'
  | 'unavailable'
  | 'conflict'
  | 'missing'
  | 'corrupt'
  | 'closed'
  | 'limit'
  | 'internal'

/** `did-not-happen`: safe to try again. `unknown`: it may have taken effect; find out before trying again. */
export type ProblemOutcome = 'did-not-happen' | 'unknown'

export class Problem extends Error {
  override readonly name = 'Problem'
  readonly kind: ProblemKind
  readonly outcome: ProblemOutcome

  /** `message` names what was expected, what was found and what to do. */
  constructor(
    kind: ProblemKind,
    message: string,
    options: { readonly outcome?: ProblemOutcome; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.kind = kind
    this.outcome = options.outcome ?? 'did-not-happen'
  }
}

/** Is `error` a Problem, of one of `kinds` where any are named? */
export function isProblem(error: unknown, ...kinds: readonly ProblemKind[]): error is Problem {
  return error instanceof Problem && (kinds.length === 0 || kinds.includes(error.kind))
}

/** For a `catch` where the world's faults may be left as they are, since a later look tries again; a bug is raised. */
export function leaveFault(error: unknown): void {
  if (!isProblem(error)) throw error
}

/** How long until what was refused may be tried again, where its cause says: `{retry_after_ms}`. */
export function retryAfterOf({ cause }: Problem): number | undefined {
  return typeof cause === 'object' && cause !== null && 'retry_after_ms' in cause
    ? Number(cause.retry_after_ms)
    : undefined
}

/** For a value that the code's own logic guarantees: when it does not hold, the code is wrong, and it crashes. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`)
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The message of what lies under an error of `fetch`, which itself says no more than that it failed. */
export function causeOf(error: unknown): string {
  const cause: unknown = error instanceof Error ? (error.cause ?? error) : error
  // Of a name with several addresses each was tried.
  return cause instanceof AggregateError ? cause.errors.map(messageOf).join('; ') : messageOf(cause)
}

/**
 * A right that was taken away, a bucket or topic that was deleted, an object that was damaged: somebody mends it, and nobody
 * should have to start the writer for that. What is no Problem, or is `internal`, is a fault of the code.
 */
export function isWorldsFault(error: unknown): error is Problem {
  return isProblem(error) && !isProblem(error, 'closed', 'internal')
}
