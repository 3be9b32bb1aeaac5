import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { authorityOf, reachable } from '../contract/host.ts'
import { isProblem } from '../contract/problem.ts'
import { startDashboards } from '../dashboards/server.ts'
import type { Administration } from '../registry/administration.ts'
import type { CliContext } from './context.ts'
import { dashboardsFigures } from './dashboards-figures.ts'
import { namesOf, openRegistry } from './fleet.ts'
import { metricsOf } from './metrics-of.ts'
import { processMetrics } from './operations.ts'
import { registryFigures } from './registry-figures.ts'
import { announce, processLog, runAlone, serveOperations, untilAborted, withdraw } from './service.ts'
import { writerLags } from './writer-lags.ts'

export function register(program: Command, context: CliContext): void {
  program
    .command('dashboards')
    .description('serve the pages and their API, with queries in a process of their own')
    .addHelpText(
      'after',
      `
Examples:
  hearth dashboards
  HEARTH_DASHBOARDS_PORT=9000 hearth dashboards

Sign in with a token of the scopes query, observe and commands: open http://127.0.0.1:8990/?token=hearth_…
The API describes itself at /api/openapi.json.`,
    )
    .action(() => runDashboards(context))
}

/** Serves the dashboards until the context's signal aborts. */
export async function runDashboards(context: CliContext): Promise<void> {
  const { clock, config, home, random, signal } = context
  const log = processLog(context, 'dashboards')
  runAlone(context, 'dashboards')
  const registry = await openRegistry(context, (text) => log.warn('registry', text))
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  try {
    const { host, port } = config.dashboards
    const dashboards = await startDashboards({
      registry,
      relay: { url: appUrl(config), token: await ownToken(home, registry) },
      queries: {
        module: fileURLToPath(new URL(`./dashboards-query.${extension}`, import.meta.url)),
        arguments: [home, JSON.stringify(config)],
      },
      ...{ clock, random, host, port },
      metrics: metricsOf(context),
      lags: () => writerLags(home, clock),
      names: namesOf(config.dashboards),
      note: (text, level) => log[level ?? 'warn']('note', text),
    })
    const metrics = processMetrics('dashboards')
    dashboardsFigures(metrics, () => dashboards.load())
    registryFigures(metrics, registry)
    const unready = () => dashboards.load().unready
    const operations = await serveOperations(context, 'dashboards', { metrics, log, unready })
    announce(context, 'dashboards', { url: dashboards.url, ops_url: operations.url })
    log.info('ready', `pages on ${dashboards.url}`, { url: dashboards.url })
    await untilAborted(signal)
    await dashboards.close()
    await operations.close()
    log.info('ended', 'closed')
  } finally {
    await registry.close()
    withdraw(context, 'dashboards')
  }
}

/** Where the relay's app API is. */
function appUrl({ relay }: CliContext['config']): string {
  return `${relay.app_cert_file === '' ? 'http' : 'https'}://${authorityOf(reachable(relay.host), relay.app_port)}`
}

/** The token with which the dashboards speak to the relay: kept in the state folder, made when it is not there or dead. */
async function ownToken(home: string, registry: Administration): Promise<string> {
  const path = join(home, 'dashboards.token')
  try {
    const token = readFileSync(path, 'utf8').trim()
    registry.verifyToken(token)
    return token
  } catch (error) {
    const absent = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    if (!absent && !isProblem(error, 'unauthorized')) throw error
  }
  const token = await registry.createToken({ app: 'dashboards', scopes: ['commands', 'observe'] })
  writeFileSync(path, `${token}\n`, { mode: 0o600 })
  return token
}
