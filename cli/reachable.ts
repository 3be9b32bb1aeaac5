import { authorityOf } from '../contract/host.ts'
import type { Config } from './config.ts'

/** A server that listens everywhere is reached on loopback, which its certificate names too. */
export function reachable(host: string): string {
  return host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
}

/** The gateway's HTTPS port, for what sends telemetry from this machine. */
export function gatewayUrl({ ingest }: Config): string {
  return `https://${authorityOf(reachable(ingest.host), ingest.https_port)}`
}
