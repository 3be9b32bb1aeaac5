/** The API over HTTP: described in full, closed to strangers, and always answering in Problems. */
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import type { Principal } from '../registry/registry.ts'
import { queryAnswer } from './api.ts'
import { BODY_MAX_BYTES } from './limits.ts'
import { problemAnswer } from './route.ts'
import type { Dashboards } from './server.ts'
import { startSample } from './testing/sample-server.ts'

const ROUTES = [
  'GET /api/around',
  'GET /api/commands',
  'GET /api/commands/{id}',
  'GET /api/completeness',
  'GET /api/definitions',
  'GET /api/fleet',
  'GET /api/freshness',
  'GET /api/hubs',
  'GET /api/hubs/{hub}/devices',
  'GET /api/jobs',
  'GET /api/jobs/{metric}/explain',
  'GET /api/lake',
  'GET /api/lake/{table}/versions',
  'GET /api/live',
  'GET /api/schema',
  'POST /api/commands',
  'POST /api/query',
]

let server: Dashboards
const now_ms = machineClock.now()

beforeAll(async () => {
  server = await startSample({ now_ms })
})

afterAll(() => server?.close())

type Asked = { readonly status: number; readonly body: unknown; readonly headers: NodeJS.Dict<string | string[]> }

/** By node:http, which sends whatever Host and Origin it is told, as fetch does not. */
function ask(
  route: string,
  headers: Readonly<Record<string, string>> = {},
  body = '',
  at: Dashboards = server,
): Promise<Asked> {
  const [method = '', path = ''] = route.split(' ')
  return new Promise((resolve, reject) => {
    const asked = request(`${at.url}${path}`, { method, headers }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(parts).toString()
        const json = response.headers['content-type']?.includes('json') === true && text !== ''
        resolve({
          status: response.statusCode ?? 0,
          body: json ? JSON.parse(text) : text,
          headers: response.headers,
        })
      })
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

const SIGNED = { authorization: 'Bearer hearth_sample', 'content-type': 'application/json' }

function refused({ status, body }: Asked) {
  const problem = problemAnswer.parse(body)
  return { status, kind: problem.kind, message: problem.message }
}

describe('OpenAPI', () => {
  it('describes each route, who may ask, what comes back, and the Problem', async () => {
    const { body } = await ask('GET /api/openapi.json')
    const text = JSON.stringify(body)
    const { paths } = JSON.parse(text)
    const found = Object.entries<Record<string, never>>(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(found.sort()).toEqual(ROUTES)
    for (const route of ROUTES) {
      const [method = '', path = ''] = route.split(' ')
      const operation = paths[path][method.toLowerCase()]
      expect(operation.summary, route).toMatch(/\.$/)
      expect(operation.description, route).toMatch(/^Needs a token of the scope (query|observe|commands)/)
      expect(operation.security, route).toEqual([{ bearer: [] }, { session: [] }])
      const [answer] = Object.values<{ schema: object }>(operation.responses['200'].content)
      expect(Object.keys(answer?.schema ?? {}).length, route).toBeGreaterThan(0)
      const problem = operation.responses.default.content['application/json'].schema
      expect(Object.keys(problem.properties), route).toEqual(['kind', 'message', 'outcome'])
      if (method === 'POST') expect(operation.requestBody.content['application/json'].schema.properties).toBeTruthy()
    }
  })
})

describe('strangers', () => {
  it('are told to open the access link, at every route', async () => {
    for (const route of ROUTES) {
      const answer = refused(
        await ask(route.replace('{id}', 'f'.repeat(32)), { 'content-type': 'application/json' }, ''),
      )
      expect(answer, route).toMatchObject({ status: 403, kind: 'unauthorized' })
      expect(answer.message, route).toContain('access link')
    }
  })

  it('are refused by a wrong token, by another name for this host, and from a page of somebody else', async () => {
    expect(refused(await ask('GET /api/schema', { authorization: 'Bearer hearth_wrong' }))).toMatchObject({
      status: 403,
    })
    const wrong: readonly Readonly<Record<string, string>>[] = [
      { host: 'evil.example' },
      { host: '127.0.0.1.evil.example:80' },
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ]
    for (const headers of wrong) {
      const answer = refused(await ask('POST /api/query', { ...SIGNED, ...headers }, '{"sql":"SELECT 1"}'))
      expect(answer, JSON.stringify(headers)).toMatchObject({ status: 403, kind: 'unauthorized' })
    }
    const own = { ...SIGNED, origin: server.url, 'sec-fetch-site': 'same-origin' }
    expect((await ask('POST /api/query', own, '{"sql":"SELECT 1"}')).status).toBe(200)
  })

  it('get a cookie for a good link only, out of reach of scripts and of other sites', async () => {
    const good = await ask('GET /fleet?range=7d&token=hearth_sample')
    expect(good).toMatchObject({ status: 303, headers: { location: '/fleet?range=7d' } })
    expect(String(good.headers['set-cookie'])).toMatch(/^hearth_session=hearth_sample; .*HttpOnly.*SameSite=Lax/)
    const cookie = { cookie: 'hearth_session=hearth_sample' }
    expect((await ask('GET /api/definitions', cookie)).status).toBe(200)
    expect(refused(await ask('GET /fleet?token=hearth_wrong'))).toMatchObject({ status: 403, kind: 'unauthorized' })
    const browser = await ask('GET /fleet?token=hearth_wrong', { accept: 'text/html' })
    expect(browser).toMatchObject({ status: 303, headers: { location: '/fleet' } })
    expect(browser.headers['set-cookie']).toBeUndefined()
  })
})

describe('a token of less', () => {
  const as = async (principal: Principal, look: (server: Dashboards) => Promise<void>) => {
    const own = await startSample({ now_ms: machineClock.now(), principal })
    try {
      await look(own)
    } finally {
      await own.close()
    }
  }

  it('asks and sends only what its scopes say', async () => {
    await as({ app: 'screen', scopes: ['observe'] }, async (own) => {
      expect((await ask('GET /api/definitions', SIGNED, '', own)).status).toBe(200)
      const query = refused(await ask('POST /api/query', SIGNED, '{"sql":"SELECT 1"}', own))
      expect(query).toMatchObject({ status: 403, kind: 'unauthorized' })
      const body = '{"hub":"demo-01","device":"kitchen-lamp","set":{"powered":true}}'
      expect(refused(await ask('POST /api/commands', SIGNED, body, own))).toMatchObject({ status: 403 })
    })
  })

  it('sees no hub but its own', async () => {
    await as({ app: 'home', scopes: ['observe', 'query', 'commands'], hubs: ['demo-03'] }, async (own) => {
      const { body } = await ask('GET /api/hubs', SIGNED, '', own)
      expect(body).toMatchObject({ hubs: [{ hub: 'demo-03' }] })
      expect((await ask('GET /api/hubs/demo-03/devices', SIGNED, '', own)).status).toBe(200)
      expect(refused(await ask('GET /api/hubs/demo-04/devices', SIGNED, '', own))).toMatchObject({ status: 404 })
      for (const route of ['GET /api/fleet?from=1&to=2', 'GET /api/commands?from=1&to=2', 'POST /api/query']) {
        expect(
          refused(await ask(route, SIGNED, route.startsWith('POST') ? '{"sql":"SELECT 1"}' : '', own)),
          route,
        ).toMatchObject({ status: 403 })
      }
      const order = '{"hub":"demo-04","device":"kitchen-lamp","set":{"powered":true}}'
      expect(refused(await ask('POST /api/commands', SIGNED, order, own))).toMatchObject({ status: 403 })
    })
  })
})

describe('what is wrong', () => {
  it.each([
    ['POST /api/query', '{"sql":', 400, 'invalid', /JSON/],
    ['POST /api/query', '{"sql":""}', 400, 'invalid', /sql/],
    ['POST /api/query', '{"sql":"SELECT 1","limit":3}', 400, 'invalid', /limit/],
    ['POST /api/query', '{"sql":"SELEC 1"}', 400, 'invalid', /SELEC/],
    ['POST /api/query', `{"sql":"${'x'.repeat(BODY_MAX_BYTES)}"}`, 413, 'invalid', /large/],
    ['GET /api/fleet?from=2&to=1', '', 400, 'invalid', /from must be before to/],
    ['GET /api/fleet?from=0&to=99999999999999', '', 429, 'limit', /days/],
    ['GET /api/commands/nonsense', '', 400, 'invalid', /32 hex digits/],
    [`GET /api/commands/${'0'.repeat(32)}`, '', 404, 'missing', /no command/],
    ['GET /api/nothing', '', 404, 'missing', /openapi/],
    ['PUT /api/query', '{}', 404, 'missing', /openapi/],
    ['GET /assets/old.js', '', 404, 'missing', /nothing is at/],
  ])('is a Problem: %s %#', async (route, body, status, kind, message) => {
    const answer = refused(await ask(route, SIGNED, body))
    expect(answer).toMatchObject({ status, kind })
    expect(answer.message).toMatch(message)
  })

  it('is a Problem that says so when the relay does not answer', async () => {
    const body = '{"hub":"demo-01","device":"kitchen-lamp","set":{"powered":true}}'
    expect(refused(await ask('POST /api/commands', SIGNED, body))).toMatchObject({
      ...{ status: 503, kind: 'unavailable', message: expect.not.stringContaining('fetch failed') },
    })
  })
})

it('tells of a window how much of its events is known to be lost, and to when that is known', async () => {
  const newest_ms = Math.floor(now_ms / 3_600_000) * 3_600_000
  const from_ms = newest_ms - 8 * 86_400_000
  // With the hour that still runs, of which more is to come.
  const to_ms = newest_ms + 3_600_000
  const sql = `SELECT sum(lost)::DOUBLE / sum(sent) FROM hub_hours WHERE epoch_ms(hour) >= ${from_ms} AND epoch_ms(hour) < ${to_ms}`
  const { body } = await ask('POST /api/query', SIGNED, JSON.stringify({ sql }))
  const [[loss]] = queryAnswer.parse(body).rows as [[number]]
  expect(loss).toBeGreaterThan(0)
  const told = await ask(`GET /api/completeness?from=${from_ms}&to=${to_ms}`, SIGNED)
  expect(told.body).toEqual({ loss: expect.closeTo(loss, 12), known_to_ms: newest_ms })
  const future = await ask(
    `GET /api/completeness?from=${newest_ms + 86_400_000}&to=${newest_ms + 2 * 86_400_000}`,
    SIGNED,
  )
  expect(future.body).toEqual({ loss: null, known_to_ms: null })
})

it('gives the pages with a policy that lets nothing in from elsewhere', async () => {
  const page = await ask('GET /', { accept: 'text/html' })
  expect(page.status).toBe(200)
  expect(page.headers['content-security-policy']).toMatch(/default-src 'self'.*frame-ancestors 'none'/)
  expect(page.headers['x-content-type-options']).toBe('nosniff')
})
