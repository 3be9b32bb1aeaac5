/** Every port of a running system, by what it speaks: no port may be forgotten, and none speak TLS that is older than 1.3. */
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { connect as connectPlain } from 'node:net'
import { join } from 'node:path'
import { connect, createServer, type SecureVersion } from 'node:tls'
import { expect, it } from 'vitest'
import { freePorts } from '../infra/ports.ts'
import { portNumber } from '../link/mqtt-endpoint.ts'
import { openAuthority, openRegistry } from './fleet.ts'
import { parseConfig } from './load-config.ts'
import { machineClock, machineRandom } from './machine.ts'
import { members, openSystem, opsOf, type Running } from './testing/system.ts'

const START_MS = 60_000
/** OpenSSL's own minimum would refuse the oldest before the server can. */
const CIPHERS = 'ALL:@SECLEVEL=0'
const VERSIONS = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const

/** TCP ports on which these processes listen: /proc says which sockets they hold (proc(5)). */
function portsOf(pids: readonly number[]): readonly number[] {
  const inodes = new Set(
    pids.flatMap((pid) =>
      readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
        try {
          return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? []
        } catch {
          return [] // closed meanwhile
        }
      }),
    ),
  )
  const rows = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) => readFileSync(path, 'utf8').split('\n').slice(1))
  return rows.flatMap((row) => {
    const [, local = '', , state, , , , , , inode = ''] = row.trim().split(/\s+/)
    return state === '0A' && inodes.has(inode) ? [Number.parseInt(local.split(':')[1] ?? '', 16)] : []
  })
}

/** Does a handshake of this version alone come to its end? */
function speaks(port: number, version: SecureVersion): Promise<boolean> {
  return new Promise((resolve) => {
    const bounds = { minVersion: version, maxVersion: version }
    const socket = connect({ host: '127.0.0.1', port, ...bounds, ciphers: CIPHERS, rejectUnauthorized: false }, () => {
      resolve(socket.getProtocol() === version)
      socket.destroy()
    })
    socket.setTimeout(5_000, () => socket.destroy())
    socket.on('error', () => resolve(false))
    socket.on('close', () => resolve(false))
  })
}

/** The first line that a port answers to HTTP in the clear; nothing when it hangs up. */
function plainAnswer(port: number): Promise<string> {
  return new Promise((resolve) => {
    let said = ''
    const socket = connectPlain(port, '127.0.0.1', () =>
      socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'),
    )
    socket.setTimeout(5_000, () => socket.destroy())
    socket.on('data', (data) => {
      said += data.toString('latin1')
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(said.split('\r\n')[0] ?? ''))
  })
}

async function scan(ports: readonly number[]): Promise<ReadonlyMap<number, readonly string[]>> {
  const found = new Map<number, readonly string[]>()
  for (const port of ports) {
    const versions: string[] = []
    for (const version of VERSIONS) if (await speaks(port, version)) versions.push(version)
    if ((await plainAnswer(port)).startsWith('HTTP/1.1 200')) versions.push('plain HTTP')
    found.set(port, versions)
  }
  return found
}

it('the scan itself sees each version where it is spoken', async () => {
  await using system = await openSystem()
  const context = { home: system.home, config: parseConfig({}, 'test'), clock: machineClock, random: machineRandom }
  const registry = await openRegistry(context)
  const { key_pem, certificate_pem } = await (await openAuthority(context, registry)).issueServer('old')
  await registry.close()
  const server = createServer({ key: key_pem, cert: certificate_pem, minVersion: 'TLSv1', ciphers: CIPHERS })
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portNumber(server)
  expect([...(await scan([port]))]).toEqual([[port, [...VERSIONS]]])
  server.close()
})

it('hubs and batches come by TLS 1.3 alone, and what is in the clear is what the settings say', async () => {
  const [peer = 0, redis = 0] = await freePorts(2)
  // Nobody listens there: a relay of several starts without its directory.
  const directory = { HEARTH_RELAY_DIRECTORY: `redis://127.0.0.1:${redis}`, HEARTH_RELAY_PEER_PORT: String(peer) }
  await using system = await openSystem(directory)
  const started: Running[] = []
  const serve = async (name: string) => {
    const running = system.start([name])
    started.push(running)
    await running.untilSaid(/"event":"ready"/, START_MS)
    return running
  }
  for (const name of ['ingest', 'relay', 'dashboards']) await serve(name)
  const listening = () =>
    portsOf(started.flatMap(({ pid }) => members(pid).map((one) => one.pid))).toSorted((a, b) => a - b)
  const { hub, mqtt, https, app, dashboards } = system.ports
  const ops = ['ingest', 'relay', 'dashboards'].map((name) => Number(new URL(opsOf(system, name)).port))
  const secure = ['TLSv1.3']
  const clear = ['plain HTTP']
  const expected = new Map([
    ...[hub, mqtt, https, peer].map((port) => [port, secure] as const),
    ...[app, dashboards, ...ops].map((port) => [port, clear] as const),
  ])
  const inOrder = (found: ReadonlyMap<number, readonly string[]>) => [...found].toSorted(([a], [b]) => a - b)
  expect(inOrder(await scan(listening()))).toEqual(inOrder(expected))
})

it('the app API is HTTPS, by TLS 1.3 alone, once it has a certificate', async () => {
  await using system = await openSystem({
    HEARTH_RELAY_APP_CERT_FILE: 'app.pem',
    HEARTH_RELAY_APP_KEY_FILE: 'app-key.pem',
  })
  const context = { home: system.home, config: parseConfig({}, 'test'), clock: machineClock, random: machineRandom }
  const registry = await openRegistry(context)
  const issued = await (await openAuthority(context, registry)).issueServer('app')
  await registry.close()
  writeFileSync(join(system.home, 'app.pem'), issued.certificate_pem)
  writeFileSync(join(system.home, 'app-key.pem'), issued.key_pem)
  const relay = system.start(['relay'])
  await relay.untilSaid(/"event":"ready".*https:\/\/127/, START_MS)
  expect([...(await scan([system.ports.app]))]).toEqual([[system.ports.app, ['TLSv1.3']]])
  // Others of this machine reach it, when they are told whom to trust.
  const { token } = JSON.parse(await system.must(['registry', 'token', 'create', 'test', '--json']))
  const sent = await system.run(['send', 'nobody', 'lamp', 'powered=1'], {
    ...{ HEARTH_TOKEN: token, NODE_EXTRA_CA_CERTS: join(system.home, 'ca', 'ca.pem') },
  })
  expect(sent.stderr).toMatch(/the relay refused: this fleet has no hub nobody/)
})
