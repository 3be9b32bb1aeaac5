import { TLSSocket } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import { Problem } from '../contract/problem.ts'
import type { Identity } from '../contract/source.ts'
import type { EventLog } from '../ingest/event-log.ts'
import { openReceiving, type Receiving, type ReceivingOptions } from '../ingest/receiving.ts'
import type { Writer } from '../ingest/writer.ts'
import type { Lake } from '../lake/lake.ts'
import { listenTelemetry, type TelemetryOptions } from '../link/telemetry-endpoint.ts'
import type { Administration } from '../registry/administration.ts'
import { AUTHORITIES_PATH, ENROLMENT_PATHS, openEnrolment } from '../registry/enrolment.ts'
import { watchAuthority } from './authority-watch.ts'
import type { CliContext } from './context.ts'
import { layoutOf, openAuthority, openRegistry, serverTls } from './fleet.ts'
import { gatewayHealth, newestReceipt_ms } from './gateway-health.ts'
import type { IngestFigures } from './ingest-figures.ts'
import type { Log } from './log.ts'
import { registryFigures } from './registry-figures.ts'
import { untilThere } from './until-there.ts'

/** How long the drain of connections may take before they are cut. */
const DRAIN_MS = 2_000

/** A gateway with its endpoints, taking batches. */
export type TelemetryGateway = {
  readonly receiving: Receiving
  readonly mqttUrl: string
  readonly httpsUrl: string
  readonly sessions: number
  /** Why it should get no traffic now. */
  reasons(): readonly string[]
  /** Takes no more; resolves when what it holds is durable and every connection is gone. */
  drain(): Promise<void>
}

/** Opens registry, CA and endpoints, and serves. `writer`: the one of this process, which knows the table already. */
export async function serveTelemetry(
  context: CliContext,
  options: {
    readonly lake: Lake
    readonly eventLog: EventLog
    readonly writer: Writer | undefined
    readonly figures: Pick<IngestFigures, 'answered'>
    readonly metrics: Registry
    readonly log: Log
  },
): Promise<TelemetryGateway> {
  const { clock, config, random, signal } = context
  const { lake, eventLog, writer, figures, log } = options
  const layout = layoutOf(context)
  const registry = await openRegistry(context, (text) => log.warn('registry', text))
  registryFigures(options.metrics, registry)
  const authority = await openAuthority(context, registry)
  const tls = await serverTls(context, authority, 'ingest')
  const newest_ms = await untilThere(context, log, () => newestReceipt_ms(eventLog))
  const known = writer?.buckets().map((one) => ({ ...one, ranges: writer.ranges(one.bucket) }))
  const parts: ReceivingOptions = {
    ...{ lake, log: eventLog, registry, layout, clock, random },
    note: ({ kind, reason }) => log.warn(kind, `the registry's changes could not be told: ${reason}`, { reason }),
  }
  const whole = known?.length === layout.buckets ? known : undefined
  const receiving = await untilThere(context, log, () => openReceiving(parts, whole))
  const { gateway } = receiving
  const health = gatewayHealth({
    ...{ clock, newest_ms, buckets: () => writer?.buckets() ?? [], draining: () => signal.aborted },
  })
  const receive: TelemetryOptions['receive'] = async (identity, bytes, listener) => {
    const begun_ms = clock.monotonic()
    const whenFull = listener === 'mqtt' ? 'wait' : 'raise'
    const answer = await health.watch(() => gateway.receive(identity, bytes, listener, whenFull))
    figures.answered(listener, clock.monotonic() - begun_ms)
    return answer
  }
  const enrol = openEnrolment({ registry, authority, clock })
  const refused = (reason: string, address: string) =>
    log.warn('refused', `a sender was turned away: ${reason}`, { reason, address })
  const endpoint = await listenTelemetry({
    mqtt: { host: config.ingest.host, port: config.ingest.mqtt_port },
    https: { host: config.ingest.host, port: config.ingest.https_port },
    tls,
    clock,
    fleet: config.fleet,
    authorise: (identity) => registry.allows(identity),
    receive,
    ready: () => health.reasons().length === 0,
    verifyToken: (token) => senderOf(registry, token),
    floor: (source) => gateway.floor(source),
    routes: (app) => addRoutes(app, enrol, refused),
    fault: (error) => log.failed('fault', error),
    refused,
  })
  // Revoked certificates lose their session, not only their next connection.
  const unwatch = registry.watch(() => endpoint.recheck())
  const unwatchAuthority = watchAuthority(context, log, authority, async () => {
    endpoint.setTls(await serverTls(context, authority, 'ingest'))
  })
  const { mqttUrl, httpsUrl } = endpoint
  return {
    ...{ receiving, mqttUrl, httpsUrl, reasons: () => health.reasons() },
    get sessions() {
      return endpoint.mqtt.count
    },
    async drain() {
      unwatch()
      unwatchAuthority()
      const overdue = new AbortController()
      const cancel = clock.timer(DRAIN_MS, () => overdue.abort())
      // Connections that have not gone by then are cut by `close`.
      await endpoint.drain({ signal: overdue.signal }).catch((error: unknown) => {
        if (!overdue.signal.aborted) throw error
      })
      cancel()
      await gateway.close()
      await endpoint.close()
      await registry.close()
    },
  }
}

/** Raises `unauthorized` for a token that may not send telemetry. */
function senderOf(registry: Administration, token: string): Identity {
  const { app, identity, scopes } = registry.verifyToken(token)
  if (identity && scopes.includes('telemetry')) return identity
  throw new Problem('unauthorized', `the token of ${app} may not send telemetry: it needs the scope telemetry`)
}

function addRoutes(
  app: FastifyInstance,
  enrol: ReturnType<typeof openEnrolment>,
  refused: (reason: string, address: string) => void,
): void {
  app.get(AUTHORITIES_PATH, async (_request, reply) => {
    const answer = await enrol({ method: 'GET', path: AUTHORITIES_PATH, body: '' })
    return reply.code(answer.status).send(answer.body)
  })
  for (const path of ENROLMENT_PATHS) {
    app.post(path, async (request, reply) => {
      const { socket } = request.raw
      const certificate = socket instanceof TLSSocket ? socket.getPeerCertificate().raw : undefined
      const body = Buffer.isBuffer(request.body) ? request.body.toString('utf8') : ''
      const answer = await enrol({
        ...{ method: 'POST', path, body },
        ...(certificate ? { certificate_der: certificate } : {}),
      })
      if (answer.status === 401) refused(`${path}: ${String(answer.body.error)}`, request.ip)
      return reply.code(answer.status).send(answer.body)
    })
  }
}
