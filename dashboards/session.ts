import type { FastifyReply, FastifyRequest } from 'fastify'
import { isProblem, Problem } from '../contract/problem.ts'
import type { Principal, Registry, Scope } from '../registry/registry.ts'

/**
 * The cookie holds the access link's token itself: each request asks the registry anew, so that a revoked link stops
 * at once, and a restart of this process logs nobody out.
 */
export const SESSION_COOKIE = 'hearth_session'

/** Host names that requests may be addressed to; anything else is a page of somebody else (DNS rebinding). */
export function allowedHost(host: string | undefined, names: ReadonlySet<string>): boolean {
  if (host === undefined) return false
  const name = host.replace(/:\d+$/, '').toLowerCase()
  return name === 'localhost' || name === '127.0.0.1' || name === '[::1]' || names.has(name)
}

/** A request that changes something must come from a page of this very host; a browser always says where from. */
export function allowedOrigin(request: {
  readonly method: string
  readonly headers: {
    readonly origin?: string | undefined
    readonly host?: string | undefined
    readonly 'sec-fetch-site'?: string | string[] | undefined
  }
}): boolean {
  const { origin, host } = request.headers
  const site = request.headers['sec-fetch-site']
  if (request.method === 'GET' || request.method === 'HEAD') return true
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false
  return origin === undefined || origin === `http://${host}` || origin === `https://${host}`
}

/** Who is asking, by Bearer token or session cookie. Raises `unauthorized`. */
export function principalOf(request: FastifyRequest, registry: Registry): Principal {
  const bearer = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
  const token = bearer ?? request.cookies[SESSION_COOKIE]
  if (token === undefined) {
    throw new Problem('unauthorized', 'open the access link that `hearth up` printed: this browser has no session yet')
  }
  return registry.verifyToken(token)
}

/** Raises `unauthorized` when the principal lacks the scope; with `fleet`, when it may see only some of the hubs. */
export function demand(principal: Principal, scope: Scope, fleet = false): void {
  if (!principal.scopes.includes(scope)) {
    throw new Problem('unauthorized', `this needs a token with the scope ${scope}; ${principal.app} has not got it`)
  }
  if (fleet && principal.hubs !== undefined) {
    throw new Problem('unauthorized', `${principal.app} may see some hubs only; this shows the whole fleet`)
  }
}

/**
 * Turns `?token=` of an access link into the cookie, and sends the browser to the same address without it. A browser
 * with a link that is no good gets no cookie: the page it lands on says what to do.
 */
export function exchangeToken(request: FastifyRequest, reply: FastifyReply, registry: Registry): boolean {
  const url = new URL(request.url, 'http://dashboards')
  const token = url.searchParams.get('token')
  if (token === null || request.method !== 'GET') return false
  url.searchParams.delete('token')
  const clean = `${url.pathname}${url.search}`
  try {
    registry.verifyToken(token)
  } catch (error) {
    if (!isProblem(error, 'unauthorized') || !(request.headers.accept ?? '').includes('text/html')) throw error
    reply.redirect(clean, 303)
    return true
  }
  reply
    .setCookie(SESSION_COOKIE, token, {
      path: '/',
      httpOnly: true,
      sameSite: 'lax',
      secure: request.protocol === 'https',
      maxAge: 30 * 86_400,
    })
    .redirect(clean, 303)
  return true
}
