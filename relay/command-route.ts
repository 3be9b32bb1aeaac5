/**
 * `POST /v1/hubs/{hub}/commands`, on node:http itself: the one request whose time is felt in a home. All others are
 * app-api.ts's, by a framework.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../contract/clock.ts'
import type { CommandReport } from '../contract/command.ts'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import type { Principal } from '../registry/registry.ts'
import type { Issue } from './app-api.ts'
import type { Elsewhere } from './cluster.ts'
import { ownShare_ms, reportOf } from './command.ts'
import type { CommandCore } from './command-core.ts'
import { BODY_MAX_BYTES, REQUESTS_PER_ADDRESS } from './limits.ts'
import { problemBody, statusOf } from './problem-answer.ts'
import { rateGate } from './rate.ts'

export type CommandRouteOptions = {
  readonly core: CommandCore
  readonly clock: Clock
  readonly issue: Issue
  /** To be awaited before `principalOf`, where there is something to wait for: a signature that is checked. */
  readonly prepared: (authorization: string | undefined) => Promise<void> | undefined
  /** Who asks, with the right to command. Raises `unauthorized`. */
  readonly principalOf: (authorization: string | undefined) => Principal
  readonly answered?: ((report: CommandReport, own_ms: number) => void) | undefined
  readonly fault: (error: unknown) => void
  readonly denied?: ((reason: string, address: string) => void) | undefined
}

const PATH = /^\/v1\/hubs\/([^/?%]+)\/commands$/

/** Takes a request and answers it; false when it is another one's. */
export type CommandRoute = (request: IncomingMessage, response: ServerResponse) => boolean

export function commandRoute(options: CommandRouteOptions): CommandRoute {
  const { core, clock, issue, prepared, principalOf } = options
  const gate = rateGate(clock, { per_second: REQUESTS_PER_ADDRESS, burst: REQUESTS_PER_ADDRESS })

  async function answer(request: IncomingMessage, response: ServerResponse, hub: string): Promise<void> {
    const begun_ms = clock.monotonic()
    const wait_ms = gate.take(request.socket.remoteAddress ?? '')
    if (wait_ms > 0)
      throw new Problem('limit', `more than ${REQUESTS_PER_ADDRESS} requests a second come from this address`, {
        cause: { retry_after_ms: wait_ms },
      })
    const { authorization } = request.headers
    // Before the body, which costs, and again after it, which may take a minute to come.
    await prepared(authorization)
    principalOf(authorization)
    const body = parsed(request, await textOf(request))
    await prepared(authorization)
    const wanted = /\brespond-async\b/.test(header(request, 'prefer') ?? '') ? 'accepted' : 'settled'
    const issued = issue(
      principalOf(authorization),
      { hub, body, key: header(request, 'idempotency-key'), day: header(request, 'idempotency-day') },
      wanted,
    )
    if (wanted === 'accepted') {
      const report = 'command' in issued ? reportOf(issued.command) : await heard(issued, response)
      send(response, 202, report, { location: `/v1/commands/${report.command}` })
      return
    }
    const report = 'command' in issued ? await core.settled(issued.command) : await heard(issued, response)
    const own_ms = ownShare_ms(report, clock.monotonic() - begun_ms)
    send(response, 200, report, own_ms === undefined ? {} : { 'server-timing': `relay;dur=${own_ms.toFixed(3)}` })
    if (own_ms !== undefined) options.answered?.(report, own_ms)
  }

  return (request, response) => {
    const hub = request.method === 'POST' ? PATH.exec(request.url ?? '')?.[1] : undefined
    if (hub === undefined) return false
    answer(request, response, hub).catch((error: unknown) => {
      if (request.destroyed && !request.complete) return
      const problem = isProblem(error)
        ? error
        : new Problem('internal', 'the relay failed to answer; it was logged', { cause: error, outcome: 'unknown' })
      if (problem.kind === 'internal') options.fault(error)
      if (problem.kind === 'unauthorized') options.denied?.(problem.message, request.socket.remoteAddress ?? '')
      // What is not read of it would be taken for the next request.
      if (!request.complete || problem.kind === 'closed') response.setHeader('connection', 'close')
      refuse(response, problem)
    })
    return true
  }
}

/** What another relay says, unless the app goes first. */
function heard(elsewhere: Elsewhere, response: ServerResponse): Promise<CommandReport> {
  response.once('close', elsewhere.leave)
  return elsewhere.report.finally(() => response.off('close', elsewhere.leave))
}

/** The body as text. Raises `invalid` for one that is too long; the connection ends with that answer. */
function textOf(request: IncomingMessage): Promise<string> {
  const tooLarge = () => new Problem('invalid', `the body is too large: at most ${BODY_MAX_BYTES} bytes`)
  if (Number(request.headers['content-length'] ?? 0) > BODY_MAX_BYTES) return Promise.reject(tooLarge())
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    let bytes = 0
    request.on('data', (part: Buffer) => {
      bytes += part.length
      if (bytes <= BODY_MAX_BYTES) parts.push(part)
      else reject(tooLarge())
    })
    request.on('end', () =>
      resolve((parts.length === 1 ? (parts[0] ?? Buffer.alloc(0)) : Buffer.concat(parts)).toString()),
    )
    request.on('error', reject)
  })
}

function parsed(request: IncomingMessage, text: string): unknown {
  const type = request.headers['content-type'] ?? ''
  if (!/^application\/json\s*(;|$)/i.test(type))
    throw new Problem('invalid', `expected Content-Type: application/json, found ${JSON.stringify(type)}`)
  if (text === '') throw new Problem('invalid', 'the body is empty: expected a command as JSON')
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Problem('invalid', `the body is not JSON: ${messageOf(error)}`)
  }
}

function refuse(response: ServerResponse, problem: Problem): void {
  const { status, retry_after_s } = statusOf(problem)
  send(response, status, problemBody(problem, status), {
    'content-type': 'application/problem+json; charset=utf-8',
    ...(retry_after_s !== undefined && { 'retry-after': String(retry_after_s) }),
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
  })
}

function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = JSON.stringify(body)
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    ...headers,
  })
  response.end(text)
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return typeof value === 'string' ? value : undefined
}
