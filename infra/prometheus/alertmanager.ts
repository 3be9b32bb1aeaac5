/** A real Alertmanager on this machine, for tests. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { freePorts, listens } from '../ports.ts'
import { debianProgram } from './debian.ts'

const TEMPLATES = '/usr/share/prometheus/alertmanager'
const START_LIMIT_MS = 20_000
const LOOK_MS = 20

export type Alertmanager = {
  /** `http://127.0.0.1:<port>`; the same after a restart. */
  readonly url: string
  /** kill -9. */
  kill(): Promise<void>
  /** Starts one on the same port, that knows what the one before kept. */
  start(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts one on a free port with an empty folder. What it would send goes to `webhook_url`, at once. */
export async function startAlertmanager(webhook_url: string): Promise<Alertmanager> {
  const program = debianProgram('prometheus-alertmanager', 'prometheus-alertmanager')
  await putTemplates(program)
  const home = await mkdtemp(join(tmpdir(), 'hearth-alertmanager-'))
  const [port = 0] = await freePorts(1)
  const route = { receiver: 'test', group_by: ['objective', 'severity'], group_wait: '0s', group_interval: '1s' }
  const receivers = [{ name: 'test', webhook_configs: [{ url: webhook_url, send_resolved: true }] }]
  await writeFile(join(home, 'alertmanager.yml'), JSON.stringify({ route, receivers }))
  const words = [
    `--config.file=${join(home, 'alertmanager.yml')}`,
    `--storage.path=${join(home, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--cluster.listen-address=',
  ]
  let kill = async () => undefined

  const server: Alertmanager = {
    url: `http://127.0.0.1:${port}`,
    kill: () => kill(),
    async start() {
      const child = spawn(program, words, { cwd: home, stdio: ['ignore', 'ignore', 'pipe'] })
      let said = ''
      child.stderr.on('data', (part: Buffer) => {
        said = (said + part.toString()).slice(-4096)
      })
      const ended = once(child, 'exit')
      const orphan = () => void child.kill('SIGKILL')
      process.once('exit', orphan)
      child.once('exit', () => process.removeListener('exit', orphan))
      kill = async () => {
        orphan()
        await ended
      }
      const begun_ms = process.uptime() * 1000
      while (!(await listens(port))) {
        const late = process.uptime() * 1000 - begun_ms > START_LIMIT_MS
        if (late || child.exitCode !== null) throw new Error(`Alertmanager did not start: ${said}`)
        await after(LOOK_MS)
      }
    },
    async [Symbol.asyncDispose]() {
      await kill()
      await rm(home, { recursive: true, force: true })
    },
  }
  try {
    await server.start()
  } catch (error) {
    await server[Symbol.asyncDispose]()
    throw error
  }
  return server
}

/** Debian's build reads its own templates at this place and at no other: unpacked ones are put there. */
async function putTemplates(program: string): Promise<void> {
  if (existsSync(TEMPLATES)) return
  const unpacked = join(dirname(program), '../..', TEMPLATES)
  await cp(unpacked, TEMPLATES, { recursive: true }).catch((cause: unknown) => {
    throw new Error(`no ${TEMPLATES}: install the package prometheus-alertmanager (Debian)`, { cause })
  })
}
