import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { join } from 'node:path'
import type { Registry } from 'prom-client'
import type { CliContext } from './context.ts'
import { type Log, openLog } from './log.ts'
import { listenOperations, type Operations } from './operations.ts'

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
export function serveOperations(
  { config }: Pick<CliContext, 'config'>,
  section: 'relay' | 'ingest' | 'jobs' | 'dashboards' | 'hub',
  options: {
    readonly metrics: Registry
    readonly log: Log
    readonly unready: () => readonly string[]
  },
): Promise<Operations> {
  const { metrics, log, unready } = options
  const fault = (error: unknown) => log.failed('scrape', error)
  return listenOperations({ host: config.ops_host, port: config[section].ops_port, metrics, unready, fault })
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
  process.send?.({ ready: name, facts: all })
  // Written at the end otherwise, which a process that is killed never comes to.
  flushCompileCache()
}

/** The process no longer serves. */
export function withdraw(context: Pick<CliContext, 'home'>, name: string): void {
  rmSync(join(context.home, 'run', `${name}.json`), { force: true })
}

/** Resolves when the command is asked to stop. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
