/** Where a hub connects to, as its options say or the configuration. */
import { authorityOf, hostOf, reachable } from '../contract/host.ts'
import { Problem } from '../contract/problem.ts'
import type { AgentOptions } from '../hub-agent/agent.ts'
import type { Endpoint } from '../link/mqtt-connection.ts'
import type { CliContext } from './context.ts'

export type ServerOptions = { readonly relay?: string; readonly gateway?: string; readonly enrol?: string }

/** `url`: where certificates come from and are renewed. */
export type HubServers = Pick<AgentOptions, 'relay' | 'gateway'> & { readonly url: string }

/** Raises `invalid` with the option that is no address. */
export function serversOf({ config }: Pick<CliContext, 'config'>, options: ServerOptions): HubServers {
  const { relay, gateway, enrol } = options
  const [first, ...rest] = relay?.split(',').map((one) => endpointOf('--relay', one)) ?? [
    { host: reachable(config.relay.host), port: config.relay.hub_port },
  ]
  if (!first) throw new Problem('invalid', '--relay names no relay')
  const https = gateway?.startsWith('https:') ? httpsOf('--gateway', gateway) : undefined
  const mqtts = gateway === undefined || https ? undefined : endpointOf('--gateway', gateway, ' or https://host:port')
  const host = https?.host ?? mqtts?.host ?? reachable(config.ingest.host)
  const beside = `https://${authorityOf(host, https?.port ?? config.ingest.https_port)}`
  return {
    relay: { ...first, others: rest },
    gateway: https ? { url: https.url } : (mqtts ?? { host, port: config.ingest.mqtt_port }),
    url: enrol === undefined ? beside : httpsOf('--enrol', enrol).url,
  }
}

function endpointOf(option: string, text: string, or = ''): Endpoint {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'mqtts:' && url.port !== '') return { host: hostOf(url), port: Number(url.port) }
  throw new Problem('invalid', `${option}: expected mqtts://host:port${or}, found ${text}`)
}

function httpsOf(option: string, text: string): Endpoint & { readonly url: string } {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'https:') throw new Problem('invalid', `${option}: expected https://host:port, found ${text}`)
  return { host: hostOf(url), port: Number(url.port || 443), url: text }
}
