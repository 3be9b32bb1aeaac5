import { type Clock, type Random, sleep } from '../contract/clock.ts'
import { Problem } from '../contract/problem.ts'
import { turnstile } from './in-parallel.ts'
import {
  S3_ATTEMPTS_MAX,
  S3_REQUEST_MAX_MS,
  S3_REQUESTS_MAX,
  S3_SLOW_DOWN_FACTOR,
  S3_WAIT_MAX_MS,
  S3_WAIT_MS,
} from './limits.ts'
import { faultOf, type S3Fault, type S3Place } from './s3-fault.ts'

export type S3Request<T> = {
  /** For messages: `writing events/…`. */
  readonly doing: string
  /** Reading changes nothing, and so has always not happened. */
  readonly reading?: boolean
  /** Of one attempt. Default: S3_REQUEST_MAX_MS. */
  readonly deadline_ms?: number
  /** Sends one attempt and reads its answer to the end. */
  send(signal: AbortSignal): Promise<T>
}

export type S3Attempts = <T>(request: S3Request<T>) => Promise<T>

/**
 * Attempts a request until it is answered for good, at most S3_ATTEMPTS_MAX times, and tells the faults as Problems. An
 * attempt without a plain answer (cut, late, 500, 503) may have taken effect; from then on the outcome of a request
 * that changes something is `unknown`, unless a later attempt succeeds. So a conditional put that finds its path taken
 * after such an attempt is `unavailable`/`unknown`, never `conflict`: what it found may be its own.
 */
export function s3Attempts(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  place: S3Place,
): S3Attempts {
  const inTurn = turnstile(S3_REQUESTS_MAX)

  return async (request) => {
    let doubt: S3Fault | undefined
    for (let attempt = 1; ; attempt++) {
      try {
        return await inTurn(() => within(clock, request.deadline_ms ?? S3_REQUEST_MAX_MS, request.send))
      } catch (error) {
        const fault = error instanceof Problem ? undefined : faultOf(error, place)
        if (!fault) throw error
        if (fault.unknown && !request.reading) doubt = fault
        if (fault.again === 'no' || attempt === S3_ATTEMPTS_MAX) throw problemOf(request, fault, doubt, attempt, error)
        await sleep(clock, waitOf(random, attempt, fault))
      }
    }
  }
}

function problemOf(
  { doing }: { readonly doing: string },
  fault: S3Fault,
  doubt: S3Fault | undefined,
  attempts: number,
  cause: unknown,
): Problem {
  const tried = attempts > 1 && fault.kind === 'unavailable' ? `, at ${attempts} attempts` : ''
  if (!doubt) return new Problem(fault.kind, `${doing} failed${tried}: ${fault.text}`, { cause })
  const found = fault === doubt ? '' : `; then: ${fault.text}`
  return new Problem('unavailable', `${doing}: it is not known whether it happened${tried}: ${doubt.text}${found}`, {
    ...{ outcome: 'unknown', cause },
  })
}

function waitOf(random: Random, attempt: number, { again }: S3Fault): number {
  const factor = again === 'later' ? S3_SLOW_DOWN_FACTOR : 1
  return Math.min(S3_WAIT_MAX_MS, S3_WAIT_MS * factor * 2 ** (attempt - 1)) * (0.5 + random.float() / 2)
}

async function within<T>(clock: Clock, deadline_ms: number, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const late = new AbortController()
  const cancel = clock.timer(deadline_ms, () => late.abort(new Error(`no answer within ${deadline_ms} ms`)))
  const aborted = new Promise<never>((_, reject) => {
    late.signal.addEventListener('abort', () => reject(late.signal.reason), { once: true })
  })
  try {
    return await Promise.race([send(late.signal), aborted])
  } finally {
    cancel()
  }
}
