import type { Command } from 'commander'
import { Problem } from '../contract/problem.ts'
import type { WriterFact } from '../ingest/writer.ts'
import { openWriting, type Writing, type WritingOptions } from '../ingest/writing.ts'
import type { CliContext } from './context.ts'
import { openEventLog, openShare } from './event-log.ts'
import { examplesOf } from './examples.ts'
import { layoutOf, openLocalLake } from './fleet.ts'
import { stoppedReasons } from './gateway-health.ts'
import { ingestFigures } from './ingest-figures.ts'
import type { Log } from './log.ts'
import { processMetrics } from './operations.ts'
import { announce, processLog, runAlone, serveOperations, untilAborted, withdraw } from './service.ts'
import { logFigures, storeFigures } from './store-figures.ts'
import { serveTelemetry, type TelemetryGateway } from './telemetry-gateway.ts'
import { untilThere } from './until-there.ts'
import { lagOf } from './writer-figures.ts'

/** What a process does of ingest. */
type Role = 'ingest' | 'gateway' | 'writer'

const NAME = /^[a-z0-9-]{1,32}$/

const EXAMPLES = `
Examples:
  hearth ingest                                       both halves in one process
  HEARTH_INGEST_FRESHNESS_MS=1000 hearth ingest
  hearth ingest gateway                               one half each, with Kafka between them: as many as you need
  hearth ingest writer --name writer-2

Ctrl-C drains: what was taken is committed before it ends, as far as that goes within some seconds; the next start goes on with the rest.`

export function register(program: Command, context: CliContext): void {
  const ingest = program
    .command('ingest')
    .description('take telemetry over MQTT and HTTPS, keep it, and write it into the lake')
    .addHelpText('afterAll', examplesOf(EXAMPLES))
    .action(() => runIngest(context, 'ingest'))
  const half = (role: Role, description: string) =>
    ingest
      .command(role)
      .description(description)
      .option('--name <name>', 'of this process, where several share a state folder', role)
      .action(({ name }: { name: string }) => runIngest(context, role, name))
  half('gateway', 'only take batches and make them durable; needs Kafka')
  half('writer', 'only write into the lake, sharing the buckets with other writers; needs Kafka')
}

