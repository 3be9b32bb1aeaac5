import { accessSync, constants, existsSync, readdirSync, readFileSync, statfsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { styleText } from 'node:util'
import type { Command } from 'commander'
import { messageOf } from '../contract/problem.ts'
import type { CliContext } from './context.ts'

export type Finding = {
  readonly check: string
  readonly state: 'good' | 'warning' | 'bad'
  readonly found: string
  /** What to do about it. */
  readonly advice?: string
}

const DISK_WARNING_BYTES = 2 * 1024 ** 3
const MARK = { good: 'ok', warning: 'warn', bad: 'FAIL' } as const
const COLOUR = { good: 'green', warning: 'yellow', bad: 'red' } as const

export function register(program: Command, context: CliContext): void {
  program
    .command('doctor')
    .description('check this installation and say what to do')
    .option('--json', 'findings as JSON')
    .addHelpText('after', '\nExamples:\n  hearth doctor\n  hearth doctor --json\n\nExit code 1 if anything is bad.')
    .action(async (options: { json?: boolean }) => {
      const findings = await examine(context)
      if (options.json) context.print(JSON.stringify(findings, undefined, 2))
      else for (const finding of findings) context.print(line(finding))
      if (findings.some((finding) => finding.state === 'bad')) process.exitCode = 1
    })
}

function line({ check, state, found, advice }: Finding): string {
  const mark = styleText(COLOUR[state], MARK[state].padEnd(4), { stream: process.stdout })
  return `${mark}  ${check.padEnd(16)} ${found}${advice ? `\n${' '.repeat(23)}${advice}` : ''}`
}

/** Every check of the installation, in the order in which one would make them by hand. */
export async function examine(context: Pick<CliContext, 'home' | 'config'>): Promise<readonly Finding[]> {
  const running = runningProcesses(context.home)
  return [
    node(),
    stateFolder(context.home),
    disk(context.home),
    ...formats(context.home),
    ...running.map(({ name, pid, alive }): Finding => {
      if (alive) return { check: name, state: 'good', found: `running, process ${pid}` }
      return { check: name, state: 'warning', found: `process ${pid} is gone`, advice: 'hearth up starts it again' }
    }),
    ...(await ports(context, new Set(running.filter((process) => process.alive).map((process) => process.name)))),
  ]
}

function node(): Finding {
  const major = Number(process.versions.node.split('.')[0])
  if (major >= 24) return { check: 'node', state: 'good', found: process.version }
  return { check: 'node', state: 'bad', found: process.version, advice: 'Hearth needs Node 24: npm ci brings it' }
}

function stateFolder(home: string): Finding {
  try {
    accessSync(home, constants.R_OK | constants.W_OK | constants.X_OK)
    return { check: 'state folder', state: 'good', found: home }
  } catch (error) {
    return {
      check: 'state folder',
      state: 'bad',
      found: messageOf(error),
      advice: `make ${home} writable, or set HEARTH_HOME`,
    }
  }
}

function disk(home: string): Finding {
  const { bavail, bsize } = statfsSync(home)
  const free_bytes = bavail * bsize
  const found = `${(free_bytes / 1024 ** 3).toFixed(1)} GiB free`
  if (free_bytes >= DISK_WARNING_BYTES) return { check: 'disk', state: 'good', found }
  return {
    check: 'disk',
    state: 'warning',
    found,
    advice: 'batches are refused, never lost, when the disk is full: make room',
  }
}

function formats(home: string): Finding[] {
  const path = join(home, 'lake', '_hearth', 'lake.json')
  if (!existsSync(path))
    return [{ check: 'lake', state: 'warning', found: 'there is no lake yet', advice: 'hearth up makes one' }]
  try {
    const lake: unknown = JSON.parse(readFileSync(path, 'utf8'))
    const field = (name: string) =>
      typeof lake === 'object' && lake !== null && name in lake
        ? String(Object.entries(lake).find(([key]) => key === name)?.[1])
        : '?'
    return [{ check: 'lake', state: 'good', found: `fleet ${field('fleet')}, region ${field('region')}` }]
  } catch (error) {
    return [
      { check: 'lake', state: 'bad', found: `${path}: ${messageOf(error)}`, advice: 'put the file back from a copy' },
    ]
  }
}

type Running = { readonly name: string; readonly pid: number; readonly alive: boolean }

/** The processes that wrote themselves down in `run/`. */
function runningProcesses(home: string): Running[] {
  const folder = join(home, 'run')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((file) => {
      const facts: unknown = JSON.parse(readFileSync(join(folder, file), 'utf8'))
      const pid = typeof facts === 'object' && facts !== null && 'pid' in facts ? Number(facts.pid) : Number.NaN
      return { name: file.slice(0, -'.json'.length), pid, alive: isAlive(pid) }
    })
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

async function ports({ config }: Pick<CliContext, 'config'>, running: ReadonlySet<string>): Promise<Finding[]> {
  const wanted = [
    { service: 'relay', key: 'relay.hub_port', host: config.relay.host, port: config.relay.hub_port },
    { service: 'relay', key: 'relay.app_port', host: config.relay.host, port: config.relay.app_port },
    { service: 'ingest', key: 'ingest.mqtt_port', host: config.ingest.host, port: config.ingest.mqtt_port },
    { service: 'ingest', key: 'ingest.https_port', host: config.ingest.host, port: config.ingest.https_port },
    { service: 'dashboards', key: 'dashboards.port', host: config.dashboards.host, port: config.dashboards.port },
  ]
  const findings: Finding[] = []
  for (const { service, key, host, port } of wanted) {
    if (running.has(service)) continue
    const free = await isFree(host, port)
    findings.push(
      free
        ? { check: key, state: 'good', found: `${host}:${port} is free` }
        : {
            check: key,
            state: 'bad',
            found: `${host}:${port} is taken`,
            advice: `end what holds it, or set ${key} to another port`,
          },
    )
  }
  return findings
}

/** Can this address be listened on? */
export function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, host, () => server.close(() => resolve(true)))
  })
}
