import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import type { Command } from 'commander'
import type { FastifyInstance } from 'fastify'
import { Problem } from '../contract/problem.ts'
import type { Identity } from '../contract/source.ts'
import type { EventLog } from '../ingest/event-log.ts'
import { type Ingest, openIngest } from '../ingest/ingest.ts'
import type { WriterFact } from '../ingest/writer.ts'
import { listenTelemetry, type TelemetryOptions } from '../link/telemetry-endpoint.ts'
import type { Administration } from '../registry/administration.ts'
import { ENROLMENT_PATHS, openEnrolment } from '../registry/enrolment.ts'
import type { CliContext } from './context.ts'
import { openEventLog } from './event-log.ts'
import { layoutOf, openAuthority, openLocalLake, openRegistry, serverTls } from './fleet.ts'
import { gatewayHealth, newestReceipt_ms } from './gateway-health.ts'
import { ingestFigures, lagOf } from './ingest-figures.ts'
import type { Log } from './log.ts'
import { processMetrics } from './operations.ts'
import { announce, processLog, runAlone, serveOperations, untilAborted, withdraw } from './service.ts'

/** How long the drain of connections may take before they are cut. */
const DRAIN_MS = 2_000

export function register(program: Command, context: CliContext): void {
  program
    .command('ingest')
    .description('take telemetry over MQTT and HTTPS, keep it, and write it into the lake')
    .addHelpText(
      'after',
      '\nExamples:\n  hearth ingest\n  HEARTH_INGEST_FRESHNESS_MS=1000 hearth ingest\n\nCtrl-C drains: what was taken is committed before it ends, as far as that goes within some seconds; the next start goes on with the rest.',
    )
    .action(() => runIngest(context))
}

/** Gateway, endpoints and writer in this process, until the context's signal aborts; then drains and returns. */
export async function runIngest(context: CliContext): Promise<void> {
  const { clock, config, home, random, signal } = context
  const layout = layoutOf(context)
  const log = processLog(context, 'ingest')
  // Of the embedded log the gateway's process is the only writer.
  runAlone(context, 'ingest')
  const registry = openRegistry(context)
  const authority = await openAuthority(context, registry)
  const lake = await openLocalLake(context)
  const tls = await serverTls(context, authority, 'ingest', config.ingest.host)
  const eventLog = await openEventLog(context)
  const metrics = processMetrics('ingest')
  let serving: { readonly ingest: Ingest; readonly log: EventLog; readonly sessions: number } | undefined
  const figures = ingestFigures(metrics, clock, () => serving)
  const newest_ms = await newestReceipt_ms(eventLog)
  const ingest = await openIngest({
    ...{ lake, log: eventLog, registry, layout, clock, random },
    scratch_folder: join(home, 'spool', 'ingest'),
    freshness_ms: config.ingest.freshness_ms,
    note(fact) {
      tell(log, fact)
      if (fact.kind !== 'registry') figures.wrote(fact)
    },
  })
  const health = gatewayHealth({
    ...{ clock, newest_ms, buckets: () => ingest.writer.buckets(), draining: () => signal.aborted },
  })
  const receive: TelemetryOptions['receive'] = async (identity, bytes, listener) => {
    const begun_ms = clock.monotonic()
    const whenFull = listener === 'mqtt' ? 'wait' : 'raise'
    const answer = await health.watch(() => ingest.gateway.receive(identity, bytes, listener, whenFull))
    figures.answered(listener, clock.monotonic() - begun_ms)
    return answer
  }
  const enrol = openEnrolment({ registry, authority, clock })
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
    floor: (source) => ingest.gateway.floor(source),
    routes: (app) => addRoutes(app, enrol),
    fault: (error) => log.failed('fault', error),
    refused: (reason, address) => log.warn('refused', `a sender was turned away: ${reason}`, { reason, address }),
  })
  // Revoked certificates lose their session, not only their next connection.
  const unwatch = registry.watch(() => endpoint.recheck())
  const writing = new AbortController()
  const written = ingest.run(writing.signal)
  const { mqttUrl, httpsUrl } = endpoint
  serving = {
    ...{ ingest, log: eventLog },
    get sessions() {
      return endpoint.mqtt.count
    },
  }
  const operations = await serveOperations(context, 'ingest', { metrics, log, unready: () => health.reasons() })
  announce(context, 'ingest', { mqtt: mqttUrl, https: httpsUrl, ops_url: operations.url })
  log.info('ready', `telemetry on ${mqttUrl} and ${httpsUrl}`, { mqtt_url: mqttUrl, https_url: httpsUrl })
  try {
    await Promise.race([untilAborted(signal), written])
  } finally {
    log.info('draining', 'takes no more batches; commits those that it has')
    unwatch()
    const overdue = new AbortController()
    const cancel = clock.timer(DRAIN_MS, () => overdue.abort())
    // Connections that have not gone by then are cut by `close`.
    await endpoint.drain({ signal: overdue.signal }).catch((error: unknown) => {
      if (!overdue.signal.aborted) throw error
    })
    cancel()
    await ingest.gateway.close()
    await endpoint.close()
    writing.abort()
    try {
      await written
      const lags = await Promise.all(ingest.writer.buckets().map((bucket) => lagOf(eventLog, bucket)))
      process.send?.({ left_batches: lags.reduce((sum, lag) => sum + lag, 0) })
    } finally {
      serving = undefined
      await operations.close()
      await ingest.close()
      await eventLog.close()
      registry.close()
      withdraw(context, 'ingest')
      log.info('ended', 'drained')
    }
  }
}

