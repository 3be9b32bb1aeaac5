/** `hearth hub check` against a real relay and gateway, and against what stands in front of one and does harm. */

import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import tls from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePorts } from '../infra/ports.ts'
import { openSystem, type Running, type System } from './testing/system.ts'

const START_MS = 60_000
let system: System
let services: readonly Running[]
let files: readonly string[]

beforeAll(async () => {
  system = await openSystem()
  await system.must(['registry', 'add', 'check-1'])
  await system.must(['ca', 'issue', 'check-1', '--out', join(system.home, 'check-1')])
  const folder = join(system.home, 'check-1')
  files = ['--ca', join(folder, 'ca.pem'), '--cert', join(folder, 'cert.pem'), '--key', join(folder, 'key.pem')]
  services = [system.start(['ingest']), system.start(['relay'])]
  for (const service of services) await service.untilSaid(/"event":"ready"/, START_MS)
})
afterAll(() => system[Symbol.asyncDispose]())

const check = (port: number, ...more: readonly string[]) =>
  system.run(['hub', 'check', '--connect', `mqtts://localhost:${port}`, ...files, ...more])

describe('an endpoint', () => {
  test.each(['relay', 'gateway'] as const)('that is a %s passes', async (kind) => {
    const port = kind === 'relay' ? system.ports.hub : system.ports.mqtt
    const { code, stdout, stderr } = await check(port)
    expect(stdout, stderr).not.toContain('FAIL')
    expect({ code, kind: stderr.includes(`is a ${kind}`) }).toEqual({ code: 0, kind: true })
    expect(stdout).toMatch(/^\d+ passed$/m)
  })

  test('is checked again above the boot counter of the time before', async () => {
    const first = JSON.parse((await check(system.ports.hub, '--json')).stdout.split('\n')[0] ?? '')
    expect(first).toEqual({ check: 'tls.version', expected: expect.any(String), seen: 'so it is', ok: true })
    expect((await check(system.ports.hub)).code).toBe(0)
  })

  test('behind a proxy that ends TLS itself, without TCP_NODELAY, fails by name, with exit code 1', async () => {
    const [port = 0] = await freePorts(1)
    const key = (name: string) => readFileSync(join(system.home, 'check-1', name), 'utf8')
    const server = await startMeddler(port, system, { key: key('key.pem'), cert: key('cert.pem'), ca: key('ca.pem') })
    const { code, stdout } = await check(port)
    server.close()
    expect(code).toBe(1)
    expect(stdout).toMatch(/^FAIL {2}tls\.alpn: .*\n {6}found: none was chosen/m)
    expect(stdout).toMatch(/^FAIL {2}network\.no-delay: .*\n {6}found: .* for two: TCP_NODELAY/m)
    expect(stdout).toMatch(/^FAIL {2}tls\.certificate/m)
    expect(stdout).toMatch(/^\d+ passed, [1-9]\d* failed$/m)
  })

  test.each([
    [[], /--connect mqtts:\/\/host:port/],
    [['--connect', 'http://localhost:1'], /expected mqtts:\/\/host:port, found http:\/\/localhost:1/],
    [['--connect', 'mqtts://localhost:1'], /--ca, --cert and --key/],
    [['--connect', 'mqtts://localhost:1', '--hub', 'nobody'], /has no certificate/],
  ])('is asked for with %j, and the error says what is missing', async (words, error) => {
    const { code, stderr } = await system.run(['hub', 'check', ...words])
    expect(code).toBeGreaterThan(0)
    expect(stderr).toMatch(error)
  })

  test('that is not there is told so', async () => {
    const [port = 0] = await freePorts(1)
    const { code, stderr } = await check(port)
    expect(code).toBeGreaterThan(0)
    expect(stderr).toMatch(/cannot be reached: .*ECONNREFUSED/)
  })
})

/** A load balancer that ends TLS without ALPN or a client's certificate, and does not set TCP_NODELAY towards the relay. */
async function startMeddler(port: number, { ports }: System, hub: { key: string; cert: string; ca: string }) {
  const certificate = await system.must([
    'ca',
    'issue',
    'localhost',
    '--role',
    'server',
    '--out',
    join(system.home, 'meddler'),
  ])
  expect(certificate).toBeDefined()
  const file = (name: string) => readFileSync(join(system.home, 'meddler', name), 'utf8')
  const sockets = new Set<Socket>()
  const server = tls.createServer({ key: file('key.pem'), cert: file('cert.pem') }, (front) => {
    const back = tls.connect({ port: ports.hub, host: 'localhost', ...hub, ALPNProtocols: ['mqtt'] })
    front.on('data', (chunk) => back.write(chunk))
    back.on('data', (chunk) => front.write(chunk))
    for (const [one, other] of [
      [front, back],
      [back, front],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => other.end())
      sockets.add(one)
    }
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', () => resolve()))
  return {
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
