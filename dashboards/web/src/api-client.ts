import { signal } from '@preact/signals'

/** What went wrong, in words for people: what failed, and what to do. */
export class Failure extends Error {
  override readonly name = 'Failure'
  /** `gone`: no answer at all. `session`: not signed in. Else the kind of the server's Problem. */
  readonly kind: string
  constructor(kind: string, message: string) {
    super(message)
    this.kind = kind
  }
}

/** Is the server there, as far as the last answer tells? */
export const serverGone = signal(false)
/** No session, or one that was revoked. */
export const signedOut = signal(false)

/** The server's answer, whose shape its own OpenAPI promises. Raises `Failure`, and what the signal raises. */
export async function ask<T>(path: string, options: RequestInit = {}): Promise<T> {
  const response = await request(path, options)
  return (await response.json()) as T
}

/** The same for whatever is not JSON. */
export async function request(path: string, options: RequestInit = {}): Promise<Response> {
  let response: Response
  try {
    response = await fetch(path, { ...options, credentials: 'same-origin' })
  } catch (error) {
    if (options.signal?.aborted) throw error
    serverGone.value = true
    throw new Failure('gone', 'The server does not answer. Is `hearth up` running?')
  }
  serverGone.value = false
  if (response.ok) {
    signedOut.value = false
    return response
  }
  const problem: unknown = await response.json().catch(() => undefined)
  const message = textOf(problem, 'message') ?? `The server answered ${response.status}.`
  const kind = textOf(problem, 'kind') ?? 'internal'
  if (kind === 'unauthorized' && /no session|not known|revoked|expired/.test(message)) signedOut.value = true
  throw new Failure(kind, message)
}

export function post(body: unknown, headers: Readonly<Record<string, string>> = {}): RequestInit {
  return { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } }
}

function textOf(value: unknown, name: string): string | undefined {
  if (typeof value !== 'object' || value === null || !(name in value)) return undefined
  const text: unknown = Reflect.get(value, name)
  return typeof text === 'string' ? text : undefined
}
