import { request as httpRequest, type IncomingMessage, STATUS_CODES } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Clock } from '../contract/clock.ts'
import { Problem } from '../contract/problem.ts'
import { PIPES_MAX, RELAY_ANSWER_MAX_MS } from './limits.ts'
import { askRelay, type RelayAddress } from './relay-client.ts'
import { allowedHost, allowedOrigin, SESSION_COOKIE } from './session.ts'

const LIVE = '/v1/live'
const NO_SESSION = 'open the access link that `hearth up` printed: this browser has no session yet'
/** Longest deadline of a command, and the relay's own time. */
const COMMAND_MAX_MS = 60_000 + RELAY_ANSWER_MAX_MS
/** What of a browser's request makes the WebSocket; everything else, its cookies among it, stays here. */
const HANDSHAKE = ['sec-websocket-key', 'sec-websocket-version', 'sec-websocket-protocol', 'sec-websocket-extensions']

/**
 * The relay's app API under this server's own address, with the token that is in the visitor's cookie
 * (docs/decisions/125): the relay decides what it may, and a page never sees it. `/v1/live` is passed on byte by byte.
 */
export function mountRelay(
  app: FastifyInstance,
  options: { readonly relay: Pick<RelayAddress, 'url'>; readonly names: ReadonlySet<string>; readonly clock: Clock },
): void {
  const { relay, names, clock } = options
  const pipes = new Set<Duplex>()

  app.route<{ Body: unknown }>({
    method: ['GET', 'POST'],
    url: '/v1/*',
    schema: { hide: true },
    handler: async (request, reply) => {
      const headers = {
        ...one(request, 'idempotency-key'),
        ...one(request, 'idempotency-day'),
        ...one(request, 'prefer'),
      }
      const token = tokenOf(request.headers)
      if (token === undefined)
        return reply.code(401).send({ kind: 'unauthorized', message: NO_SESSION, outcome: 'did-not-happen' })
      const { status, body } = await askRelay(
        { url: relay.url, token },
        {
          method: request.method === 'POST' ? 'POST' : 'GET',
          path: request.url,
          headers,
          ...(request.body === undefined || request.body === null ? {} : { body: request.body }),
          wait_max_ms: COMMAND_MAX_MS,
        },
        clock,
      )
      return reply.code(status).send(body)
    },
  })

  app.server.on('upgrade', (request, near: Duplex, head) => {
    near.on('error', () => near.destroy())
    try {
      pass(request, near, head)
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      refuse(near, error.kind === 'limit' ? 503 : error.kind === 'missing' ? 404 : 401)
    }
  })
  app.addHook('preClose', async () => {
    for (const socket of pipes) socket.destroy()
  })

  /** As `principalOf` of session.ts finds it; whether it is good is the relay's to say. */
  function tokenOf(headers: FastifyRequest['headers']): string | undefined {
    const bearer = /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1]
    return bearer ?? app.parseCookie(headers.cookie ?? '')[SESSION_COOKIE]
  }

  /** Raises `unauthorized`, `missing`, `limit`. */
  function pass(request: IncomingMessage, near: Duplex, head: Buffer): void {
    const { headers } = request
    if (request.url !== LIVE) throw new Problem('missing', `no WebSocket at ${request.url ?? ''}`)
    // A browser lets any page open a WebSocket anywhere, cookies and all; it says where the page is from.
    if (!allowedHost(headers.host, names) || !allowedOrigin({ method: 'POST', headers }))
      throw new Problem('unauthorized', 'this request comes from a page of somebody else')
    if (pipes.size >= PIPES_MAX) throw new Problem('limit', `${PIPES_MAX} WebSockets are open already`)
    const token = tokenOf(headers)
    if (!token) throw new Problem('unauthorized', NO_SESSION)
    const url = new URL(LIVE, relay.url)
    const ask = url.protocol === 'https:' ? httpsRequest : httpRequest
    const upgrade = Object.fromEntries(HANDSHAKE.flatMap((name) => (headers[name] ? [[name, headers[name]]] : [])))
    const asked = ask(url, {
      headers: { ...upgrade, connection: 'Upgrade', upgrade: 'websocket', authorization: `Bearer ${token}` },
    })
    pipes.add(near)
    near.on('close', () => {
      pipes.delete(near)
      asked.destroy()
    })
    asked.on('error', () => refuse(near, 503))
    asked.on('response', (response) => {
      response.resume()
      refuse(near, response.statusCode ?? 503)
    })
    asked.on('upgrade', (response, far, farHead) => {
      const lines = response.rawHeaders.flatMap((name, index, all) => (index % 2 ? [] : [`${name}: ${all[index + 1]}`]))
      near.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`)
      near.write(farHead)
      far.write(head)
      for (const socket of [near, far]) if (socket instanceof Socket) socket.setNoDelay(true)
      far.on('error', () => near.destroy())
      far.on('close', () => near.destroy())
      near.on('close', () => far.destroy())
      near.pipe(far).pipe(near)
    })
    asked.end()
  }
}

function refuse(near: Duplex, status: number): void {
  if (near.writable)
    near.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}

function one(request: FastifyRequest, name: string): Readonly<Record<string, string>> {
  const value = request.headers[name]
  return typeof value === 'string' ? { [name]: value } : {}
}
