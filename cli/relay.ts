import type { Command } from 'commander'
import { messageOf, Problem } from '../contract/problem.ts'
import { batchPoster } from '../link/post-batch.ts'
import { type Relay, type RelayOptions, startRelay } from '../relay/relay.ts'
import { watchAuthority } from './authority-watch.ts'
import type { CliContext } from './context.ts'
import { layoutOf, openAuthority, openRegistry, serverTls, serviceTls } from './fleet.ts'
import { gatewayUrl } from './gateway-url.ts'
import type { Log } from './log.ts'
import { processMetrics } from './operations.ts'
import { outsideTokens } from './outside-tokens.ts'
import { registryFigures } from './registry-figures.ts'
import { joinCluster } from './relay-cluster.ts'
import { openRelayDisk, relayPlace } from './relay-disk.ts'
import { relayFigures } from './relay-figures.ts'
import { announce, processLog, runAlone, serveOperations, untilAborted, withdraw } from './service.ts'
import { readSetting } from './setting-file.ts'
import { version } from './version.ts'

export function register(program: Command, context: CliContext): void {
  program
    .command('relay')
    .description('carry commands from apps to hubs, and their outcomes back')
    .addHelpText(
      'after',
      '\nExamples:\n  hearth relay\n  HEARTH_RELAY_APP_PORT=9000 hearth relay\n\nCtrl-C drains: commands in flight are finished, hubs are moved away.',
    )
    .action(() => runRelay(context))
}

/** A relay in this process, until the context's signal aborts; then drains and returns. */
export async function runRelay(context: CliContext): Promise<void> {
  const { clock, config, home, random, signal } = context
  const { source } = config.relay
  const name = relayPlace(source)
  const log = processLog(context, name)
  runAlone(context, name, 'relay')
  const registry = await openRegistry(context, (text) => log.warn('registry', text))
  const authority = await openAuthority(context, registry)
  const tls = await serverTls(context, authority, 'relay')
  // Read at each request: another one may take its place while this runs.
  const client = { ...(await serviceTls(context, authority, source)) }
  const poster = batchPoster({ url: gatewayUrl(config), tls: client })
  const outside = await outsideTokens(context, (text) => log.warn('issuer', text))
  const disk = await openRelayDisk(home, (error) => log.failed('fault', error), source)
  const cluster = await joinCluster(context, { log, server: tls, client })
  const metrics = processMetrics('relay')
  let started: Relay | undefined
  const answered = relayFigures(metrics, () => started, cluster)
  registryFigures(metrics, registry)
  const relay = await startRelay({
    source,
    version: version(),
    fleet: config.fleet,
    layout: layoutOf(context),
    registry,
    disk,
    clock,
    random,
    hubs: { host: config.relay.host, port: config.relay.hub_port, tls },
    apps: { host: config.relay.host, port: config.relay.app_port, ...appTls(config) },
    send: toldOnce(log, (bytes, aborted) => poster.post(bytes, aborted)),
    answered,
    ...(cluster && { cluster }),
    ...(outside && { outside: outside.tokens }),
    fault: (error) => log.failed('fault', error),
    denied: (reason, address) => log.warn('denied', `an app was turned away: ${reason}`, { reason, address }),
    refused: (reason, address) => log.warn('refused', `a hub was turned away: ${reason}`, { reason, address }),
  })
  started = relay
  if (cluster && relay.service) await cluster.serve(relay.service, registry)
  const unwatchAuthority = watchAuthority(context, log, authority, async () => {
    const next = await serverTls(context, authority, 'relay')
    relay.setTls(next)
    cluster?.setTls(next)
    Object.assign(client, await serviceTls(context, authority, source))
  })
  const unready = () => (signal.aborted || relay.draining ? ['the relay is draining'] : [])
  const operations = await serveOperations(context, 'relay', { metrics, log, unready })
  announce(context, name, { app_url: relay.appUrl, hub_url: relay.hubUrl, ops_url: operations.url })
  log.info('ready', `apps on ${relay.appUrl}, hubs on ${relay.hubUrl}`, {
    app_url: relay.appUrl,
    hub_url: relay.hubUrl,
  })
  await untilAborted(signal)
  log.info('draining', 'takes no more commands; finishes those in flight, and moves the hubs away')
  unwatchAuthority()
  await relay.close()
  await cluster?.close()
  await operations.close()
  outside?.close()
  poster.close()
  disk.close()
  await registry.close()
  withdraw(context, name)
  log.info('ended', 'drained')
}

/** Events wait in the relay's log while the gateway cannot be reached: said when that begins, and when it is over. */
function toldOnce(log: Pick<Log, 'info' | 'warn'>, send: RelayOptions['send']): RelayOptions['send'] {
  let isWaiting = false
  return async (bytes, signal) => {
    try {
      const answer = await send(bytes, signal)
      if (isWaiting) log.info('sent', 'events reach the gateway again')
      isWaiting = false
      return answer
    } catch (error) {
      const reason = messageOf(error)
      if (!isWaiting && !signal?.aborted) log.warn('unsent', `events wait for the gateway: ${reason}`, { reason })
      isWaiting = true
      throw error
    }
  }
}

/** Raises `invalid` where one of the two files is not said, or cannot be read. */
function appTls({ relay }: CliContext['config']): { readonly tls?: { readonly key: string; readonly cert: string } } {
  const { app_cert_file, app_key_file } = relay
  if (app_cert_file === '' && app_key_file === '') return {}
  if (app_cert_file === '' || app_key_file === '')
    throw new Problem('invalid', 'relay.app_cert_file and relay.app_key_file go together: one of them is not set')
  return {
    tls: {
      cert: readSetting('relay.app_cert_file', app_cert_file),
      key: readSetting('relay.app_key_file', app_key_file),
    },
  }
}
