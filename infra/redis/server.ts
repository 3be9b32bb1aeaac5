/** A real Redis server on this machine, for tests. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { makeCertificates } from '../kafka/certificates.ts'
import { freePorts } from '../ports.ts'
import { launchServer, type ServerProcess } from '../server-process.ts'
import { redisServer } from './program.ts'

const run = promisify(execFile)

export type RedisServer = {
  /** `redis://127.0.0.1:<port>`, or `rediss://`; without the password. The same after a restart. */
  readonly url: string
  readonly port: number
  /** PEM of the CA that signed its certificate; with TLS alone. */
  readonly ca_file: string | undefined
  pid(): number | undefined
  /** Asks it by redis-cli. */
  ask(...words: readonly string[]): Promise<string>
  /** FLUSHALL. */
  empty(): Promise<void>
  /** kill -9. */
  kill(): Promise<void>
  /** SIGSTOP: connections are taken, and nothing is answered. */
  pause(): void
  resume(): void
  /** Kills it where it runs, and starts one on the same port and folder: empty unless it is durable. */
  restart(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export type RedisServerOptions = {
  /** Keeps an append-only file, synced at each write. */
  readonly durable?: boolean
  readonly password?: string
  readonly tls?: boolean
  /** Further settings, as `maxmemory 1mb`. */
  readonly settings?: readonly string[]
}

/** Starts one on a free port, in a folder that goes with it. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const { durable = false, password, tls = false, settings = [] } = options
  const program = await redisServer()
  const folder = await mkdtemp(join(tmpdir(), 'hearth-redis-'))
  const [port = 0] = await freePorts(1)
  const certificates = tls ? await makeCertificates(join(folder, 'certificates')) : undefined
  const config = [
    ...['bind 127.0.0.1', `dir ${folder}`, 'save ""', `appendonly ${durable ? 'yes' : 'no'}`, 'appendfsync always'],
    ...(password === undefined ? [] : [`requirepass ${password}`]),
    ...(certificates === undefined
      ? [`port ${port}`]
      : [
          ...['port 0', `tls-port ${port}`, 'tls-auth-clients no', `tls-ca-cert-file ${certificates.ca}`],
          ...[`tls-cert-file ${certificates.broker}`, `tls-key-file ${certificates.broker}`],
        ]),
    ...settings,
  ]
  const words = config.flatMap((line) => {
    const [name = '', ...values] = line.split(' ')
    return [`--${name}`, ...values.map((value) => (value === '""' ? '' : value))]
  })
  let running: ServerProcess | undefined

  async function start(): Promise<void> {
    running = launchServer(program, words, { argv0: 'redis-server' })
    await running.untilListens(port)
  }

  async function kill(): Promise<void> {
    running?.child.kill('SIGKILL')
    await running?.ended
    running = undefined
  }

  const server: RedisServer = {
    url: `${tls ? 'rediss' : 'redis'}://127.0.0.1:${port}`,
    port,
    ca_file: certificates?.ca,
    pid: () => running?.child.pid,
    async ask(...asked) {
      const secure = certificates === undefined ? [] : ['--tls', '--cacert', certificates.ca]
      const env = { ...process.env, ...(password === undefined ? {} : { REDISCLI_AUTH: password }) }
      const { stdout } = await run('redis-cli', ['-p', String(port), ...secure, ...asked], { env })
      return stdout
    },
    async empty() {
      await server.ask('flushall')
    },
    kill,
    pause: () => void running?.child.kill('SIGSTOP'),
    resume: () => void running?.child.kill('SIGCONT'),
    async restart() {
      await kill()
      await start()
    },
    async [Symbol.asyncDispose]() {
      await kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
  try {
    await start()
  } catch (error) {
    await server[Symbol.asyncDispose]()
    throw error
  }
  return server
}
