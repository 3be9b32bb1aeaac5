import { WebSocket } from 'ws'
import { z } from 'zod'
import type { Clock } from '../contract/clock.ts'
import { causeOf, Problem, type ProblemKind } from '../contract/problem.ts'
import type { CommandTrace } from './api.ts'
import { RELAY_ANSWER_MAX_MS, RELAY_RETRY_MAX_MS, RELAY_RETRY_MIN_MS } from './limits.ts'

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

const relayEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('issued'), app: z.string(), report: relayReport }),
  z.object({ type: z.literal('outcome'), app: z.string(), report: relayReport }),
  z.object({ type: z.literal('stage'), command: z.string(), ...moment.shape }),
  z.object({ type: z.literal('state'), hub: z.string(), device: z.string(), set: z.record(z.string(), z.unknown()) }),
  z.object({
    type: z.literal('connection'),
    hub: z.string(),
    stage: z.enum(['connected', 'disconnected']),
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

const KINDS: Readonly<Record<number, ProblemKind>> = { 400: 'invalid', 404: 'missing', 409: 'conflict', 429: 'limit' }

/** Asks the relay over HTTP. Raises `unavailable` when it does not answer; for a POST, `unknown` whether it happened. */
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
  const timeout = new AbortController()
  const wait_max_ms = request.wait_max_ms ?? RELAY_ANSWER_MAX_MS
  const stop = clock.timer(wait_max_ms, () => timeout.abort(new Error(`no answer within ${wait_max_ms} ms`)))
  try {
    const response = await fetch(new URL(request.path, relay.url), {
      method: request.method,
      headers: {
        authorization: `Bearer ${relay.token}`,
        ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...request.headers,
      },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      signal: timeout.signal,
    })
    const body: unknown = await response.json()
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

/** The relay's refusal as a Problem with its own words. */
export function refusalOf(answer: RelayAnswer): Problem {
  const parsed = z
    .object({
      message: z.string().optional(),
      error: z.union([z.string(), z.object({ message: z.string() })]).optional(),
    })
    .safeParse(answer.body)
  const error = parsed.success ? parsed.data.error : undefined
  const words = (parsed.success && parsed.data.message) || (typeof error === 'string' ? error : error?.message)
  const kind = KINDS[answer.status] ?? (answer.status < 500 ? 'unauthorized' : 'unavailable')
  return new Problem(kind, words ?? `the relay answered ${answer.status}`)
}

/** Listens to the relay's live feed for as long as it is open, connecting anew whenever it ends. */
export function followRelay(
  relay: RelayAddress,
  clock: Clock,
  listener: { event(event: RelayEvent): void; up(up: boolean, reason: string): void },
): { close(): void } {
  let socket: WebSocket | undefined
  let cancel: (() => void) | undefined
  let closed = false
  let wait_ms = RELAY_RETRY_MIN_MS
  const connect = () => {
    const url = new URL('/v1/live', relay.url)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    const current = new WebSocket(url, { headers: { authorization: `Bearer ${relay.token}` } })
    socket = current
    current.on('open', () => {
      wait_ms = RELAY_RETRY_MIN_MS
      listener.up(true, '')
    })
    current.on('message', (data, binary) => {
      if (binary || !Buffer.isBuffer(data)) return
      const event = parseEvent(data.toString('utf8'))
      if (event) listener.event(event)
    })
    let reason = 'the relay closed the feed'
    current.on('error', (error) => {
      reason = error.message
    })
    current.on('close', () => {
      if (closed) return
      listener.up(false, reason)
      cancel = clock.timer(wait_ms, connect)
      wait_ms = Math.min(wait_ms * 2, RELAY_RETRY_MAX_MS)
    })
  }
  connect()
  return {
    close: () => {
      closed = true
      cancel?.()
      socket?.terminate()
    },
  }
}

/** A message that this version does not know is passed over: relays may be newer than dashboards. */
function parseEvent(data: string): RelayEvent | undefined {
  try {
    return relayEvent.safeParse(JSON.parse(data)).data
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
