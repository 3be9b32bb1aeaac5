import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { join } from 'node:path'
import type { Registry } from 'prom-client'
import { isProblem } from '../contract/problem.ts'
import type { CliContext } from './context.ts'
import { type Log, openLog } from './log.ts'
import type { Operations } from './operations.ts'
import { lockState } from './state-lock.ts'

/** What a running process says of itself, in `run/<name>.json` and to its supervisor. */
export type ServiceFacts = { readonly pid: number } & Readonly<Record<string, string | number>>

/** The log of the process `name`, on standard error: readable on a terminal, else JSON, one fact a line. */
export function processLog({ clock, config }: Pick<CliContext, 'clock' | 'config'>, name: string): Log {
  const { stderr } = process
  return openLog({
    ...{ process: name, level: config.log, clock },
    ...(stderr.isTTY ? { pretty: { colours: stderr.hasColors() } } : {}),
    write: (text) => stderr.write(text),
  })
}

/**
 * Health and figures of the process `name`, on the ops port of its section of the configuration.
 */
export async function serveOperations(
  { config, home }: Pick<CliContext, 'config' | 'home'>,
  section: 'relay' | 'ingest' | 'jobs' | 'dashboards',
  options: {
    readonly metrics: Registry
    readonly log: Log
    readonly unready: () => readonly string[]
  },
): Promise<Operations> {
  const { metrics, log, unready } = options
  // A hub has neither until somebody asks (cli/operations-on-demand.ts).
  const [{ diskFigures }, { listenOperations }] = await Promise.all([
    import('./disk-figures.ts'),
    import('./operations.ts'),
  ])
  diskFigures(metrics, home)
  const fault = (error: unknown) => log.failed('scrape', error)
  const at = { key: `${section}.ops_port`, host: config.ops_host, port: config[section].ops_port }
  return await listenOperations({ at, metrics, unready, fault })
}

/** Locks that this process holds until it is over, however it ends. */
const held: { release(): void }[] = []

/** Makes this process the only `hearth <command>` of its state folder until it is over. Raises `conflict` with `advice`. */
export function runAlone(
  { home }: Pick<CliContext, 'home'>,
  name: string,
  command = name,
  advice = 'end it first',
): void {
  held.push(lockState(home, name, `another hearth ${command} runs on ${home}: ${advice}`))
}

/** Tells the supervisor, and whoever looks into the state folder, that `name` serves. */
export function announce(
  context: Pick<CliContext, 'home'>,
  name: string,
  facts: Readonly<Record<string, string | number>>,
): void {
  const folder = join(context.home, 'run')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const all: ServiceFacts = { pid: process.pid, ...facts }
  writeFileSync(join(folder, `${name}.json.new`), `${JSON.stringify(all)}\n`, { mode: 0o600 })
  renameSync(join(folder, `${name}.json.new`), join(folder, `${name}.json`))
  try {
    held.push(lockState(context.home, servingLock(name), `${name} serves already`))
  } catch (error) {
    // One of an earlier start that still drains: only who waits for its end looks at this lock.
    if (!isProblem(error, 'conflict')) throw error
  }
  process.send?.({ ready: name, facts: all })
  // Written at the end otherwise, which a process that is killed never comes to.
  flushCompileCache()
}

/** The process no longer serves. What another one has said of itself since stays. */
export function withdraw(context: Pick<CliContext, 'home'>, name: string): void {
  const path = join(context.home, 'run', `${name}.json`)
  if (!existsSync(path)) return
  const facts: ServiceFacts = JSON.parse(readFileSync(path, 'utf8'))
  if (facts.pid === process.pid) rmSync(path, { force: true })
}

/** Is a process `name` of this state folder at work, or on its way out? */
export function isServing({ home }: Pick<CliContext, 'home'>, name: string): boolean {
  try {
    lockState(home, servingLock(name), `${name} serves`).release()
    return false
  } catch (error) {
    if (!isProblem(error, 'conflict')) throw error
    return true
  }
}

function servingLock(name: string): string {
  return `${name}.serving`
}

/** Resolves when the command is asked to stop. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
