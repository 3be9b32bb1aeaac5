import { createServer, type Server } from 'node:http'
import { KubeConfig } from '@kubernetes/client-node'
import { afterEach, expect, test, vi } from 'vitest'
import { createLake } from '../../lake/lake.ts'
import { openMemoryStore } from '../../lake/memory-store.ts'
import { ManualClock, seededRandom } from '../../sim/clock.ts'
import { endRun } from '../calculate-elsewhere.ts'
import { runObjects, runsUnderWay } from '../run-objects.ts'
import { AWAY_LIMIT_MS, AWAY_MS } from './limits.ts'
import { openKubernetesRunner } from './runner.ts'

const RUN = 'hubs-1f0c9a-2s-9b1e44'
let server: Server | undefined
afterEach(() => server?.close())

/** An API server that gives each request the same answer, or none. */
async function serve(code: number | undefined): Promise<string> {
  server = createServer((request, response) => {
    if (code === undefined) request.socket.destroy()
    else response.writeHead(code, { 'content-type': 'application/json' }).end('{"message":"because"}')
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
}

async function begun(code: number | undefined) {
  const url = await serve(code)
  const client = new KubeConfig()
  client.loadFromClusterAndUser({ name: 'test', server: url, skipTLSVerify: true }, { name: 'test' })
  const clock = new ManualClock(0)
  const said: string[] = []
  const runner = openKubernetesRunner({
    ...{ client, clock, namespace: 'hearth', template: 'jobs', parallelism: 1, parts_max: 1, deadline_s: 60 },
    waits: (message) => said.push(message),
  })
  const store = openMemoryStore({ clock })
  const lake = await createLake({ store, clock, random: seededRandom(1), fleet: 'test', region: 'local', buckets: 1 })
  await runObjects(store, RUN).begin('{}')
  return { clock, place: { lake, runner }, said, store, url }
}

test('of a run that has no Job, none was made or it is gone, the record goes', async () => {
  const { place, said, store } = await begun(404)
  await endRun(place, RUN)
  expect([await runsUnderWay(store), said]).toEqual([[], []])
})

test('of a cluster that does not answer a run stands, it is said once what is waited for, and a signal ends that', async () => {
  const { clock, place, said, store, url } = await begun(undefined)
  const stop = new AbortController()
  const reason = new Error('SIGINT')
  let over = false
  const ended = expect(endRun(place, RUN, { signal: stop.signal })).rejects.toBe(reason)
  void ended.finally(() => (over = true))
  for (let ms = 0; ms < 10 * AWAY_MS; ms += AWAY_MS) {
    await vi.waitUntil(() => clock.nextTimer_ms() !== undefined)
    await clock.advance(AWAY_MS)
  }
  expect([over, said]).toEqual([false, [`waiting for the API server at ${url}, up to ${AWAY_LIMIT_MS / 60_000} min`]])
  stop.abort(reason)
  await ended
  expect(await runsUnderWay(store)).toEqual([RUN])
})
