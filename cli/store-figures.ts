import { Counter, Histogram, type Registry } from 'prom-client'
import type { Clock } from '../contract/clock.ts'
import type { EventLog } from '../ingest/event-log.ts'
import { meteredLog } from '../ingest/metered-log.ts'
import { meteredStore } from '../lake/metered-store.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { SECONDS_BUCKETS } from './figure.ts'

/** The figures of an object store's calls; returns what a store is to be seen through. */
export function storeFigures(metrics: Registry, clock: Clock): (store: ObjectStore) => ObjectStore {
  const registers = [metrics]
  const seconds = new Histogram({
    ...{ name: 'hearth_store_seconds', help: 'Calls of the store of the lake; a listing with what its reader took.' },
    ...{ labelNames: ['operation'] as const, buckets: SECONDS_BUCKETS, registers },
  })
  const calls = new Counter({
    ...{ name: 'hearth_store_operations_total', labelNames: ['operation', 'outcome'] as const, registers },
    help: 'Calls of the store of the lake. conflict: the path was taken; unknown: may have taken effect.',
  })
  for (const operation of ['get', 'head', 'put', 'list', 'delete']) {
    for (const outcome of ['done', 'failed', 'unknown']) calls.inc({ operation, outcome }, 0)
  }
  return (store) =>
    meteredStore(store, clock, ({ operation, outcome, ms }) => {
      calls.inc({ operation, outcome })
      seconds.observe({ operation }, ms / 1000)
    })
}

/** The figures of an event log's calls; returns what a log is to be seen through. */
export function logFigures(metrics: Registry, clock: Clock): (log: EventLog) => EventLog {
  const registers = [metrics]
  const seconds = new Histogram({
    ...{ name: 'hearth_log_append_seconds', help: 'From an append to the event log until it is durable, or failed.' },
    ...{ buckets: SECONDS_BUCKETS, registers },
  })
  const appends = new Counter({
    ...{ name: 'hearth_log_appends_total', help: 'Appends to the event log.', registers },
    labelNames: ['outcome'] as const,
  })
  for (const outcome of ['durable', 'failed']) appends.inc({ outcome }, 0)
  const records = new Counter({ name: 'hearth_log_read_records_total', help: 'Records read from it.', registers })
  const bytes = new Counter({ name: 'hearth_log_read_bytes_total', help: 'Payload of what was read.', registers })
  return (log) =>
    meteredLog(log, clock, (call) => {
      if (call.kind === 'append') {
        appends.inc({ outcome: call.durable ? 'durable' : 'failed' })
        seconds.observe(call.ms / 1000)
      } else {
        records.inc(call.records)
        bytes.inc(call.bytes)
      }
    })
}
