import { Histogram, type Registry } from 'prom-client'
import type { Clock } from '../contract/clock.ts'
import type { EventLog } from '../ingest/event-log.ts'
import type { Gateway } from '../ingest/gateway.ts'
import type { Writer, WriterFact } from '../ingest/writer.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { figuresIn, SECONDS_BUCKETS } from './figure.ts'
import { writerFigures } from './writer-figures.ts'

export type IngestFigures = {
  /** A batch was answered as durable after so long. */
  answered(listener: string, ms: number): void
  wrote(fact: WriterFact): void
}

/** The figures of a gateway and a writer, of those that there are. */
export function ingestFigures(
  metrics: Registry,
  clock: Clock,
  parts: {
    readonly log: EventLog
    readonly store: ObjectStore
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
  counter('hearth_ingest_plain_bytes_total', 'Bytes of good batches, unpacked.', () => counts()?.plain_bytes ?? 0)
  counter(
    'hearth_ingest_durable_batches_total',
    'Batches that are durable in the event log, refused ones too.',
    () => counts()?.durable ?? 0,
  )
  counter(
    'hearth_ingest_held_back_batches_total',
    'Batches answered later, as their hub sends more than its share.',
    () => counts()?.held_back ?? 0,
  )
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

  const registers = [metrics]
  const ack = new Histogram({
    ...{ name: 'hearth_ingest_ack_seconds', help: 'From the last byte of a batch to its answer.' },
    ...{ labelNames: ['listener'] as const, buckets: SECONDS_BUCKETS, registers },
  })
  return {
    answered: (listener, ms) => ack.observe({ listener }, ms / 1000),
    wrote: writerFigures(metrics, clock, parts),
  }
}