/** Gateway, writer or both in this process, until the context's signal aborts; then drains and returns. */
export async function runIngest(context: CliContext, role: Role, name: string = role): Promise<void> {
  const { clock, config, random, signal } = context
  if (!NAME.test(name)) {
    throw new Problem(
      'invalid',
      `--name is 1 to 32 lower-case letters, digits and hyphens; found ${JSON.stringify(name)}`,
    )
  }
  if (role !== 'ingest' && config.kafka.brokers === '') {
    throw new Problem(
      'invalid',
      `hearth ingest ${role} needs kafka.brokers: the embedded log belongs to one process, which is hearth ingest`,
    )
  }
  const layout = layoutOf(context)
  const log = processLog(context, name)
  // Of the embedded log the gateway's process is the only writer.
  runAlone(context, name, `ingest${role === 'ingest' ? '' : ` ${role}`}`)
  const metrics = processMetrics(name)
  const throughFigures = storeFigures(metrics, clock)
  const lake = await untilThere(context, log, () => openLocalLake(context, throughFigures))
  const opened = await untilThere(context, log, () => openEventLog(context, lake))
  const eventLog = logFigures(metrics, clock)(opened)
  let writing: Writing | undefined
  let telemetry: TelemetryGateway | undefined
  const figures = ingestFigures(metrics, clock, {
    ...{ log: opened, store: lake.store },
    ...{ writer: () => writing?.writer, gateway: () => telemetry?.receiving.gateway },
    sessions: () => telemetry?.sessions ?? 0,
  })
  const share =
    role === 'gateway'
      ? undefined
      : await openShare(context, {
          lake,
          position: (bucket) => writing?.writer.buckets().find((one) => one.bucket === bucket)?.position ?? 0,
          note: (reason) =>
            log.warn('unshared', `how the writers divide the buckets cannot be heard: ${reason}`, { reason }),
        })
  if (share) {
    const options: WritingOptions = {
      ...{ lake, log: eventLog, layout, clock, random, share },
      freshness_ms: config.ingest.freshness_ms,
      note(fact) {
        tell(log, fact)
        figures.wrote(fact)
      },
    }
    writing = await untilThere(context, log, () => openWriting(options))
  }
  const { writer } = writing ?? {}
  if (role !== 'writer') telemetry = await serveTelemetry(context, { lake, eventLog, writer, figures, metrics, log })
  const ending = new AbortController()
  const runs = [writing?.run(ending.signal), telemetry?.receiving.run(ending.signal)].filter((one) => one !== undefined)
  const reasons = () =>
    telemetry?.reasons() ?? [
      ...(signal.aborted ? ['the writer is draining'] : []),
      ...stoppedReasons(writer?.buckets() ?? []),
      ...(writer?.failing() ? [`the last attempt to write failed: ${writer.failing()}`] : []),
    ]
  const operations = await serveOperations(context, 'ingest', { metrics, log, unready: reasons })
  const urls: Readonly<Record<string, string>> = telemetry ? { mqtt: telemetry.mqttUrl, https: telemetry.httpsUrl } : {}
  announce(context, name, { ...urls, ops_url: operations.url })
  log.info(
    'ready',
    telemetry ? `telemetry on ${telemetry.mqttUrl} and ${telemetry.httpsUrl}` : 'writes into the lake',
    urls,
  )
  try {
    await Promise.race([untilAborted(signal), ...runs])
  } finally {
    log.info(
      'draining',
      telemetry ? 'takes no more batches; commits those that it has' : 'commits what it has gathered',
    )
    await telemetry?.drain()
    ending.abort()
    try {
      await Promise.all(runs)
      const lags = await Promise.all((writer?.buckets() ?? []).map((bucket) => lagOf(eventLog, bucket)))
      process.send?.({ left_batches: lags.reduce((sum, lag) => sum + lag, 0) })
    } finally {
      await operations.close()
      await share?.close()
      await writing?.close()
      await eventLog.close()
      withdraw(context, name)
      log.info('ended', 'drained')
    }
  }
}

function tell(log: Log, fact: WriterFact): void {
  const { kind, ...fields } = fact
  switch (fact.kind) {
    case 'committed':
      // Of each batch and file there may be thousands: figures have them.
      return log.debug(kind, `version ${fact.version}: ${fact.rows} rows of ${fact.batches} batches`, {
        ...{ ...fields, waits_ms: undefined, sizes: undefined },
      })
    case 'fenced':
      return log.warn(kind, `overtaken in buckets ${fact.buckets.join(', ')}; beginning again from the table`, fields)
    case 'retry':
      return log.warn(kind, `the writer tries again in ${fact.delay_ms} ms: ${fact.reason}`, fields)
    case 'loss':
      return log.error(kind, `LOSS in bucket ${fact.loss.bucket}, which is stopped: ${fact.loss.reason}`, fact.loss)
    case 'unreadable':
      return log.error(
        kind,
        `bucket ${fact.bucket} cannot be read, tried again in ${fact.delay_ms} ms: ${fact.reason}`,
        {
          ...fields,
        },
      )
    case 'resumed':
      return log.info(kind, `bucket ${fact.bucket} goes on from ${fact.position + 1}`, fields)
    case 'replaced':
      return log.warn(kind, `bucket ${fact.loss.bucket}: log ${fact.loss.log_id}: ${fact.loss.reason}`, fact.loss)
    case 'share': {
      const which = fact.buckets.length === 0 ? 'no bucket' : `buckets ${fact.buckets.join(', ')}`
      return log.info(kind, `takes ${which}`, fields)
    }
  }
}
