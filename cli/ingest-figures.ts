import { Counter, Histogram, type Registry } from 'prom-client'
import type { Clock } from '../contract/clock.ts'
import type { EventLog } from '../ingest/event-log.ts'
import type { Gateway } from '../ingest/gateway.ts'
import type { BucketState, Writer, WriterFact } from '../ingest/writer.ts'
import { figuresIn, SECONDS_BUCKETS } from './figure.ts'

export type IngestFigures = {
  /** A batch was answered as durable after so long. */
  answered(listener: string, ms: number): void
  wrote(fact: WriterFact): void
}

/** Batches of a bucket that are durable and not in the table yet. */
export async function lagOf(log: EventLog, { bucket, position }: BucketState): Promise<number> {
  return (await log.bounds(bucket)).next - 1 - position
}

/** The figures of a gateway and a writer, of those that there are. */
export function ingestFigures(
  metrics: Registry,
  clock: Clock,
  parts: {
    readonly log: EventLog
    gateway(): Gateway | undefined
    writer(): Writer | undefined
    sessions(): number
  },
): IngestFigures {
  const { counter, gauge } = figuresIn(metrics)
  const counts = () => parts.gateway()?.counts()
  counter(
    'hearth_ingest_received_batches_total',
    'Batches that were taken, refused ones too.',
    () => counts()?.batches ?? 0,
  )
  counter('hearth_ingest_received_events_total', 'Events of good batches.', () => counts()?.events ?? 0)
  counter('hearth_ingest_received_bytes_total', 'Bytes of batches as they came.', () => counts()?.bytes ?? 0)
  counter('hearth_ingest_refused_batches_total', 'Batches kept as dead.', () => counts()?.refused ?? 0)
  counter(
    'hearth_ingest_turned_away_batches_total',
    'Batches over HTTPS that found no room; their senders send again.',
    () => counts()?.turned_away ?? 0,
  )
  gauge('hearth_ingest_in_flight_batches', 'Batches that are not durable yet.', () => counts()?.in_flight ?? 0)
  gauge('hearth_ingest_waiting_batches', 'Batches that wait for room.', () => counts()?.waiting ?? 0)
  gauge('hearth_ingest_in_flight_bytes', 'Their bytes.', () => counts()?.in_flight_bytes ?? 0)
  gauge('hearth_ingest_sessions', 'MQTT sessions.', () => parts.sessions())

  const buckets = () => parts.writer()?.buckets() ?? []
  const named = (bucket: number) => ({ bucket: String(bucket) })
  gauge('hearth_writer_stopped', '1 where a bucket was stopped: its log does not join up with the table.', () =>
    buckets().map(({ bucket, stopped }) => [named(bucket), stopped === undefined ? 0 : 1] as const),
  )
  gauge('hearth_writer_lag_batches', 'Batches that are durable and not in the table yet.', async () =>
    Promise.all(buckets().map(async (one) => [named(one.bucket), await lagOf(parts.log, one)] as const)),
  )
  gauge('hearth_writer_lag_seconds', 'Age of the oldest batch that is not in the table yet.', async () =>
    Promise.all(
      buckets().map(async ({ bucket, position }) => {
        const [oldest] = await parts.log.read(bucket, position + 1, 1)
        return [named(bucket), oldest ? Math.max(0, clock.now() - oldest.record.received_ms) / 1000 : 0] as const
      }),
    ),
  )

  const registers = [metrics]
  const ack = new Histogram({
    ...{ name: 'hearth_ingest_ack_seconds', help: 'From the last byte of a batch to its answer.' },
    ...{ labelNames: ['listener'] as const, buckets: SECONDS_BUCKETS, registers },
  })
  const commit = new Histogram({
    ...{ name: 'hearth_writer_commit_seconds', help: 'From the end of gathering to the commit in the table.' },
    ...{ buckets: SECONDS_BUCKETS, registers },
  })
  const rows = new Counter({ name: 'hearth_writer_rows_total', help: 'Rows that were committed.', registers })
  const batches = new Counter({ name: 'hearth_writer_batches_total', help: 'Batches that were committed.', registers })
  const retries = new Counter({ name: 'hearth_writer_retries_total', help: 'Attempts that failed.', registers })
  const fenced = new Counter({
    name: 'hearth_writer_fenced_total',
    help: 'Attempts that another writer overtook.',
    registers,
  })
  return {
    answered: (listener, ms) => ack.observe({ listener }, ms / 1000),
    wrote(fact) {
      if (fact.kind === 'retry') retries.inc()
      if (fact.kind === 'fenced') fenced.inc()
      if (fact.kind !== 'committed') return
      commit.observe(fact.ms / 1000)
      rows.inc(fact.rows)
      batches.inc(fact.batches)
    },
  }
}
