/** Servers under test, each a process of its own: `hearth` on a state folder of the benchmark's, Mosquitto and NATS beside it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openAuthority, openRegistry } from '../cli/fleet.ts'
import { loadConfig } from '../cli/load-config.ts'
import { machineClock as clock, machineRandom as random } from '../cli/machine.ts'
import { mosquitto } from '../infra/mosquitto/program.ts'
import { natsServer } from '../infra/nats/program.ts'
import { freePorts, listens } from '../infra/ports.ts'
import type { ClientTls } from '../link/mqtt-connection.ts'
import type { ServerTls } from '../link/mqtt-endpoint.ts'

export type Server = {
  readonly pid: number
  /** Ends it as Ctrl-C does; resolves when it is gone, rejects when it did not go well. */
  stop(): Promise<void>
}

/** A fleet in a folder that becomes a state folder: hubs enrolled, a token, certificates for servers beside it. */
export type BenchFleet = {
  readonly home: string
  readonly hubs: ReadonlyMap<string, ClientTls>
  /** Of an app each: what one app may send is bounded. */
  readonly tokens: readonly string[]
  readonly server: ServerTls
}

const READY_MS = 60_000
const LOOK_MS = 20
export const HEARTH = fileURLToPath(new URL('../cli/hearth.js', import.meta.url))

const context = (home: string, environment: NodeJS.ProcessEnv) => ({
  ...{ home, config: loadConfig(home, environment, home), clock, random },
})

/** Enrols hubs by the registry and the CA themselves, as `hearth registry` does; `environment` may say where the registry is. */
export async function makeFleet(
  home: string,
  hubs: readonly string[],
  apps = 1,
  environment: NodeJS.ProcessEnv = {},
): Promise<BenchFleet> {
  mkdirSync(home, { recursive: true })
  const registry = await openRegistry(context(home, environment))
  const authority = await openAuthority(context(home, environment), registry)
  const ca = authority.certificate_pem
  const made = new Map<string, ClientTls>()
  for (const hub of hubs) {
    const now_ms = clock.now()
    const where = { home: `home-${hub}`, region: 'local', model: 'bench', zone: 'UTC' }
    await registry.putHub({ hub, ...where, generation: 1, enrolled_ms: now_ms, maintenance: [] }, now_ms)
    const issued = await authority.issueHub(hub, 1)
    made.set(hub, { key: issued.key_pem, cert: issued.certificate_pem, ca })
  }
  const issued = await authority.issueServer('localhost')
  const tokens: string[] = []
  for (let i = 0; i < apps; i++)
    tokens.push(await registry.createToken({ app: `bench-${i}`, scopes: ['commands', 'observe'] }))
  await registry.close()
  return { home, hubs: made, tokens, server: { key: issued.key_pem, cert: issued.certificate_pem, ca } }
}

/** Starts `hearth <words>` on any free ports; `facts` is what it says of itself, as `name`, once it serves. */
export async function startHearth(
  fleet: BenchFleet,
  words: readonly string[],
  {
    profile,
    name = words.at(-1),
    settings = {},
    program = HEARTH,
  }: {
    readonly profile: string | undefined
    readonly name?: string | undefined
    readonly settings?: NodeJS.ProcessEnv
    /** Its `hearth`, where it is not the checkout's. */
    readonly program?: string
  },
): Promise<Server & { readonly facts: Readonly<Record<string, unknown>> }> {
  const inherited = Object.entries(process.env).filter(([key]) => !key.startsWith('HEARTH_'))
  const ports = ['RELAY_HUB_PORT', 'RELAY_APP_PORT', 'INGEST_MQTT_PORT', 'INGEST_HTTPS_PORT']
  const environment = {
    ...Object.fromEntries(inherited),
    ...Object.fromEntries(ports.map((port) => [`HEARTH_${port}`, '0'])),
    HEARTH_HOME: fleet.home,
    ...settings,
  }
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const child = spawn(process.execPath, [...profiling, program, ...words], { env: environment, cwd: fleet.home })
  const path = join(fleet.home, 'run', `${name}.json`)
  const server = await served(child, `hearth ${words.join(' ')}`, () => existsSync(path))
  return { ...server, facts: JSON.parse(readFileSync(path, 'utf8')) }
}

