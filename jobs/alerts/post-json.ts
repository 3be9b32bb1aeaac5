import { type Clock, sleep } from '../../contract/clock.ts'
import { causeOf, isProblem, Problem } from '../../contract/problem.ts'
import { TELL_ATTEMPTS, TELL_TIMEOUT_MS, TELL_WAIT_MS } from './limits.ts'

export type Post = {
  readonly name: string
  readonly url: string
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Posts JSON until it is taken, TELL_ATTEMPTS times at most. The URL may be a secret, and is in no message. */
export async function postJson(post: Post): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await postOnce(post)
      return
    } catch (error) {
      if (post.signal.aborted || !isProblem(error, 'unavailable') || attempt === TELL_ATTEMPTS) throw error
    }
    await sleep(post.clock, TELL_WAIT_MS * 2 ** (attempt - 1), post.signal)
  }
}

async function postOnce({ name, url, body, headers, clock, signal }: Post): Promise<void> {
  const overdue = new AbortController()
  const cancel = clock.timer(TELL_TIMEOUT_MS, () => overdue.abort())
  try {
    const answer = await fetch(url, {
      ...{ method: 'POST', body, signal: AbortSignal.any([signal, overdue.signal]) },
      headers: { 'content-type': 'application/json', ...headers },
    })
    const said = (await answer.text()).slice(0, 200)
    if (answer.ok) return
    const kind = answer.status >= 500 || [408, 425, 429].includes(answer.status) ? 'unavailable' : 'invalid'
    throw new Problem(kind, `the ${name} answered ${answer.status}: ${said}`)
  } catch (error) {
    if (isProblem(error) || signal.aborted) throw error
    const why = overdue.signal.aborted ? `no answer in ${TELL_TIMEOUT_MS} ms` : causeOf(error)
    throw new Problem('unavailable', `the ${name} could not be told: ${why}`, { outcome: 'unknown', cause: error })
  } finally {
    cancel()
  }
}
