import { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { BATCH_COMPRESSED_MAX_BYTES } from '../contract/limits.ts'
import { assert, isProblem, messageOf, Problem } from '../contract/problem.ts'
import type { Identity } from '../contract/source.ts'
import { peerOf } from './identity.ts'
import { CONNECT_TIMEOUT_MS, HTTPS_BODY_MAX_BYTES, HTTPS_CONNECTIONS_MAX, PACKET_OVERHEAD_BYTES } from './limits.ts'
import { secureContextOf } from './mqtt-endpoint.ts'
import type { TelemetryOptions } from './telemetry-endpoint.ts'

const BEARER = /^Bearer (\S{1,512})$/

/** HTTPS side of the telemetry endpoint: `POST /v1/telemetry`, `/healthz`, `/readyz`, and the composer's routes. */
export async function telemetryHttps(options: TelemetryOptions, isReady: () => boolean): Promise<FastifyInstance> {
  const app = fastify({
    https: {
      ...secureContextOf(options.tls),
      requestCert: true,
      // A token may stand for the certificate; where there is one it is checked for each request, in `identify`.
      rejectUnauthorized: false,
      handshakeTimeout: CONNECT_TIMEOUT_MS,
    },
    bodyLimit: HTTPS_BODY_MAX_BYTES,
    requestTimeout: 60_000,
    forceCloseConnections: true,
  })
  app.server.maxConnections = HTTPS_CONNECTIONS_MAX
  app.server.on('drop', (socket) => options.refused?.('no room for another connection', socket?.remoteAddress ?? ''))
  app.server.on('connection', (socket) => {
    if (socket instanceof Socket) socket.setNoDelay(true)
  })
  // Whoever shakes hands while the server closes is no connection yet that it could end, and would keep it open after.
  let closing = false
  app.addHook('preClose', (done) => {
    closing = true
    done()
  })
  app.server.on('secureConnection', (socket) => closing && socket.destroy())
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))

  app.get('/healthz', () => ({ alive: true }))
  app.get('/readyz', (_request, reply) => reply.code(isReady() ? 200 : 503).send({ ready: isReady() }))
  // Who sends it is known before a batch is read: nobody else makes this process keep a megabyte.
  const senders = new WeakMap<FastifyRequest, Identity>()
  app.post(
    '/v1/telemetry',
    {
      bodyLimit: BATCH_COMPRESSED_MAX_BYTES + PACKET_OVERHEAD_BYTES,
      onRequest: async (request) => {
        senders.set(request, identify(request))
      },
    },
    telemetry,
  )
  app.setErrorHandler<Error & { statusCode?: number }>((error, request, reply) => {
    const status = statusOf(error)
    if (status === 401) options.refused?.(messageOf(error), request.ip)
    if (status === 429) reply.header('retry-after', '1')
    if (status >= 500) options.fault?.(error)
    const isBatch = request.routeOptions.url === '/v1/telemetry'
    const body =
      isBatch && (status === 413 || status === 422) ? { refused: messageOf(error) } : { error: messageOf(error) }
    return reply.code(status).send(body)
  })
  await options.routes?.(app)

  async function telemetry(request: FastifyRequest, reply: FastifyReply) {
    const identity = senders.get(request)
    assert(identity, 'a batch without a sender')
    const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
    const answer = await options.receive(identity, bytes, 'https')
    if (answer.kind === 'refused') return reply.code(422).send({ refused: answer.reason })
    if (answer.floor !== undefined) reply.header('hearth-floor', String(answer.floor))
    return { durable: true }
  }

  /** By certificate where there is a good one, else by token. */
  function identify(request: FastifyRequest): Identity {
    const token = BEARER.exec(request.headers.authorization ?? '')?.[1]
    if (token !== undefined && options.verifyToken) return options.verifyToken(token)
    const socket = request.raw.socket as TLSSocket
    if (!socket.authorized) {
      throw new Problem(
        'unauthorized',
        'expected a client certificate of this fleet, or Authorization: Bearer hearth_…',
      )
    }
    const identity = peerOf(socket, options.clock.now(), options.fleet)
    const answer = options.authorise(identity)
    if (!answer.ok) throw new Problem('unauthorized', answer.reason)
    return identity
  }

  return app
}

function statusOf(error: Error & { statusCode?: number }): number {
  if (isProblem(error, 'unauthorized')) return 401
  if (isProblem(error, 'limit')) return 429
  if (isProblem(error, 'invalid')) return 400
  if (isProblem(error, 'unavailable', 'closed')) return 503
  return error.statusCode ?? 500
}
