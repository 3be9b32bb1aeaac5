import { ApiException, type KubeConfig, Watch } from '@kubernetes/client-node'
import { type Clock, sleep } from '../../contract/clock.ts'
import { causeOf, messageOf, Problem } from '../../contract/problem.ts'
import type { EndOptions } from '../runner.ts'
import { AWAY_LIMIT_MS, AWAY_MS, STOP_AWAY_LIMIT_MS } from './limits.ts'

/** What an API server answered, where it is an answer: `away` when it may answer otherwise in a moment; `unasked` if never. */
export type Refusal = 'missing' | 'taken' | 'away' | 'refused' | 'unasked'

/** What is wrong with a certificate that waiting does not mend (nodejs.org, "X509 certificate error codes"). */
const UNTRUSTED =
  /^(?:DEPTH_ZERO_)?SELF_SIGNED_CERT|^UNABLE_TO_|^ERR_TLS_CERT_ALTNAME_INVALID$|^CERT_(?:UNTRUSTED|REJECTED)$/

export function refusalOf(error: unknown): Refusal {
  if (!(error instanceof ApiException)) return canHeal(error) ? 'away' : 'unasked'
  if (error.code === 404) return 'missing'
  if (error.code === 409) return 'taken'
  return error.code === 429 || error.code >= 500 ? 'away' : 'refused'
}

/** Of the way to the API server `fetch` raises a TypeError; anything else is of the client: of its configuration. */
function canHeal(error: unknown): boolean {
  if (!(error instanceof TypeError)) return false
  const { cause } = error
  return !(cause instanceof Error && 'code' in cause && UNTRUSTED.test(String(cause.code)))
}

/** What the API server says of a request that it refuses. */
export function refusalText(error: unknown): string {
  if (!(error instanceof ApiException)) return causeOf(error)
  const body: unknown = typeof error.body === 'string' ? parsed(error.body) : error.body
  const message =
    typeof body === 'object' && body !== null && 'message' in body ? String(body.message) : messageOf(error)
  return `${error.code}: ${message}`
}

export type AskOptions = EndOptions & {
  /** The API server is away: it is asked again. */
  readonly waits?: () => void
}

/**
 * Asks until the API server answers: one that is away comes back. Raises `unavailable` when it was away for AWAY_LIMIT_MS,
 * and at once when it cannot be asked, `unauthorized` for what it does not permit, `invalid` for what it does not accept;
 * `missing` and `taken` are for the caller (undefined).
 */
export async function ask<T>(
  clock: Clock,
  what: string,
  call: () => Promise<T>,
  { signal, hurry, waits }: AskOptions = {},
): Promise<T | undefined> {
  const begun_ms = clock.monotonic()
  for (;;) {
    signal?.throwIfAborted()
    try {
      return await call()
    } catch (error) {
      signal?.throwIfAborted()
      const refusal = refusalOf(error)
      if (refusal === 'missing' || refusal === 'taken') return undefined
      if (refusal === 'refused') {
        const kind = error instanceof ApiException && [401, 403].includes(error.code) ? 'unauthorized' : 'invalid'
        throw new Problem(kind, `Kubernetes refuses to ${what}: ${refusalText(error)}`, { cause: error })
      }
      const limit_ms = hurry?.aborted ? STOP_AWAY_LIMIT_MS : AWAY_LIMIT_MS
      if (refusal === 'unasked' || clock.monotonic() - begun_ms > limit_ms)
        throw new Problem('unavailable', `the API server does not ${what}: ${refusalText(error)}`, { cause: error })
      waits?.()
    }
    await sleep(clock, AWAY_MS, signal)
  }
}

/** For what changes nothing: an answer is not waited for once the signal aborts. Raises its reason then. */
export async function orAborted<T>(answer: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await answer
  const over = new AbortController()
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { signal: over.signal })
  })
  try {
    return await Promise.race([answer, aborted])
  } finally {
    over.abort()
  }
}

export type ChangesOf<T> = {
  readonly client: KubeConfig
  /** Of the API, as `/api/v1/namespaces/hearth/pods`. */
  readonly path: string
  readonly labelSelector: string
  /** What became of the object: ADDED, MODIFIED or DELETED. */
  readonly heard: (object: T, phase: string) => void
}

/** Tells of each change of objects until it is disposed of; one that broke off is begun anew by the next `renew`. */
export function openWatch<T>({ client, path, labelSelector, heard }: ChangesOf<T>) {
  let closed = false
  let current: AbortController | undefined
  let opening = false
  const watch = new Watch(client)
  return {
    async renew(): Promise<void> {
      if (closed || current || opening) return
      opening = true
      try {
        const ended = () => {
          current = undefined
        }
        const opened = await watch.watch(path, { labelSelector }, (phase, object: T) => heard(object, phase), ended)
        if (closed) opened.abort()
        else current = opened
      } catch {
        current = undefined // an API server that is away: the next look tries again
      } finally {
        opening = false
      }
    },
    [Symbol.dispose]() {
      closed = true
      current?.abort()
    },
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // an answer of something in between
  }
}
