import type { Clock } from '../contract/clock.ts'
import { causeOf, Problem } from '../contract/problem.ts'

/** How long a process of this machine may take to say how it is. */
const ANSWER_LIMIT_MS = 3_000

/** The JSON that a URL of this machine answers. Raises as `askText`, and for what is no JSON. */
export function askJson(clock: Clock, url: string, headers: Readonly<Record<string, string>> = {}): Promise<unknown> {
  return ask(clock, url, headers, (answer) => answer.json())
}

/** What a URL of this machine answers. Raises `unavailable`, with cause `hung` when there was no answer in time. */
export function askText(clock: Clock, url: string): Promise<string> {
  return ask(clock, url, {}, (answer) => answer.text())
}

async function ask<T>(
  clock: Clock,
  url: string,
  headers: Readonly<Record<string, string>>,
  read: (answer: Response) => Promise<T>,
): Promise<T> {
  const overdue = new AbortController()
  const cancel = clock.timer(ANSWER_LIMIT_MS, () => overdue.abort())
  try {
    const answer = await fetch(url, { headers, signal: overdue.signal })
    return await read(answer)
  } catch (error) {
    if (overdue.signal.aborted) {
      throw new Problem('unavailable', `no answer in ${ANSWER_LIMIT_MS / 1000} s at ${url}`, { cause: 'hung' })
    }
    throw new Problem('unavailable', `no answer at ${url}: ${causeOf(error)}`, { cause: error })
  } finally {
    cancel()
  }
}
