/** Devices of a factory from outside: a claim certificate for the batch, a list of serials, and hubs that come by themselves. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Clock } from '../contract/clock.ts'
import { claim, newKey, renew } from '../hub-agent/enrolment.ts'
import type { ClientTls } from '../link/mqtt-connection.ts'
import { batchPoster } from '../link/post-batch.ts'
import { createAuthority } from '../registry/authority.ts'
import { openAuthority, openRegistry } from './fleet.ts'
import { parseConfig } from './load-config.ts'
import { machineClock, machineRandom } from './machine.ts'
import { openSystem, type System } from './testing/system.ts'

const START_MS = 60_000
const DAY_MS = 86_400_000

let system: System
let factory: string
beforeEach(async () => {
  system = await openSystem()
  factory = mkdtempSync(join(tmpdir(), 'hearth-factory-'))
  for (const name of ['ingest', 'relay']) await system.start([name]).untilSaid(/"event":"ready"/, START_MS)
})
afterEach(async () => {
  await system[Symbol.asyncDispose]()
  rmSync(factory, { recursive: true, force: true })
})

const url = () => `https://127.0.0.1:${system.ports.https}`

function tlsIn(folder: string): ClientTls {
  const [key = '', cert = '', ca = ''] = ['key', 'cert', 'ca'].map((name) =>
    readFileSync(join(folder, `${name}.pem`), 'utf8'),
  )
  return { key, cert, ca }
}

/** What an MQTT port says to a client that shook hands, until it hangs up. */
function saidBy(port: number, tls: ClientTls): Promise<string> {
  return new Promise((resolve, reject) => {
    let shook = false
    let said = ''
    const socket = connect({ ...tls, host: '127.0.0.1', port, ALPNProtocols: ['mqtt'] }, () => {
      shook = true
    })
    socket.on('data', (data) => {
      said += data.toString('latin1')
    })
    socket.on('error', reject)
    socket.on('close', () => (shook ? resolve(said) : reject(new Error('no handshake'))))
  })
}

async function expectDevices(batch: string, ...lines: readonly string[]): Promise<ClientTls> {
  const folder = join(factory, batch)
  await system.must(['ca', 'issue', batch, '--role', 'claim', '--days', '30', '--out', folder])
  writeFileSync(join(factory, `${batch}.csv`), `${lines.join('\n')}\n`)
  await system.must(['registry', 'claim', 'import', join(factory, `${batch}.csv`), '--batch', batch])
  return tlsIn(folder)
}

it('a hub comes with the certificate of its batch and its serial, and serves with one of its own', async () => {
  await expectDevices(
    'spring',
    'serial,hub,home,zone',
    'SN-0001,kitchen-1,home-7,Europe/Berlin',
    'SN-0002,attic-1,home-7,UTC',
  )
  const words = [
    ...['hub', '--id', 'kitchen-1', '--claim', join(factory, 'spring'), '--serial', 'SN-0001', '--enrol', url()],
    ...['--relay', `mqtts://127.0.0.1:${system.ports.hub}`, '--gateway', `mqtts://127.0.0.1:${system.ports.mqtt}`],
  ]
  const there = { HEARTH_HOME: join(factory, 'there') }
  const first = system.start(words, there)
  await first.untilSaid(/connected to the relay/, START_MS)
  await first.untilSaid(/connected to the gateway/, START_MS)
  const own = tlsIn(join(factory, 'there', 'hubs', 'kitchen-1'))
  first.signal('SIGTERM')
  await first.ended
  // It is its own from here on: the claim is spent, and asked for no more.
  const second = system.start(words, there)
  await second.untilSaid(/connected to the relay/, START_MS)
  expect(tlsIn(join(factory, 'there', 'hubs', 'kitchen-1'))).toEqual(own)
  const hubs = await system.must(['registry', 'hubs'])
  expect(hubs).toMatch(/^kitchen-1 +home-7 .*Europe\/Berlin/m)
  expect(hubs).not.toMatch(/attic-1/)
  const claims: { serial: string; claimed_ms?: number }[] = JSON.parse(
    await system.must(['registry', 'claim', 'list', '--batch', 'spring', '--json']),
  )
  expect(claims.map(({ serial, claimed_ms }) => [serial, claimed_ms !== undefined])).toEqual([
    ['SN-0001', true],
    ['SN-0002', false],
  ])
})

