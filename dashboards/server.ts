import cookie from '@fastify/cookie'
import swagger from '@fastify/swagger'
import Fastify from 'fastify'
import type { Clock, Random } from '../contract/clock.ts'
import { isProblem, messageOf, Problem } from '../contract/problem.ts'
import { type Catalogue, catalogue } from '../jobs/catalogue.ts'
import type { Registry } from '../registry/registry.ts'
import { isBuilt, mountWeb, NOT_BUILT, webFolder } from './built-app.ts'
import { mountCommands } from './command-routes.ts'
import { mountFleet } from './fleet-routes.ts'
import { mountJobs } from './jobs-routes.ts'
import { type Lags, mountLake } from './lake-routes.ts'
import { BODY_MAX_BYTES } from './limits.ts'
import { type Note, openLive } from './live.ts'
import { type ChildProgram, openQueries } from './queries.ts'
import { mountQuery } from './query-routes.ts'
import type { RelayAddress } from './relay-client.ts'
import { mountRelay } from './relay-pipe.ts'
import { openRouter, SECURITY_SCHEMES, STATUS } from './route.ts'
import { allowedHost, allowedOrigin, exchangeToken } from './session.ts'

export type DashboardsOptions = {
  readonly registry: Registry
  readonly relay: RelayAddress
  /** The module of the query process and its arguments. */
  readonly queries: ChildProgram
  readonly clock: Clock
  readonly random: Random
  readonly host: string
  readonly port: number
  /** Host names besides localhost and the loopback addresses that people use for this server. */
  readonly names?: readonly string[]
  /** Folder of the built web app; absent: `web/dist` beside this file. */
  readonly web?: string
  /** Those whose definitions are shown: Hearth's unless given. */
  readonly metrics?: Catalogue
  /** How far each bucket's writer is behind its log, where one runs beside. */
  readonly lags?: Lags
  readonly note: Note
}

export type Dashboards = {
  /** `http://127.0.0.1:8990` */
  readonly url: string
  readonly port: number
  load(): DashboardsLoad
  close(): Promise<void>
}

/** What the dashboards do now. */
export type DashboardsLoad = {
  /** Why these pages should get no traffic now, each in a sentence; empty when they should. */
  readonly unready: readonly string[]
  readonly queries_running: number
  readonly queries_waiting: number
  /** Starts of the query process after a death. */
  readonly query_process_restarts: number
  readonly live_listeners: number
  /** The live feed of the relay is open. */
  readonly relay_up: boolean
}

/** Nothing is loaded from anywhere else, and no page of anybody else may show these in a frame. */
const CONTENT_SECURITY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

/** Serves the API and the web app, with queries in a child process. Raises `unavailable` when it cannot listen. */
export async function startDashboards(options: DashboardsOptions): Promise<Dashboards> {
  const { registry, clock, note } = options
  const names = new Set((options.names ?? []).map((name) => name.toLowerCase()))
  const queries = openQueries({ program: options.queries, clock, note })
  const live = openLive({ relay: options.relay, clock, note })
  const app = Fastify({
    bodyLimit: BODY_MAX_BYTES,
    forceCloseConnections: true,
    ajv: { customOptions: { strict: false } },
  })

  app.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'content-security-policy': CONTENT_SECURITY,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    })
    if (!allowedHost(request.headers.host, names)) {
      throw new Problem('unauthorized', `these dashboards do not go by the name ${request.headers.host ?? '(none)'}`)
    }
    if (!allowedOrigin(request)) throw new Problem('unauthorized', 'this request comes from a page of somebody else')
    return exchangeToken(request, reply, registry) ? reply : undefined
  })
  app.setErrorHandler((error, request, reply) => {
    if (isProblem(error)) {
      if (error.kind === 'unauthorized')
        note(
          `${request.ip} was turned away from ${request.method} ${request.url.split('?')[0]}: ${error.message}`,
          'info',
        )
      return reply.code(STATUS[error.kind]).send({ kind: error.kind, message: error.message, outcome: error.outcome })
    }
    const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
    if (status < 500) {
      return reply.code(status).send({ kind: 'invalid', message: messageOf(error), outcome: 'did-not-happen' })
    }
    note(
      `${request.method} ${request.url.split('?')[0]} failed: ${error instanceof Error ? error.stack : String(error)}`,
    )
    return reply
      .code(500)
      .send({ kind: 'internal', message: 'a bug in the dashboards; their log has it', outcome: 'unknown' })
  })
  await app.register(cookie)
  await app.register(swagger, {
    openapi: {
      info: {
        title: 'Hearth dashboards',
        version: '1',
        description: 'What the pages read and send. Sign in with an access link, or send a Bearer token.',
      },
      components: { securitySchemes: SECURITY_SCHEMES },
    },
  })
  // Routes are mounted in a plugin of their own, so that swagger's hook sees each.
  await app.register(async (scope) => {
    const route = openRouter(scope, registry)
    mountQuery(route, { queries, metrics: options.metrics ?? catalogue() })
    mountFleet(route, { queries, clock })
    mountLake(route, { queries, clock, lags: options.lags ?? (() => Promise.resolve(undefined)) })
    mountJobs(route, { queries, clock })
    mountCommands(route, { queries, live, registry, relay: options.relay, clock, random: options.random, note })
    scope.get('/api/openapi.json', { schema: { hide: true } }, async () => app.swagger())
    scope.get('/healthz', { schema: { hide: true } }, async () => ({ alive: true }))
    scope.get('/readyz', { schema: { hide: true } }, async (_request, reply) => {
      const reasons = unready()
      return reply
        .code(reasons.length === 0 ? 200 : 503)
        .send({ ready: reasons.length === 0, reasons, relay: live.up() })
    })
  })
  mountRelay(app, { relay: options.relay, names, clock })
  const web = options.web ?? webFolder()
  await mountWeb(app, web)

  function unready(): string[] {
    const reasons = queries.ready() ? [] : ['the query process is not there yet']
    return isBuilt(web) ? reasons : [...reasons, NOT_BUILT]
  }

  try {
    await app.listen({ host: options.host, port: options.port })
  } catch (error) {
    live.close()
    await queries.close()
    throw new Problem(
      'unavailable',
      `the dashboards cannot listen on ${options.host}:${options.port} (${messageOf(error)}); set HEARTH_DASHBOARDS_PORT`,
      { cause: error },
    )
  }
  const address = app.server.address()
  const port = typeof address === 'object' && address ? address.port : options.port
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  return {
    url: `http://${host}:${port}`,
    port,
    load() {
      const { running, waiting, restarts } = queries.load()
      const asked = { queries_running: running, queries_waiting: waiting, query_process_restarts: restarts }
      return { unready: unready(), ...asked, live_listeners: live.listeners(), relay_up: live.up() }
    },
    close: async () => {
      live.close()
      await queries.close()
      await app.close()
    },
  }
}
