import { z } from 'zod'
import { connect } from '../client/client.ts'
import type { Clock } from '../contract/clock.ts'
import { causeOf, isProblem, Problem } from '../contract/problem.ts'
import type { CommandTrace } from './api.ts'
import { RELAY_ANSWER_MAX_MS } from './limits.ts'

/** Where the relay's app API is, and the token that these dashboards have of their own. */
export type RelayAddress = { readonly url: string; readonly token: string }

const moment = z.object({ stage: z.string(), by: z.enum(['relay', 'hub']), ms: z.number() })

/** The relay's CommandReport, as far as the pages show it. */
export const relayReport = z.object({
  command: z.string(),
  hub: z.string(),
  device: z.string(),
  set: z.record(z.string(), z.unknown()),
  issued: z.number(),
  deadline_ms: z.number(),
  outcome: z.string().optional(),
  reason: z.string().optional(),
  stages: z.array(moment),
  round_trip_ms: z.number().optional(),
})

/** A message that this version does not know is passed over: relays may be newer than dashboards. */
const relayEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('issued'), app: z.string(), report: relayReport }),
  z.object({ type: z.literal('outcome'), app: z.string(), report: relayReport }),
  z.object({ type: z.literal('stage'), command: z.string(), ...moment.shape }),
  z.object({
    type: z.literal('state'),
    hub: z.string(),
    device: z.string(),
    set: z.record(z.string(), z.union([z.number(), z.boolean(), z.string()])),
    at: z.number(),
  }),
  z.object({
    type: z.literal('connection'),
    hub: z.string(),
    stage: z.enum(['connected', 'disconnected']),
    epoch: z.string(),
    reason: z.string().optional(),
  }),
])
export type RelayEvent = z.infer<typeof relayEvent>

export function traceOf(report: z.infer<typeof relayReport>, app: string | null): CommandTrace {
  return {
    command: report.command,
    hub: report.hub,
    device: report.device,
    set: report.set,
    app,
    issued_ms: report.issued,
    deadline_ms: report.deadline_ms,
    outcome: report.outcome ?? null,
    reason: report.reason ?? null,
    round_trip_ms: report.round_trip_ms ?? null,
    stages: report.stages,
    told_by: 'relay',
  }
}

/** What the relay answered, whatever it was: its status and body are passed on to the page. */
export type RelayAnswer = { readonly status: number; readonly body: unknown }

/**
 * `path` at the relay and nowhere else. Raises `invalid` for what names another host: a request line may hold a whole URL
 * (RFC 9112, 3.2.2), and two slashes begin a host.
 */
export function relayUrl({ url }: Pick<RelayAddress, 'url'>, path: string): URL {
  const found = URL.canParse(path, url) ? new URL(path, url) : undefined
  if (!path.startsWith('/') || found?.origin !== new URL(url).origin)
    throw new Problem('invalid', `expected a path of the relay's API, found ${path.slice(0, 100)}`)
  return found
}

/** Asks the relay over HTTP. Raises `invalid` for a path that is not the relay's, `unavailable` when it does not answer; for a POST, `unknown` whether it happened. */
export async function askRelay(
  relay: RelayAddress,
  request: {
    readonly method: 'GET' | 'POST'
    readonly path: string
    readonly body?: unknown
    readonly headers?: Readonly<Record<string, string>>
    readonly wait_max_ms?: number
  },
  clock: Clock,
): Promise<RelayAnswer> {
  const url = relayUrl(relay, request.path)
  const timeout = new AbortController()
  const wait_max_ms = request.wait_max_ms ?? RELAY_ANSWER_MAX_MS
  const stop = clock.timer(wait_max_ms, () => timeout.abort(new Error(`no answer within ${wait_max_ms} ms`)))
  try {
    const response = await fetch(url, {
      redirect: 'error',
      method: request.method,
      headers: {
        authorization: `Bearer ${relay.token}`,
        ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...request.headers,
      },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      signal: timeout.signal,
    })
    const text = await response.text()
    const body: unknown = text === '' ? undefined : JSON.parse(text)
    return { status: response.status, body }
  } catch (error) {
    throw new Problem('unavailable', `the relay does not answer (${causeOf(error)})`, {
      cause: error,
      outcome: request.method === 'POST' ? 'unknown' : 'did-not-happen',
    })
  } finally {
    stop()
  }
}

/** Has a hub a live connection? Undefined where a relay that may hold it did not answer. */
export type Connected = (hub: string) => boolean | undefined

/** Undefined when the relay does not answer. */
export async function connectedHubs(relay: RelayAddress, clock: Clock): Promise<Connected | undefined> {
  try {
    const answer = await askRelay(relay, { method: 'GET', path: '/v1/hubs' }, clock)
    const parsed = z
      .object({ hubs: z.array(z.object({ hub: z.string() })), incomplete: z.string().optional() })
      .safeParse(answer.body)
    if (!parsed.success) return undefined
    const { hubs, incomplete } = parsed.data
    const found = new Set(hubs.map(({ hub }) => hub))
    return (hub) => found.has(hub) || (incomplete === undefined ? false : undefined)
  } catch (error) {
    if (isProblem(error, 'unavailable')) return undefined
    throw error
  }
}

/** Listens to the relay's live feed until it is closed; `up` says of each change whether the feed is open, and why not. */
export function followRelay(
  relay: RelayAddress,
  listener: { event(event: RelayEvent): void; up(up: boolean, reason: string): void },
): { close(): void } {
  const client = connect(relay)
  client.subscribe({}, (event) => {
    const known = relayEvent.safeParse(event).data
    if (known) listener.event(known)
  })
  client.onConnection(({ state, reason }) => {
    if (state === 'open') listener.up(true, '')
    else if (state !== 'connecting' && state !== 'closed') listener.up(false, reason ?? 'the relay closed the feed')
  })
  return client
}
