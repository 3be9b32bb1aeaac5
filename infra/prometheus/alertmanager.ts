/** A real Alertmanager on this machine, for tests. */
import { existsSync } from 'node:fs'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { freePorts } from '../ports.ts'
import { launchServer, type ServerProcess } from '../server-process.ts'
import { debianProgram } from './debian.ts'

const TEMPLATES = '/usr/share/prometheus/alertmanager'

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
  let running: ServerProcess | undefined

  const server: Alertmanager = {
    url: `http://127.0.0.1:${port}`,
    async kill() {
      running?.child.kill('SIGKILL')
      await running?.ended
    },
    async start() {
      running = launchServer(program, words, { cwd: home })
      await running.untilListens(port)
    },
    async [Symbol.asyncDispose]() {
      await server.kill()
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
