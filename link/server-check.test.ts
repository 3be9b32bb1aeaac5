import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testFleet } from './fleet.fixture.ts'
import { portNumber } from './mqtt-endpoint.ts'
import { connectChecked, faultOf } from './server-check.ts'

const BEGINNING = { now_ms: 86_400_000, floor_ms: Date.now() }
let fleet: Awaited<ReturnType<typeof testFleet>>
let other: Awaited<ReturnType<typeof testFleet>>
beforeAll(async () => {
  fleet = await testFleet()
  other = await testFleet()
})
afterAll(() => {
  fleet.close()
  other.close()
})

/** What a client of 1970 that trusts `ca` has to say of a server with this certificate, and what the server was sent. */
async function meet(
  server: { readonly key: string; readonly cert: string },
  { ca = fleet.ca, host = '127.0.0.1' }: { readonly ca?: string; readonly host?: string } = {},
): Promise<{ readonly error: string | undefined; readonly heard: string }> {
  let heard = ''
  const listener = createServer({ key: server.key, cert: server.cert }, (socket) => {
    socket.on('data', (data) => {
      heard += data.toString()
      socket.end()
    })
    socket.on('error', () => undefined)
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  let error: string | undefined
  const socket: TLSSocket = connectChecked(
    {
      port: portNumber(listener),
      host,
      lookup: (_name, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]),
      ca,
    },
    BEGINNING,
  )
  socket.on('error', (raised) => {
    error = raised.message
  })
  // Before the handshake: it must wait for the check.
  socket.write('secret')
  await new Promise((resolve) => socket.once('close', resolve))
  listener.close()
  await once(listener, 'close')
  return { error, heard }
}

test('a server of the fleet is known with a clock of 1970, by each of its names', async () => {
  const server = await fleet.server()
  expect(await meet(server)).toEqual({ error: undefined, heard: 'secret' })
  expect(await meet(server, { host: 'localhost' })).toEqual({ error: undefined, heard: 'secret' })
  expect(await meet(server, { ca: `${other.ca}${fleet.ca}` })).toEqual({ error: undefined, heard: 'secret' })
})

test('another CA, another name, a certificate that is for no server: nothing is sent to any of them', async () => {
  const server = await fleet.server()
  expect(await meet(server, { ca: other.ca })).toEqual({ error: expect.stringMatching(/signed by none/), heard: '' })
  expect(await meet(server, { host: 'relay.example' })).toEqual({
    error: expect.stringMatching(/does not match certificate's altnames/),
    heard: '',
  })
  const hub = await fleet.hub('kitchen')
  expect(await meet(hub)).toEqual({ error: expect.stringMatching(/not for a server/), heard: '' })
})

test('a certificate is over when it ended before what is past for certain', async () => {
  const certificate = new X509Certificate((await fleet.server()).cert)
  const ends_ms = certificate.validToDate.getTime()
  const fault = (at_ms: number) => faultOf(certificate, { host: 'localhost', ca: fleet.ca, at_ms })
  expect([fault(ends_ms - 1), fault(ends_ms + 1)]).toEqual([undefined, expect.stringMatching(/ended at/)])
  expect(faultOf(undefined, { host: 'localhost', ca: fleet.ca, at_ms: 0 })).toMatch(/no certificate/)
})
