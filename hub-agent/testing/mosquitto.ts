/** Mosquitto as it stands in a home: on a port of loopback, nothing kept but in its memory. */
import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mosquitto } from '../../infra/mosquitto/program.ts'
import { freePorts } from '../../infra/ports.ts'
import { launchServer, type ServerProcess } from '../../infra/server-process.ts'

export type HomeBroker = {
  readonly port: number
  readonly url: URL
  /** kill -9. */
  kill(): Promise<void>
  /** Starts it again, on the same port, empty. */
  restart(): Promise<void>
  stop(): Promise<void>
}

export type HomeBrokerOptions = {
  /** PEM of the broker: it speaks TLS then. */
  readonly tls?: { readonly key: string; readonly cert: string }
  /** Only these, by name, with a password each. */
  readonly users?: Readonly<Record<string, string>>
}

/** As `mosquitto_passwd` writes it: PBKDF2 with SHA-512, 101 times. */
function passwordFile(users: Readonly<Record<string, string>>): string {
  const lines = Object.entries(users).map(([name, password]) => {
    const salt = randomBytes(12)
    const hash = pbkdf2Sync(password, salt, 101, 64, 'sha512')
    return `${name}:$7$101$${salt.toString('base64')}$${hash.toString('base64')}\n`
  })
  return lines.join('')
}

/** Starts it. Rejects where Mosquitto cannot be had. */
export async function homeBroker(options: HomeBrokerOptions = {}): Promise<HomeBroker> {
  const program = await mosquitto()
  if (program === undefined) throw new Error('Mosquitto cannot be installed here: apt-get install mosquitto')
  const folder = mkdtempSync(join(tmpdir(), 'hearth-mosquitto-'))
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  const [port = 0] = await freePorts(1)
  const { tls, users } = options
  const settings = file(
    'mosquitto.conf',
    [
      `listener ${port} 127.0.0.1`,
      ...(tls ? [`certfile ${file('cert.pem', tls.cert)}`, `keyfile ${file('key.pem', tls.key)}`] : []),
      ...(users ? [`password_file ${file('passwords', passwordFile(users))}`] : ['allow_anonymous true']),
      ...['set_tcp_nodelay true', 'persistence false', 'log_type error'],
      // As root it would become another user, who cannot read these files.
      ...(process.getuid?.() === 0 ? ['user root'] : []),
    ].join('\n'),
  )
  let server: ServerProcess
  const start = async () => {
    server = launchServer(program, ['-c', settings])
    await server.untilListens(port)
  }
  await start()
  const end = async (signal: NodeJS.Signals) => {
    server.child.kill(signal)
    await server.ended
  }
  return {
    port,
    url: new URL(`${tls ? 'mqtts' : 'mqtt'}://127.0.0.1:${port}`),
    kill: () => end('SIGKILL'),
    restart: start,
    async stop() {
      await end('SIGTERM')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
