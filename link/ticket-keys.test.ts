import { once } from 'node:events'
import tls from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { machineClock } from '../cli/machine.ts'
import { ManualClock } from '../sim/clock.ts'
import { testFleet } from './fleet.fixture.ts'
import { TICKET_KEYS_MS } from './limits.ts'
import type { ClientTls } from './mqtt-connection.ts'
import { listenMqtt, portNumber, type ServerTls } from './mqtt-endpoint.ts'
import { keepTicketKeys } from './ticket-keys.ts'

let fleet: Awaited<ReturnType<typeof testFleet>>
let server: ServerTls
let hub: ClientTls
beforeAll(async () => {
  fleet = await testFleet()
  ;[server, hub] = await Promise.all([fleet.server(), fleet.hub('demo-01')])
})
afterAll(() => fleet.close())

/** The ticket of a full handshake. */
async function ticketOf(port: number): Promise<Buffer> {
  const socket = tls.connect({ host: '127.0.0.1', port, ...hub })
  const [ticket] = (await once(socket, 'session')) as [Buffer]
  socket.destroy()
  return ticket
}

async function resumes(port: number, session: Buffer): Promise<boolean> {
  const socket = tls.connect({ host: '127.0.0.1', port, ...hub, session })
  await once(socket, 'secureConnect')
  const reused = socket.isSessionReused()
  socket.destroy()
  return reused
}

test('a ticket of an endpoint that has ended is good at the next one with the same key, and at no other', async () => {
  const listen = (tlsOf: ServerTls) =>
    listenMqtt({
      ...{ host: '127.0.0.1', port: 0, tls: tlsOf, clock: machineClock, authorise: () => ({ ok: true }) },
      ...{ handler: { message: () => undefined }, publishTopics: () => [], subscribeTopics: () => [] },
    })
  const first = await listen(server)
  const ticket = await ticketOf(first.port)
  await first.close()
  const second = await listen(server)
  expect(await resumes(second.port, ticket)).toBe(true)
  await second.close()
  const other = await listen(await fleet.server())
  expect(await resumes(other.port, ticket)).toBe(false)
  await other.close()
})

test('keys change in time: a ticket from before costs a full handshake, and a new one is good again', async () => {
  const clock = new ManualClock()
  const endpoint = tls.createServer({ ...server, ca: String(server.ca), requestCert: true, sessionIdContext: 'test' })
  const end = keepTicketKeys(endpoint, server.key, clock)
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve))
  const port = portNumber(endpoint)
  const ticket = await ticketOf(port)
  expect(await resumes(port, ticket)).toBe(true)
  await clock.advance(TICKET_KEYS_MS)
  expect(await resumes(port, ticket)).toBe(false)
  expect(await resumes(port, await ticketOf(port))).toBe(true)
  end()
  endpoint.close()
})
