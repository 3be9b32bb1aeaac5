import { afterEach, expect, test } from 'vitest'
import type { Operations } from './operations.ts'
import { operationsServer, processMetrics } from './operations.ts'
import { listenOnDemand } from './operations-on-demand.ts'

let operations: Operations | undefined
afterEach(async () => await operations?.close())

const at = { key: 'hub.ops_port', host: '127.0.0.1', port: 0 }
const server = () => {
  return operationsServer({ metrics: processMetrics('hub'), unready: () => ['not yet'], fault: () => undefined })
}

test('what answers is loaded by the first who asks, once, and answers all', async () => {
  let loads = 0
  operations = await listenOnDemand({
    ...{ at, fault: () => undefined },
    async load() {
      loads++
      return server()
    },
  })
  expect(loads).toBe(0)
  const { url } = operations
  const all = await Promise.all(['/healthz', '/readyz', '/metrics', '/nothing'].map((path) => fetch(`${url}${path}`)))
  expect(all.map(({ status }) => status)).toEqual([200, 503, 200, 404])
  expect(await all[1]?.json()).toEqual({ ready: false, reasons: ['not yet'] })
  expect(await all[2]?.text()).toMatch(/^process_resident_memory_bytes\{process="hub"\} \d+$/m)
  expect(loads).toBe(1)
})

test('who asks is cut off where it cannot be loaded, and the next one is answered', async () => {
  const faults: unknown[] = []
  let works = false
  operations = await listenOnDemand({
    ...{ at, fault: (error) => faults.push(error) },
    load: () => (works ? Promise.resolve(server()) : Promise.reject(new Error('no memory'))),
  })
  await expect(fetch(`${operations.url}/healthz`)).rejects.toThrow('fetch failed')
  expect(faults).toEqual([new Error('no memory')])
  works = true
  expect((await fetch(`${operations.url}/healthz`)).status).toBe(200)
})
