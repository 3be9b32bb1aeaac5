import { expect, test } from 'vitest'
import { reachable } from '../contract/host.ts'
import { gatewayUrl } from './gateway-url.ts'
import { serversOf } from './hub-servers.ts'
import { parseConfig } from './load-config.ts'

const config = parseConfig({ relay: { host: '::' } }, 'a test')
const of = (options: Parameters<typeof serversOf>[1]) => serversOf({ config }, options)

test('without options they are those of the configuration, on loopback where they listen everywhere', () => {
  const { relay, ingest } = config
  expect(of({})).toEqual({
    relay: { host: '127.0.0.1', port: relay.hub_port, others: [] },
    gateway: { host: ingest.host, port: ingest.mqtt_port },
    url: `https://${ingest.host}:${ingest.https_port}`,
  })
  expect([reachable('0.0.0.0'), reachable('10.0.0.1')]).toEqual(['127.0.0.1', '10.0.0.1'])
  expect(gatewayUrl({ ...config, ingest: { ...ingest, host: '::1' } })).toBe(`https://[::1]:${ingest.https_port}`)
})

test('certificates come from beside the gateway, unless it is said otherwise', () => {
  expect(of({ gateway: 'https://[::1]' })).toMatchObject({
    gateway: { url: 'https://[::1]' },
    url: 'https://[::1]:443',
  })
  const gateway = 'mqtts://in.example:8884'
  expect(of({ gateway })).toMatchObject({
    gateway: { host: 'in.example', port: 8884 },
    url: `https://in.example:${config.ingest.https_port}`,
  })
  expect(of({ gateway, enrol: 'https://ca.example' }).url).toBe('https://ca.example')
})

test('of several relays one is first', () => {
  expect(of({ relay: 'mqtts://a.example:1,mqtts://[::1]:2' }).relay).toEqual({
    ...{ host: 'a.example', port: 1 },
    others: [{ host: '::1', port: 2 }],
  })
})

test.each([
  [{ relay: 'relay.example:8883' }, '--relay: expected mqtts://host:port, found relay.example:8883'],
  [{ relay: 'mqtts://a.example:1,' }, '--relay: expected mqtts://host:port, found '],
  [{ gateway: 'ingest.example' }, '--gateway: expected mqtts://host:port or https://host:port, found ingest.example'],
  [{ gateway: 'https://' }, '--gateway: expected https://host:port, found https://'],
  [{ enrol: 'foo' }, '--enrol: expected https://host:port, found foo'],
  [{ enrol: 'http://a.example' }, '--enrol: expected https://host:port, found http://a.example'],
])('%j is refused by name', (options, message) => {
  expect(() => of(options)).toThrow(message)
})