it('a lost answer is asked for again with the same key; another device with the serial is refused', async () => {
  const tls = await expectDevices('spring', 'serial', 'SN-0001')
  const key = await newKey()
  const ask = (with_key?: string) =>
    claim({
      url: url(),
      claim: tls,
      serial: 'SN-0001',
      now_ms: Date.now(),
      ...(with_key === undefined ? {} : { key: with_key }),
    })
  const answers = [await ask(key), await ask(key)]
  expect(answers.map(({ hub, generation }) => [hub, generation])).toEqual([
    ['sn-0001', 1],
    ['sn-0001', 1],
  ])
  await expect(ask()).rejects.toThrow(/401: .*has its certificate already/)
  const renewed = await renew({ url: url(), tls: answers[1]?.tls ?? tls, now_ms: Date.now() })
  expect(renewed.generation).toBe(1)
})

it('a claim certificate opens nothing but its own batch, and that until it is revoked or ends', async () => {
  const spring = await expectDevices('spring', 'serial', 'SN-0001', 'SN-0002')
  const autumn = await expectDevices('autumn', 'serial', 'SN-1001')
  const ask = (tls: Partial<ClientTls>, serial: string) =>
    claim({ url: url(), claim: { ...spring, ...tls }, serial, now_ms: Date.now() })
  await expect(ask(autumn, 'SN-0001')).rejects.toThrow(/401: no device with serial SN-0001 is expected of batch autumn/)
  await expect(ask(spring, 'SN-7777')).rejects.toThrow(/401/)
  await expect(ask(spring, 'x')).rejects.toThrow(/400: .*serial/s)

  await expect(renew({ url: url(), tls: spring, now_ms: Date.now() })).rejects.toThrow(/401: .*for \/v1\/claim alone/)
  const poster = batchPoster({ url: url(), tls: spring })
  await expect(poster.post(Buffer.from('{}\n'), new AbortController().signal)).rejects.toThrow(/hearth:\/\//)
  poster.close()
  for (const port of [system.ports.hub, system.ports.mqtt]) {
    expect(await saidBy(port, spring)).toBe('')
  }

  const others = { fleet: 'demo', clock: machineClock, random: machineRandom, record: () => Promise.resolve() }
  const foreign = await (await createAuthority(join(factory, 'foreign'), others)).issueClaim('spring')
  const pair = ({ key_pem, certificate_pem }: { key_pem: string; certificate_pem: string }) => {
    return { key: key_pem, cert: certificate_pem }
  }
  await expect(ask(pair(foreign), 'SN-0001')).rejects.toThrow(/401: .*not signed by the CA/)
  const then: Clock = { ...machineClock, now: () => machineClock.now() - 40 * DAY_MS }
  const context = { home: system.home, config: parseConfig({}, 'test'), clock: then, random: machineRandom }
  const registry = await openRegistry(context)
  const old = await (await openAuthority(context, registry)).issueClaim('spring', 30 * DAY_MS)
  await registry.close()
  await expect(ask(pair(old), 'SN-0001')).rejects.toThrow(/401: .*claim certificate of batch spring ended/)

  expect((await ask(spring, 'SN-0001')).hub).toBe('sn-0001')
  const [entry] = JSON.parse(await system.must(['ca', 'list', 'autumn', '--json']))
  await system.must(['ca', 'revoke', entry.serial, '--reason', 'the factory was robbed'])
  await expect(ask(autumn, 'SN-1001')).rejects.toThrow(/401: .*the factory was robbed/)
  expect((await ask(spring, 'SN-0002')).hub).toBe('sn-0002')
})

it('a list that is wrong is refused by its line', async () => {
  const imported = async (...lines: readonly string[]) => {
    const path = join(factory, 'list.csv')
    writeFileSync(path, lines.join('\n'))
    return (await system.run(['registry', 'claim', 'import', path, '--batch', 'spring'])).stderr
  }
  expect(await imported('hub,home', 'a,b')).toMatch(/list\.csv:1: expected names of serial, hub, .* found "hub,home"/)
  expect(await imported('serial,hub', 'SN-0001,a', 'SN-0002')).toMatch(/list\.csv:3: expected 2 values .* found 1/)
  expect(await imported('serial', 'SN-0001', '', 'SN-0001')).toMatch(/list\.csv:4: serial SN-0001 is in line 2 too/)
  expect(await imported('serial,key_hash', 'SN-0001,12')).toMatch(/SN-0001: expected a key's SHA-256/)
  expect(JSON.parse(await system.must(['registry', 'claim', 'list', '--json']))).toEqual([])
})
