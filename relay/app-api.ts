/** What apps see of a relay: commands over HTTP and over a WebSocket, live events, connected hubs (/v1/openapi.json). */
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import rateLimit from '@fastify/rate-limit'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { type Clock, every } from '../contract/clock.ts'
import { type CommandReport, commandRequest } from '../contract/command.ts'
import { plainRequest } from '../contract/command-check.ts'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import { isId } from '../contract/source.ts'
import type { OutsideTokens } from '../registry/jwt-tokens.ts'
import { maySee, type Principal, type Registry, type Scope } from '../registry/registry.ts'
import type { Answer, Cluster, Issued } from './cluster.ts'
import { reportOf } from './command.ts'
import type { CommandCore } from './command-core.ts'
import { type CommandRoute, commandRoute } from './command-route.ts'
import type { FleetView } from './fleet-view.ts'
import type { IssueRequest } from './issue-request.ts'
import { BODY_MAX_BYTES, KEY_MAX_CHARACTERS, LIVE_PROBE_MS, REQUESTS_PER_ADDRESS } from './limits.ts'
import { liveSockets } from './live-socket.ts'
import { membersOf } from './members.ts'
import { openApiDocument } from './openapi.ts'
import { problemBody, statusOf } from './problem-answer.ts'
import { tokenCache, watchTokens } from './token-cache.ts'

export type AppApiOptions = {
  readonly core: CommandCore
  /** The other relays of the fleet; absent: this is the only one. */
  readonly cluster?: Cluster
  readonly view: Pick<FleetView, 'observe' | 'hubs'>
  readonly registry: Pick<Registry, 'verifyToken' | 'hub' | 'watch'>
  readonly clock: Clock
  /** Tokens of an issuer elsewhere; absent: the registry's alone. */
  readonly outside?: OutsideTokens
  readonly ready: () => boolean
  readonly answered?: (report: CommandReport, own_ms: number) => void
  readonly fault: (error: unknown) => void
  /** Somebody asked for what they may not. */
  readonly denied?: (reason: string, address: string) => void
  /** PEM; plain HTTP when absent. */
  readonly tls?: { readonly key: string; readonly cert: string }
}

/** Issues what an app asks, here or elsewhere, after every check; shared by HTTP and WebSocket. Nothing is issued when it raises. */
export type Issue = (
  principal: Principal,
  ask: {
    readonly hub: string
    readonly body: unknown
    readonly key?: string | undefined
    readonly day?: string | undefined
  },
  answer: Answer,
) => Issued

