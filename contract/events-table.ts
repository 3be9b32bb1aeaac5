import type { Column } from './column.ts'

/** The table that everything else is computed from; one row an event. Partitioned by `event_date` (UTC) and `bucket`. */
export const EVENTS_TABLE = 'events'

export const EVENTS_PARTITION: readonly Column[] = [
  { name: 'event_date', type: 'date', meaning: 'UTC date of event_time' },
  { name: 'bucket', type: 'integer', meaning: 'xxh64(hub_id) modulo the buckets of the layout' },
]

export const EVENTS_COLUMNS: readonly Column[] = [
  { name: 'hub_id', type: 'string', meaning: 'the hub that the event is about' },
  { name: 'source_id', type: 'string', meaning: 'who said it, as the connection proved' },
  { name: 'boot_id', type: 'string', meaning: 'the run of the source: generation-counter-random' },
  { name: 'stream', type: 'string', meaning: 'control or readings for a hub, e1b00 … for a service' },
  { name: 'seq', type: 'long', meaning: 'number of the event in (source, boot, stream); null for kind batch' },
  { name: 'event_time', type: 'timestamp', meaning: 'when it happened, by the best clock there is (time_source)' },
  { name: 'received_time', type: 'timestamp', meaning: 'when the gateway had the whole batch' },
  { name: 'hub_time', type: 'timestamp', meaning: 'when the source believed that it happened' },
  { name: 'mono_ms', type: 'double', unit: 'ms', meaning: "the source's monotonic clock, since its start" },
  { name: 'time_source', type: 'string', meaning: 'monotonic, wall or received: which clock event_time is from' },
  {
    name: 'kind',
    type: 'string',
    meaning: 'reading, command, connection, health, crash, log, registry, alive; dead and batch are about transport',
  },
  { name: 'issued_time', type: 'timestamp', meaning: 'when the command was issued, by the relay' },
  { name: 'device_id', type: 'string', meaning: 'the device, within its hub' },
  { name: 'attribute', type: 'string', meaning: 'what was read' },
  { name: 'value', type: 'double', meaning: 'a number, or 0 and 1 for a boolean; in the unit of the column unit' },
  { name: 'text', type: 'string', meaning: 'a value in words; for kind dead the raw line' },
  { name: 'unit', type: 'string', meaning: 'unit of value' },
  { name: 'command_id', type: 'string', meaning: 'the command, one id from app to device' },
  {
    name: 'stage',
    type: 'string',
    meaning: 'stage or outcome of a command; connected or disconnected; the change of a registry event',
  },
  {
    name: 'duration_ms',
    type: 'double',
    unit: 'ms',
    meaning: "relay stages: since issued, relay's clock; hub stages: since received, hub's clock",
  },
  { name: 'reason', type: 'string', meaning: 'why' },
  { name: 'firmware', type: 'string', meaning: 'firmware version of the source' },
  { name: 'agent', type: 'string', meaning: 'version of the agent or service' },
  { name: 'extra', type: 'map', meaning: 'every other field of the event, as text' },
  { name: 'log_id', type: 'string', meaning: 'kinds dead and batch: the event log it was read from' },
  { name: 'log_position', type: 'long', meaning: 'kinds dead and batch: position in the log of the bucket' },
  { name: 'ordinal', type: 'long', meaning: 'kind dead: which event of the batch, from 0; kind batch: -1' },
  { name: 'batch_first', type: 'long', meaning: 'kind batch: seq of its first event' },
  { name: 'batch_count', type: 'long', unit: 'events', meaning: 'kind batch: events in it' },
  { name: 'batch_next', type: 'long', meaning: 'kind batch: the next seq that the stream would give out' },
  { name: 'batch_acked', type: 'long', meaning: 'kind batch: every seq below was acknowledged or dropped' },
  {
    name: 'batch_dropped',
    type: 'string',
    meaning: 'kind batch: dropped ranges and earlier boots, as JSON {dropped, previous}',
  },
  { name: 'batch_crc', type: 'string', meaning: 'kind batch: CRC-32C of the event lines' },
  {
    name: 'batch_duplicates',
    type: 'long',
    unit: 'events',
    meaning: 'kind batch: events of it that were stored already',
  },
  { name: 'batch_dead', type: 'long', unit: 'events', meaning: 'kind batch: events of it that were set aside as dead' },
]

/** Order of rows inside a file. */
export const EVENTS_SORT: readonly string[] = ['kind', 'hub_id', 'device_id', 'seq']

/**
 * Columns by whose statistics files are left out: those that questions are asked by and that a file has few of, or none
 * (docs/decisions/012).
 */
export const EVENTS_STATISTICS: readonly string[] = [
  'hub_id',
  'source_id',
  'boot_id',
  'seq',
  'event_time',
  'received_time',
  'kind',
  'issued_time',
  'device_id',
  'attribute',
  'command_id',
  'stage',
]