/** Raises `unauthorized` for a token that may not send telemetry. */
function senderOf(registry: Administration, token: string): Identity {
  const { app, identity, scopes } = registry.verifyToken(token)
  if (identity && scopes.includes('telemetry')) return identity
  throw new Problem('unauthorized', `the token of ${app} may not send telemetry: it needs the scope telemetry`)
}

function addRoutes(app: FastifyInstance, enrol: ReturnType<typeof openEnrolment>): void {
  for (const path of ENROLMENT_PATHS) {
    app.post(path, async (request, reply) => {
      const { socket } = request.raw
      const certificate = socket instanceof TLSSocket ? socket.getPeerCertificate().raw : undefined
      const body = Buffer.isBuffer(request.body) ? request.body.toString('utf8') : ''
      const answer = await enrol({
        ...{ method: 'POST', path, body },
        ...(certificate ? { certificate_der: certificate } : {}),
      })
      return reply.code(answer.status).send(answer.body)
    })
  }
}

function tell(log: Log, fact: WriterFact | { readonly kind: 'registry'; readonly reason: string }): void {
  const { kind, ...fields } = fact
  switch (fact.kind) {
    case 'committed':
      return log.debug(kind, `version ${fact.version}: ${fact.rows} rows of ${fact.batches} batches`, fields)
    case 'fenced':
      return log.warn(kind, `overtaken in buckets ${fact.buckets.join(', ')}; beginning again from the table`, fields)
    case 'retry':
      return log.warn(kind, `the writer tries again in ${fact.delay_ms} ms: ${fact.reason}`, fields)
    case 'loss':
      return log.error(kind, `LOSS in bucket ${fact.loss.bucket}, which is stopped: ${fact.loss.reason}`, fact.loss)
    case 'replaced':
      return log.warn(kind, `bucket ${fact.loss.bucket}: log ${fact.loss.log_id}: ${fact.loss.reason}`, fact.loss)
    case 'share':
      return log.info(
        kind,
        `takes ${fact.buckets.length === 0 ? 'no bucket' : `buckets ${fact.buckets.join(', ')}`}`,
        fields,
      )
    case 'registry':
      return log.warn(kind, `the registry's changes could not be told: ${fact.reason}`, fields)
  }
}
