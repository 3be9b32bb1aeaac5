import { type Clock, type Random, sleep } from '../../contract/clock.ts'
import { causeOf, Problem, type ProblemKind } from '../../contract/problem.ts'
import { TELL_ATTEMPTS, TELL_TIMEOUT_MS, TELL_WAIT_MS } from './limits.ts'

export type Post = {
  readonly name: string
  readonly url: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
}

type Fault = { readonly problem: Problem; readonly retry_after_ms: number }

/**
 * Posts JSON until it is taken, TELL_ATTEMPTS times at most. Raises `invalid` for what the server does not want, `unauthorized`
 * where it does not know who asks, else `unavailable`: of a wrong address too. The URL may be a secret, and is in no message.
 */
export async function postJson(post: Post): Promise<void> {
  const { clock, random, signal } = post
  for (let attempt = 1; ; attempt++) {
    const fault = await postOnce(post)
    if (!fault) return
    const { problem, retry_after_ms } = fault
    const over = attempt === TELL_ATTEMPTS || retry_after_ms >= TELL_TIMEOUT_MS
    if (problem.kind !== 'unavailable' || over) throw problem
    // Schedulers that tell the same at the same time do not come again at the same time.
    const wait_ms = TELL_WAIT_MS * 2 ** (attempt - 1) * (0.5 + random.float() / 2)
    await sleep(clock, Math.max(retry_after_ms, wait_ms), signal)
  }
}

/** Undefined once it is taken. */
async function postOnce({ name, url, body, headers, clock, signal }: Post): Promise<Fault | undefined> {
  const overdue = new AbortController()
  const cancel = clock.timer(TELL_TIMEOUT_MS, () => overdue.abort())
  try {
    const answer = await fetch(url, {
      ...{ method: 'POST', body, signal: AbortSignal.any([signal, overdue.signal]) },
      headers: { 'content-type': 'application/json', ...headers },
    })
    const said = (await answer.text()).slice(0, 200)
    if (answer.ok) return undefined
    const problem = new Problem(kindOf(answer.status), `the ${name} answered ${answer.status}: ${said}`)
    return { problem, retry_after_ms: 1000 * (Number(answer.headers.get('retry-after')) || 0) }
  } catch (cause) {
    if (signal.aborted) throw cause
    const why = overdue.signal.aborted ? `no answer in ${TELL_TIMEOUT_MS} ms` : causeOf(cause)
    const problem = new Problem('unavailable', `the ${name} could not be told: ${why}`, { outcome: 'unknown', cause })
    return { problem, retry_after_ms: 0 }
  } finally {
    cancel()
  }
}

/** Only what is said of the body is said of this one alone. */
function kindOf(status: number): ProblemKind {
  if ([400, 413, 422].includes(status)) return 'invalid'
  return [401, 403, 407].includes(status) ? 'unauthorized' : 'unavailable'
}
