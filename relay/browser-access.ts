import cors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import { TOKEN_PROTOCOL } from '../contract/live-message.ts'
import { PREFLIGHT_KEPT_S } from './limits.ts'

const EXPOSED = ['retry-after', 'server-timing', 'location']

/**
 * Lets pages of any origin speak to the app API (docs/decisions/124). Nothing is proved by where a page is from or by
 * what a browser adds by itself, as cookies: only by the token that the page sends, in the header or, since a browser's
 * WebSocket takes no headers, as a subprotocol.
 */
export async function admitBrowsers(app: FastifyInstance): Promise<void> {
  app.addHook('onRequest', async ({ headers }) => {
    headers.authorization ??= bearerOf(headers['sec-websocket-protocol'])
  })
  await app.register(cors, {
    origin: '*',
    methods: ['GET', 'POST'],
    allowedHeaders: ['authorization', 'content-type', 'idempotency-key', 'idempotency-day', 'prefer'],
    exposedHeaders: [...EXPOSED],
    maxAge: PREFLIGHT_KEPT_S,
  })
  // A command is answered without the framework (command-route.ts); who is no page pays nothing for those who are.
  app.server.prependListener('request', ({ headers }, response) => {
    if (headers.origin === undefined) return
    response.setHeader('access-control-allow-origin', '*')
    response.setHeader('access-control-expose-headers', EXPOSED.join(', '))
  })
}

function bearerOf(protocols: string | undefined): string | undefined {
  const offered = protocols?.split(',').map((protocol) => protocol.trim()) ?? []
  const token = offered.find((protocol) => protocol.startsWith(TOKEN_PROTOCOL))?.slice(TOKEN_PROTOCOL.length)
  return token ? `Bearer ${token}` : undefined
}
