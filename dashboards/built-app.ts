/** The built web app: served as it is on disk at each request, so that one built later needs no new start. */
import { existsSync } from 'node:fs'
import fixed from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import { Problem } from '../contract/problem.ts'

export const NOT_BUILT = 'the web app is not built yet: npm run build'

/** Beside this file in a checkout and in the package, one level up where JavaScript was made within a checkout. */
export function webFolder(): string {
  const places = ['./web/dist/', '../../dashboards/web/dist/'].map((place) => new URL(place, import.meta.url).pathname)
  return places.find(isBuilt) ?? places[import.meta.url.endsWith('.ts') ? 0 : 1] ?? ''
}

export function isBuilt(folder: string): boolean {
  return existsSync(`${folder}/index.html`)
}

/** Hashed files may be kept for ever; index.html stands for each page of the app and never. */
export async function mountWeb(app: FastifyInstance, folder: string): Promise<void> {
  await app.register(fixed, {
    root: folder,
    index: false,
    preCompressed: true,
    setHeaders: (reply, path) => {
      reply.header('cache-control', path.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache')
    },
  })
  app.get('/', { schema: { hide: true } }, async (_request, reply) => reply.sendFile('index.html'))
  app.setNotFoundHandler(async (request, reply) => {
    const wantsPage = request.method === 'GET' && (request.headers.accept ?? '').includes('text/html')
    const isRoot = request.url.split('?')[0] === '/'
    if (!isRoot && (!wantsPage || /^\/(api|assets)\//.test(request.url))) {
      throw new Problem('missing', `nothing is at ${request.url.split('?')[0]}; /api/openapi.json lists what there is`)
    }
    if (!isBuilt(folder)) return reply.code(503).type('text/plain').send(`${NOT_BUILT}\n`)
    return reply.sendFile('index.html')
  })
}
