/** A real Postgres server on this machine, for tests. */
import { execFile } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { promisify } from 'node:util'
import { makeCertificates } from '../kafka/certificates.ts'
import { freePorts } from '../ports.ts'
import { launchServer, type ServerProcess } from '../server-process.ts'
import { postgresPrograms } from './program.ts'

const run = promisify(execFile)
const READY_LOOK_MS = 50
const PASSWORD = 'a-password-of-tests'
/** Postgres refuses to run as root: as root it is Debian's own user of that name. */
const USER = 'postgres'

export type PostgresServer = {
  /** `postgres://postgres@localhost:<port>/postgres`, without the password; the same after a restart. */
  readonly url: string
  readonly port: number
  readonly password: string
  readonly password_file: string
  /** PEM of the CA that signed its certificate. */
  readonly ca_file: string
  /** Of a new, empty database. */
  newDatabase(): Promise<string>
  /** What SQL answers, a line a row, fields joined by `|`. */
  ask(sql: string, database?: string): Promise<string>
  /** kill -9 of the whole server: as a power cut. */
  kill(): Promise<void>
  /** kill -9 of one of its processes: the server ends all others, and recovers by itself. */
  killBackend(pid: number): void
  /** SIGSTOP of the server and every connection's process: connections are taken, and nothing is answered. */
  pause(): Promise<void>
  resume(): Promise<void>
  /** Starts it again on the same port and folder, killing it where it runs. */
  restart(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Starts one on a free port, in a folder that goes with it: TLS alone, by password (SCRAM). It listens on 127.0.0.2 too, which
 * its certificate does not name.
 */
export async function startPostgres(): Promise<PostgresServer> {
  const programs = await postgresPrograms()
  const folder = mkdtempSync(join(tmpdir(), 'hearth-postgres-'))
  const data = join(folder, 'data')
  const password_file = join(folder, 'password')
  const [port = 0] = await freePorts(1)
  const certificates = await makeCertificates(join(folder, 'certificates'))
  writeFileSync(password_file, PASSWORD)
  const owner = await ownerOf()
  for (const path of [folder, password_file, certificates.broker]) {
    if (owner) chownSync(path, owner.uid, owner.gid)
  }
  chmodSync(join(folder, 'certificates'), 0o755)
  const local = { ...owner, env: { ...process.env, LC_ALL: 'C.UTF-8' } }
  await run(
    join(programs, 'initdb'),
    ['-D', data, '-U', USER, '-A', 'scram-sha-256', '--pwfile', password_file, '--no-sync'],
    local,
  )
  writeFileSync(
    join(data, 'pg_hba.conf'),
    'hostssl all all 127.0.0.0/8 scram-sha-256\nhostssl all all ::1/128 scram-sha-256\n',
  )
  const settings = {
    ...{ port, listen_addresses: 'localhost,127.0.0.2', unix_socket_directories: '', ssl: 'on' },
    ...{ ssl_cert_file: certificates.broker, ssl_key_file: certificates.broker, max_connections: 60 },
    // A few connections at a time, of tests: not a quarter of the machine's memory.
    shared_buffers: '16MB',
  }
  const words = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  let running: ServerProcess | undefined
  let databases = 0

  async function start(): Promise<void> {
    running = launchServer(join(programs, 'postgres'), ['-D', data, ...words], local)
    await running.untilListens(port)
    // It listens before it has recovered.
    while (!(await isReady())) await after(READY_LOOK_MS)
  }

  const isReady = () =>
    run(join(programs, 'pg_isready'), ['-h', 'localhost', '-p', String(port)]).then(
      () => true,
      () => {
        if (running?.child.exitCode !== null) throw new Error(`Postgres did not start: ${running?.said()}`)
        return false
      },
    )

  async function kill(): Promise<void> {
    const pids = await family(running?.child.pid)
    for (const pid of pids) signal(pid, 'SIGKILL')
    await running?.ended
    running = undefined
  }

  const server: PostgresServer = {
    url: `postgres://${USER}@localhost:${port}/postgres`,
    port,
    password: PASSWORD,
    password_file,
    ca_file: certificates.ca,
    async newDatabase() {
      const name = `test_${databases++}`
      await server.ask(`CREATE DATABASE ${name}`)
      return `postgres://${USER}@localhost:${port}/${name}`
    },
    async ask(sql, database = 'postgres') {
      const where = `host=localhost port=${port} user=${USER} dbname=${database} sslmode=verify-full sslrootcert=${certificates.ca}`
      const env = { ...process.env, PGPASSWORD: PASSWORD }
      const { stdout } = await run(join(programs, 'psql'), ['-X', '-q', '-A', '-t', '-c', sql, where], { env })
      return stdout.trim()
    },
    kill,
    killBackend: (pid) => signal(pid, 'SIGKILL'),
    async pause() {
      for (const pid of await family(running?.child.pid)) signal(pid, 'SIGSTOP')
    },
    async resume() {
      for (const pid of await family(running?.child.pid)) signal(pid, 'SIGCONT')
    },
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

/** As whom it runs, where this process is root. */
async function ownerOf(): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const [uid, gid] = await Promise.all(['-u', '-g'].map(async (word) => Number((await run('id', [word, USER])).stdout)))
  return { uid: uid ?? 0, gid: gid ?? 0 }
}

/** The server's first process, and those that it started. */
async function family(pid: number | undefined): Promise<readonly number[]> {
  if (pid === undefined) return []
  const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(pid)]).catch(() => ({ stdout: '' }))
  return [pid, ...stdout.trim().split(/\s+/).filter(Boolean).map(Number)]
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    // It ended meanwhile.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
