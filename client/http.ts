import type { Clock } from '../contract/clock.ts'
import { causeOf, Problem, type ProblemKind } from '../contract/problem.ts'
import type { FetchLike } from './platform.ts'

export type HttpRequest = {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  /** Longest wait, ms. */
  readonly wait_ms: number
  readonly signal?: AbortSignal | undefined
}

/** Asks the relay over HTTP. */
export type Http = <T>(request: HttpRequest) => Promise<T>

/** `unauthorized` whose token is good and lacks a right carries this cause. */
export const LACKS_SCOPE = 'scope'

/**
 * Each call raises the relay's own Problem; `unavailable`, with an unknown outcome for a POST, when no answer came, and
 * what the signal raises.
 */
export function httpOf(options: {
  readonly fetch: FetchLike
  readonly url: string
  readonly token: () => Promise<string | undefined>
  readonly clock: Clock
}): Http {
  return async <T>({ method, path, headers, body, wait_ms, signal }: HttpRequest): Promise<T> => {
    const token = await options.token()
    const stopped = new AbortController()
    const stop = () => stopped.abort(signal?.reason)
    if (signal?.aborted) stop()
    signal?.addEventListener('abort', stop, { once: true })
    const cancel = options.clock.timer(wait_ms, () => stopped.abort(new Error(`no answer within ${wait_ms} ms`)))
    try {
      const response = await options.fetch(options.url + path, {
        method,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(token === undefined && { credentials: 'same-origin' }),
        signal: stopped.signal,
      })
      // The shape is the relay's promise (GET /v1/openapi.json).
      if (response.ok) return (await response.json()) as T
      // What stands between may refuse in words of its own.
      throw refusal(response.status, await response.json().catch(() => undefined))
    } catch (error) {
      if (error instanceof Problem) throw error
      const outcome = method === 'POST' ? 'unknown' : 'did-not-happen'
      throw new Problem('unavailable', `no answer from ${options.url || 'this server'}: ${causeOf(error)}`, {
        outcome,
        cause: error,
      })
    } finally {
      cancel()
      signal?.removeEventListener('abort', stop)
    }
  }
}

const KINDS: Readonly<Record<number, ProblemKind>> = {
  400: 'invalid',
  401: 'unauthorized',
  403: 'unauthorized',
  404: 'missing',
  409: 'conflict',
  429: 'limit',
}

/** A relay's refusal as a Problem. `body` is what it said, if it is JSON. */
export function refusal(status: number, body: unknown): Problem {
  const said = typeof body === 'object' && body !== null ? (body as Partial<Problem>) : {}
  return new Problem(said.kind ?? KINDS[status] ?? 'unavailable', said.message ?? `the relay answered ${status}`, {
    outcome: said.outcome ?? (status < 500 ? 'did-not-happen' : 'unknown'),
    ...(status === 403 && { cause: LACKS_SCOPE }),
  })
}
