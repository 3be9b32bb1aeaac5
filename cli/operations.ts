/** What whoever runs a process asks of it, on a port of its own: /healthz, /readyz, /metrics. */
import { createServer, type Server, type ServerResponse } from 'node:http'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { messageOf, Problem } from '../contract/problem.ts'
import { SCRAPE_MAX_BYTES } from './limits.ts'
import { listenAt } from './listen-at.ts'
import type { WantedPort } from './wanted-ports.ts'

export type Operations = {
  /** `http://127.0.0.1:9101` */
  readonly url: string
  close(): Promise<void>
}

export type OperationsOptions = {
  /** Port 0: any free one. */
  readonly at: WantedPort
  readonly metrics: Registry
  /** Why the process should get no traffic now, each in a sentence; empty when it should. */
  readonly unready: () => readonly string[]
  /** A figure could not be told. */
  readonly fault: (error: unknown) => void
}

/** A registry with the figures that every process has: memory, CPU, and how late its event loop is. */
export function processMetrics(name: string): Registry {
  const metrics = new Registry()
  metrics.setDefaultLabels({ process: name })
  collectDefaultMetrics({ register: metrics, eventLoopMonitoringPrecision: 50 })
  return metrics
}

/** Alive is whoever answers; ready is who has no reason against it. */
export function operationsServer(options: Omit<OperationsOptions, 'at'>): Server {
  const { metrics } = options
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0] ?? ''
    if (request.method !== 'GET' && request.method !== 'HEAD') answer(response, 405, { error: 'GET only' })
    else if (path === '/healthz') answer(response, 200, { alive: true })
    else if (path === '/readyz') {
      const reasons = options.unready()
      answer(response, reasons.length === 0 ? 200 : 503, { ready: reasons.length === 0, reasons })
    } else if (path === '/metrics') void scrape(response)
    else answer(response, 404, { error: 'there are /healthz, /readyz and /metrics' })
  })

  async function scrape(response: ServerResponse): Promise<void> {
    try {
      const text = await metrics.metrics()
      if (text.length > SCRAPE_MAX_BYTES) throw new Problem('limit', `the figures are ${text.length} bytes`)
      response.writeHead(200, { 'content-type': metrics.contentType }).end(text)
    } catch (error) {
      options.fault(error)
      answer(response, 500, { error: messageOf(error) })
    }
  }

  return server
}

/**
 * Kept off the ports that hubs and apps reach, since neither a probe nor Prometheus brings a certificate or a token. Raises
 * `unavailable` when the port cannot be had.
 */
export async function listenOperations({ at, ...options }: OperationsOptions): Promise<Operations> {
  const server = operationsServer(options)
  const url = await listenAt(server, at)
  return {
    url,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
}