export async function appApi(options: AppApiOptions): Promise<FastifyInstance> {
  const { core, view, registry, clock } = options
  const { verify, prepare, watch } = tokenCache(registry, clock, options.outside)
  const members = membersOf(registry)
  let isCommand: CommandRoute = () => false
  const app: FastifyInstance = Fastify({
    bodyLimit: BODY_MAX_BYTES,
    serverFactory(handle) {
      const listener = (request: IncomingMessage, response: ServerResponse) => {
        if (!isCommand(request, response)) handle(request, response)
      }
      const limits = { requestTimeout: 70_000, keepAliveTimeout: 75_000, noDelay: true }
      return options.tls
        ? https.createServer({ ...limits, ...options.tls, minVersion: 'TLSv1.3' }, listener)
        : http.createServer(limits, listener)
    },
  })
  await app.register(rateLimit, { max: REQUESTS_PER_ADDRESS, timeWindow: 1_000 })
  await app.register(websocket, { options: { maxPayload: BODY_MAX_BYTES } })
  /** Resolves when `verify` knows of a token that takes time; at once, and undefined, for all others. */
  const prepared = (authorization: string | undefined): Promise<void> | undefined => {
    const token = bearerOf(authorization)
    return token === undefined ? undefined : prepare(token)
  }
  // After the plugin above: who asks too often has nothing looked at.
  app.addHook('preValidation', async (request) => {
    const pending = prepared(request.headers.authorization)
    if (pending) await pending
  })
  app.setErrorHandler((error, request, reply) => {
    const problem = isProblem(error) ? error : fastifyProblem(error)
    if (problem.kind === 'internal') options.fault(error)
    if (problem.kind === 'unauthorized') options.denied?.(problem.message, request.ip)
    return refuse(reply, problem)
  })
  app.setNotFoundHandler((request, reply) =>
    refuse(
      reply,
      new Problem('missing', `no such path: ${request.method} ${request.url}; GET /v1/openapi.json has all`),
    ),
  )

  /** Raises `unauthorized` (no, bad or weak token). */
  const principalOf = (authorization: string | undefined, ...scopes: readonly Scope[]): Principal => {
    const principal = verify(tokenOf(authorization))
    if (!scopes.some((scope) => principal.scopes.includes(scope)))
      throw new Problem('unauthorized', `the token of ${principal.app} lacks the scope ${scopes.join(' or ')}`, {
        cause: 'scope',
      })
    return principal
  }
  /** A hub that a token may not see is, to it, a hub that is not there. */
  const seen = (principal: Principal, hub: string) => {
    // A name that no hub can have is not looked up, and so not remembered.
    if (!isId(hub) || !maySee(principal, hub) || !members.has(hub))
      throw new Problem('missing', `this fleet has no hub ${hub}, or the app ${principal.app} may not see it`)
  }

  const begin = (request: IssueRequest, answer: Answer): Issued =>
    options.cluster ? options.cluster.issue(request, answer) : core.issue(request)

  const issue: Issue = (principal, { hub, body, key, day }, answer) => {
    seen(principal, hub)
    if (key !== undefined && (key === '' || key.length > KEY_MAX_CHARACTERS)) {
      throw new Problem('invalid', `an Idempotency-Key has 1 to ${KEY_MAX_CHARACTERS} characters, found ${key.length}`)
    }
    const plain = plainRequest(body)
    if (plain) return begin({ app: principal.app, hub, ...plain, key, day }, answer)
    const parsed = commandRequest.safeParse(body)
    if (!parsed.success) {
      const words = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`)
      throw new Problem('invalid', `not a command: ${words.join('; ')}`)
    }
    return begin({ app: principal.app, hub, ...parsed.data, key, day }, answer)
  }

  const toCommand = (authorization: string | undefined) => principalOf(authorization, 'commands')
  const { answered, fault, denied } = options
  isCommand = commandRoute({ core, clock, issue, prepared, principalOf: toCommand, answered, fault, denied })
  app.get<{ Params: { id: string } }>('/v1/commands/:id', async (request) => {
    const principal = principalOf(request.headers.authorization, 'observe', 'commands')
    const { id } = request.params
    const command = core.find(id)
    const found = command ? { app: command.app, report: reportOf(command) } : await options.cluster?.locate(id)
    // Who may only send sees what became of its own.
    const mine = found && (found.app === principal.app || principal.scopes.includes('observe'))
    if (!mine || !maySee(principal, found.report.hub)) {
      throw new Problem(
        'missing',
        `no command ${id} in the memory of a relay that answers; older ones are in the lake: command_traces`,
      )
    }
    return { app: found.app, ...found.report }
  })
  app.get('/v1/hubs', async (request) => {
    const principal = principalOf(request.headers.authorization, 'observe')
    const { hubs, incomplete } = await view.hubs()
    const seen = hubs.filter(({ hub }) => maySee(principal, hub))
    return { hubs: seen, ...(incomplete !== undefined && { incomplete }) }
  })
  const live = liveSockets({ core, view, issue, clock, answered: options.answered, fault: options.fault })
  const unwatch = watchTokens(registry, clock, () => live.recheck())
  const stopProbes = every(clock, LIVE_PROBE_MS, live.probe)
  app.addHook('onClose', async () => {
    members.close()
    unwatch()
    stopProbes()
  })
  app.get(
    '/v1/live',
    {
      websocket: true,
      preValidation: async (request) => {
        // Here too: a browser's token is found after the hook above (browser-access.ts).
        const pending = prepared(request.headers.authorization)
        if (pending) await pending
        principalOf(request.headers.authorization, 'observe')
      },
    },
    (socket, request) => {
      const token = tokenOf(request.headers.authorization)
      live.serve(socket, verify(token), watch(token))
    },
  )
  app.get('/v1/openapi.json', async () => openApiDocument())
  app.get('/healthz', async () => ({ alive: true }))
  app.get('/readyz', async (_request, reply) =>
    reply.code(options.ready() ? 200 : 503).send({ ready: options.ready() }),
  )
  return app
}

/** Raises `unauthorized`. */
function tokenOf(authorization: string | undefined): string {
  const token = bearerOf(authorization)
  if (token !== undefined) return token
  throw new Problem('unauthorized', 'expected the header Authorization: Bearer hearth_…')
}

function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer (\S+)$/.exec(authorization ?? '')?.[1]
}

function refuse(reply: FastifyReply, problem: Problem): FastifyReply {
  const { status, retry_after_s } = statusOf(problem)
  if (retry_after_s !== undefined) reply.header('retry-after', retry_after_s)
  if (status === 401) reply.header('www-authenticate', 'Bearer')
  return reply.code(status).type('application/problem+json').send(problemBody(problem, status))
}

/** What Fastify itself refuses (a body too large, JSON that is none) as a Problem. */
function fastifyProblem(error: unknown): Problem {
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  if (status === 429) return new Problem('limit', messageOf(error), { cause: { retry_after_ms: 1_000 } })
  if (status >= 400 && status < 500) return new Problem('invalid', messageOf(error), { cause: error })
  return new Problem('internal', 'the relay failed to answer; it was logged', { cause: error, outcome: 'unknown' })
}
