import { expect, test } from 'vitest'
import { listenOperations, processMetrics } from './operations.ts'

const metrics = processMetrics('test')
const listen = (port: number, host = '127.0.0.1') =>
  listenOperations({
    ...{ at: { key: 'jobs.ops_port', host, port }, metrics },
    ...{ unready: () => [], fault: () => undefined },
  })

test('a port that another holds is told with its setting, and what to do', async () => {
  const held = await listen(0)
  const { port } = new URL(held.url)
  await expect(listen(Number(port))).rejects.toMatchObject({
    kind: 'unavailable',
    message: `cannot listen for health and metrics: 127.0.0.1:${port} is in use: end what holds it, or choose another port with HEARTH_JOBS_OPS_PORT (jobs.ops_port)`,
  })
  await held.close()
})

test('an address that is not of this machine is told as it was said', async () => {
  await expect(listen(1, '192.0.2.1')).rejects.toThrow(/^cannot listen .*: 192\.0\.2\.1:1 \(jobs\.ops_port\): .*EADDR/)
})