/**
 * Mosquitto with mutual TLS 1.3 on a free port, nothing kept on disk; undefined where it cannot be had. With `app`, the name in its
 * certificate, an ACL file lets each hub at its own topics alone, and the app at all.
 */
export async function startMosquitto(
  fleet: BenchFleet,
  app?: string,
): Promise<(Server & { readonly port: number }) | undefined> {
  const program = await mosquitto()
  if (program === undefined) return undefined
  const file = filesIn(join(fleet.home, 'mosquitto'))
  const [port = 0] = await freePorts(1)
  const settings = file(
    'mosquitto.conf',
    [
      `listener ${port} 127.0.0.1`,
      `cafile ${file('ca.pem', String(fleet.server.ca))}`,
      `certfile ${file('cert.pem', fleet.server.cert)}`,
      `keyfile ${file('key.pem', fleet.server.key)}`,
      ...['require_certificate true', 'use_identity_as_username true', 'tls_version tlsv1.3'],
      ...(app === undefined ? [] : [`acl_file ${file('acl', aclFor(app))}`]),
      ...['set_tcp_nodelay true', 'persistence false', 'log_type error'],
      // As root it would become another user, who cannot read its certificate.
      ...(process.getuid?.() === 0 ? ['user root'] : []),
    ].join('\n'),
  )
  const child = spawn(program, ['-c', settings])
  return { ...(await served(child, 'mosquitto', () => listens(port))), port }
}

/** Writes files of a folder that only we may read; gives the path of each. */
function filesIn(folder: string): (name: string, text: string) => string {
  mkdirSync(folder, { recursive: true })
  return (name, text) => {
    const path = join(folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
}

function aclFor(app: string): string {
  return [`user ${app}`, 'topic readwrite h/#', 'pattern read h/%u/command', 'pattern write h/%u/result', ''].join('\n')
}

/** NATS with mutual TLS 1.3 on a free port; it is built the first time. */
export async function startNats(fleet: BenchFleet): Promise<Server & { readonly port: number }> {
  const program = await natsServer()
  const file = filesIn(join(fleet.home, 'nats'))
  const [port = 0] = await freePorts(1)
  const { ca, cert, key } = fleet.server
  const settings = file(
    'nats.conf',
    `listen: "127.0.0.1:${port}"
tls {
  ca_file: "${file('ca.pem', String(ca))}"
  cert_file: "${file('cert.pem', cert)}"
  key_file: "${file('key.pem', key)}"
  verify: true
  min_version: "1.3"
}
`,
  )
  const child = spawn(program, ['-c', settings])
  return { ...(await served(child, 'nats-server', () => listens(port))), port }
}

/** Version of the peer as it tells it itself; undefined where it is not installed. */
export async function mosquittoVersion(): Promise<string | undefined> {
  const program = await mosquitto()
  if (program === undefined) return undefined
  const child = spawn(program, ['-h'])
  let text = ''
  for await (const part of child.stdout) text += String(part)
  return /version (\S+)/.exec(text)?.[1]
}

async function served(child: ChildProcess, name: string, ready: () => boolean | Promise<boolean>): Promise<Server> {
  let said = ''
  child.stdout?.on('data', (part: Buffer) => (said += part.toString()))
  child.stderr?.on('data', (part: Buffer) => (said += part.toString()))
  let over = false
  const orphan = () => void child.kill('SIGKILL')
  process.once('exit', orphan)
  const ended = new Promise<number | null>((resolve) => {
    child.on('error', (error) => (said += error.message))
    child.on('close', (code) => {
      over = true
      process.removeListener('exit', orphan)
      resolve(code)
    })
  })
  const begun_ms = performance.now()
  while (!(await ready())) {
    if (over || performance.now() - begun_ms > READY_MS) {
      child.kill('SIGKILL')
      throw new Error(`${name} did not serve: ${said}`)
    }
    await pause(LOOK_MS)
  }
  const { pid } = child
  if (pid === undefined) throw new Error(`${name} could not be started`)
  return {
    pid,
    async stop() {
      child.kill('SIGTERM')
      const code = await ended
      if (code !== 0 && code !== null) throw new Error(`${name} ended with ${code}: ${said}`)
    },
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
