import { type Config, variableOf } from './config.ts'

/** A port that a service listens on; `key` is its place in the configuration. */
export type WantedPort = {
  readonly key: string
  readonly host: string
  readonly port: number
}

/** Every port that the configuration names; any free one (0) is nobody's. */
export function wantedPorts(config: Config): readonly WantedPort[] {
  const { relay, ingest, dashboards, jobs, hub, ops_host } = config
  const ports: readonly WantedPort[] = [
    { key: 'relay.hub_port', host: relay.host, port: relay.hub_port },
    { key: 'relay.app_port', host: relay.host, port: relay.app_port },
    // Only where there are other relays.
    { key: 'relay.peer_port', host: relay.host, port: relay.directory === '' ? 0 : relay.peer_port },
    { key: 'relay.ops_port', host: ops_host, port: relay.ops_port },
    { key: 'ingest.mqtt_port', host: ingest.host, port: ingest.mqtt_port },
    { key: 'ingest.https_port', host: ingest.host, port: ingest.https_port },
    { key: 'ingest.ops_port', host: ops_host, port: ingest.ops_port },
    { key: 'dashboards.port', host: dashboards.host, port: dashboards.port },
    { key: 'dashboards.ops_port', host: ops_host, port: dashboards.ops_port },
    { key: 'jobs.ops_port', host: ops_host, port: jobs.ops_port },
    { key: 'hub.ops_port', host: ops_host, port: hub.ops_port },
  ]
  return ports.filter(({ port }) => port !== 0)
}

/** That others hold these ports, and what to do. */
export function takenText(taken: readonly WantedPort[]): string {
  const [verb, what, other] = taken.length === 1 ? ['is', 'it', 'another port'] : ['are', 'them', 'other ports']
  const where = taken.map(({ host, port }) => `${host}:${port}`).join(', ')
  const settings = taken.map(({ key }) => `${variableOf(key)} (${key})`).join(', ')
  return `${where} ${verb} in use: end what holds ${what}, or choose ${other} with ${settings}`
}
