import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import { testFleet } from './fleet.fixture.ts'
import type { ClientTls } from './mqtt-connection.ts'
import { listenMqtt, type MqttEndpoint } from './mqtt-endpoint.ts'

let fleet: Awaited<ReturnType<typeof testFleet>>
let other: Awaited<ReturnType<typeof testFleet>>
let endpoint: MqttEndpoint
let hub: ClientTls
let told: string[] = []

beforeAll(async () => {
  ;[fleet, other] = await Promise.all([testFleet(), testFleet()])
  hub = await fleet.hub('demo-01')
  endpoint = await listenMqtt({
    ...{ host: '127.0.0.1', port: 0, tls: await fleet.server(), clock: machineClock, fleet: 'test' },
    ...{ authorise: () => ({ ok: true }), publishTopics: () => [], subscribeTopics: () => [] },
    handler: { message: () => undefined },
    refused: (reason) => told.push(reason),
  })
})
afterAll(async () => {
  await endpoint.close()
  fleet.close()
  other.close()
})

/** What the server says of somebody who comes so. */
async function saidOf(options: tls.ConnectionOptions): Promise<string> {
  told = []
  const socket = tls.connect({ host: '127.0.0.1', port: endpoint.port, ALPNProtocols: ['mqtt'], ...options })
  socket.on('error', () => undefined)
  await expect.poll(() => told.length).toBe(1)
  socket.destroy()
  return told[0] ?? ''
}

test('a certificate of another CA is told as that', async () => {
  expect(await saidOf({ ...(await other.hub('demo-01')), ca: fleet.ca })).toMatch(
    /^its certificate is not of this server's CA, or .*: (SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+)$/,
  )
})

test('a peer that trusts another CA is told as one that left', async () => {
  expect(await saidOf({ ...hub, ca: other.ca })).toMatch(
    /^it left before the TLS handshake was over; one that does not trust/,
  )
})

test('what OpenSSL says is told without its addresses', async () => {
  expect(await saidOf({ ca: fleet.ca })).toBe('TLS: peer did not return a certificate')
  expect(await saidOf({ ...hub, maxVersion: 'TLSv1.2' })).toBe('TLS: unsupported protocol')
  told = []
  const plain = net.connect(endpoint.port, '127.0.0.1')
  plain.write(Buffer.from('101600044d5154540502003c000000', 'hex'))
  await once(plain, 'close')
  expect(told).toEqual(['TLS: wrong version number'])
})
