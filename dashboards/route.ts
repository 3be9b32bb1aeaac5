import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { Problem, type ProblemKind } from '../contract/problem.ts'
import type { Principal, Registry, Scope } from '../registry/registry.ts'
import { demand, principalOf, SESSION_COOKIE } from './session.ts'

/** HTTP's word for each kind of Problem. */
export const STATUS: Readonly<Record<ProblemKind, number>> = {
  invalid: 400,
  unauthorized: 403,
  missing: 404,
  conflict: 409,
  limit: 429,
  closed: 503,
  unavailable: 503,
  corrupt: 500,
  internal: 500,
}

/** The body of every answer that is not a success. */
export const problemAnswer = z.object({
  kind: z.string().describe('invalid, unauthorized, unavailable, conflict, missing, corrupt, closed, limit, internal'),
  message: z.string().describe('what was expected, what was found, what to do'),
  outcome: z.enum(['did-not-happen', 'unknown']).describe('may it have happened all the same?'),
})

type Route<Q extends z.ZodType, B extends z.ZodType, P extends z.ZodType> = {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly summary: string
  /** Undefined: anybody may ask. */
  readonly scope: Scope | undefined
  /** Is it about the whole fleet, so that a principal of some hubs must not ask? */
  readonly fleet?: boolean
  readonly query?: Q
  readonly body?: B
  readonly params?: P
  /** Headers that mean something; they are told of, not checked. */
  readonly headers?: z.ZodType
  readonly answer: z.ZodType
  /** Media types besides JSON. */
  readonly produces?: readonly string[]
  /** A media type in place of JSON, whose parts are each an `answer`. */
  readonly streams?: string
  handle(
    input: { readonly query: z.output<Q>; readonly body: z.output<B>; readonly params: z.output<P> },
    context: { readonly principal: Principal; readonly request: FastifyRequest; readonly reply: FastifyReply },
  ): Promise<unknown>
}

/** Mounts routes whose zod schemas are both the check of what comes in and the OpenAPI document. */
export type Router = <
  Q extends z.ZodType = z.ZodUndefined,
  B extends z.ZodType = z.ZodUndefined,
  P extends z.ZodType = z.ZodUndefined,
>(
  route: Route<Q, B, P>,
) => void

const NOBODY: Principal = { app: 'nobody', scopes: [], hubs: [] }

export function openRouter(app: FastifyInstance, registry: Registry): Router {
  const admitted = new WeakMap<FastifyRequest, Principal>()
  // Input is checked in the handler below, by the schemas themselves; Fastify's JSON forms only describe it.
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => (data) => JSON.stringify(data))
  return (route) => {
    const { query, body, params } = route
    const produced: Record<string, unknown> = {
      [route.streams ?? 'application/json']: { schema: jsonSchema(route.answer) },
    }
    for (const type of route.produces ?? []) produced[type] = { schema: { type: 'string', format: 'binary' } }
    app.route({
      method: route.method,
      url: route.url,
      schema: {
        summary: route.summary,
        description: needs(route.scope, route.fleet === true),
        security: route.scope === undefined ? [] : SECURITY,
        ...(query ? { querystring: jsonSchema(query, 'input') } : {}),
        ...(route.headers ? { headers: jsonSchema(route.headers, 'input') } : {}),
        ...(body ? { body: jsonSchema(body, 'input') } : {}),
        ...(params ? { params: jsonSchema(params, 'input') } : {}),
        response: {
          200: { description: 'as asked', content: produced },
          default: { description: 'a problem', content: { 'application/json': { schema: jsonSchema(problemAnswer) } } },
        },
      },
      // Before the body is read: a stranger's is not looked at.
      onRequest: async (request) => {
        if (route.scope === undefined) return
        const principal = principalOf(request, registry)
        demand(principal, route.scope, route.fleet)
        admitted.set(request, principal)
      },
      handler: async (request, reply) => {
        const principal = admitted.get(request) ?? NOBODY
        const input = {
          query: parse(query, request.query, 'the query string'),
          body: parse(body, request.body, 'the body'),
          params: parse(params, request.params, 'the path'),
        }
        return route.handle(input, { principal, request, reply })
      },
    })
  }
}

/** How a caller may prove who it is: any of the two. */
const SECURITY: readonly Readonly<Record<string, readonly string[]>>[] = [{ bearer: [] }, { session: [] }]
export const SECURITY_SCHEMES = {
  bearer: { type: 'http', scheme: 'bearer', description: 'a token of the registry' },
  session: { type: 'apiKey', in: 'cookie', name: SESSION_COOKIE, description: 'set by opening an access link' },
} as const

function needs(scope: Scope | undefined, fleet: boolean): string {
  if (scope === undefined) return 'Anybody may ask.'
  return `Needs a token of the scope ${scope}${fleet ? ', for all hubs' : ''}.`
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output' = 'output') {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return rest
}

function parse<S extends z.ZodType>(schema: S | undefined, data: unknown, where: string): z.output<S> {
  const result = (schema ?? z.undefined()).safeParse(schema ? data : undefined)
  if (!result.success) throw new Problem('invalid', `${where} is wrong: ${z.prettifyError(result.error)}`)
  // The schema that checked it says so; TypeScript cannot follow the optional one.
  return result.data as z.output<S>
}

/** Aborts when the one who asked hangs up, so that nothing runs for nobody. */
export function hangUp(request: FastifyRequest, reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort(new Problem('closed', 'the asker hung up'))
  })
  request.raw.once('aborted', () => controller.abort(new Problem('closed', 'the asker hung up')))
  return controller.signal
}
