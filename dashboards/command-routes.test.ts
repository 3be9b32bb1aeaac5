import { createServer } from 'node:http'
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { machineClock as clock, machineRandom as random } from '../cli/machine.ts'
import { SCOPES } from '../registry/registry.ts'
import { mountCommands } from './command-routes.ts'
import { openLive } from './live.ts'
import type { Queries } from './query-protocol.ts'
import { openRouter } from './route.ts'
import { sampleRegistry } from './testing/sample-server.ts'

/** A lake that is away as a network is: nothing comes, not even a refusal. */
const never = () => new Promise<never>(() => undefined)
const silent: Queries = {
  ...{ run: never, schema: never, tables: never, versions: never, standing: never, explain: never },
  ...{ ready: () => true, load: () => ({ running: 0, waiting: 0, restarts: 0 }), close: () => Promise.resolve() },
}
const relay = createServer((_request, response) => {
  response.end('{"hubs":[{"hub":"demo-01","connected":true}]}')
})
const app = Fastify()
let live: ReturnType<typeof openLive> | undefined

beforeAll(async () => {
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
  const address = relay.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const at = { url: `http://127.0.0.1:${port}`, token: 'hearth_relay' }
  const registry = sampleRegistry(2, { app: 'person', scopes: SCOPES })
  live = openLive({ relay: at, clock, note: () => undefined })
  await app.register(cookie)
  mountCommands(openRouter(app, registry), {
    queries: silent,
    live,
    registry,
    relay: at,
    clock,
    random,
    note: () => {},
  })
})
afterAll(async () => {
  live?.close()
  await app.close()
  relay.close()
  relay.closeAllConnections()
})

const ask = async (url: string): Promise<unknown> =>
  (await app.inject({ url, headers: { authorization: 'Bearer hearth_sample' } })).json()

test('hubs are listed, and who is connected, while the lake is silent', async () => {
  expect(await ask('/api/hubs')).toMatchObject({
    relay: 'up',
    stored: false,
    hubs: [
      { hub: 'demo-01', connected: true, disconnected_ms: null, devices: [] },
      { hub: 'demo-02', connected: false, disconnected_ms: null, devices: [] },
    ],
  })
})

test('a hub can be commanded while the lake is silent: its page is told that it is connected', async () => {
  expect(await ask('/api/hubs/demo-01/devices')).toEqual({
    ...{ hub: 'demo-01', home: 'home-01', connected: true, devices: [], stored: false },
  })
})
