import { authorityOf, reachable } from '../contract/host.ts'
import type { Config } from './config.ts'

/** The gateway's HTTPS port, for what sends telemetry from this machine. */
export function gatewayUrl({ ingest }: Config): string {
  return `https://${authorityOf(reachable(ingest.host), ingest.https_port)}`
}
