import { EVENTS_TABLE } from './events-table.ts'

export type View = { readonly meaning: string; readonly reads: readonly string[]; readonly sql: string }

/** For people: the SELECT over tables that each name stands for. */
export const VIEWS: Readonly<Record<string, View>> = {
  readings: {
    meaning: 'what devices measured and reported',
    reads: [EVENTS_TABLE],
    sql: `SELECT event_date, bucket, hub_id, device_id, attribute, value, text, unit, event_time, received_time, time_source, firmware, source_id, boot_id, stream, seq FROM events WHERE kind = 'reading'`,
  },
  command_stages: {
    meaning: 'each moment in the life of each command, told by relay and hub',
    reads: [EVENTS_TABLE],
    sql: `SELECT event_date, bucket, hub_id, command_id, issued_time, stage, duration_ms, reason, device_id, source_id, event_time, received_time, firmware, extra, boot_id, stream, seq FROM events WHERE kind = 'command'`,
  },
  connections: {
    meaning: 'control connections opening and closing, told by the relay',
    reads: [EVENTS_TABLE],
    sql: `SELECT event_date, bucket, hub_id, stage, reason, event_time, source_id, extra, boot_id, stream, seq FROM events WHERE kind = 'connection'`,
  },
  health: {
    meaning: 'what hubs say of themselves each few minutes',
    reads: [EVENTS_TABLE],
    sql: `SELECT event_date, bucket, hub_id, event_time, firmware, TRY_CAST(extra['uptime_ms'] AS DOUBLE) AS uptime_ms, TRY_CAST(extra['queue'] AS BIGINT) AS queue, TRY_CAST(extra['rssi_dbm'] AS DOUBLE) AS rssi_dbm, boot_id, stream, seq FROM events WHERE kind = 'health'`,
  },
  dead_letters: {
    meaning: 'events that could not be read, hidden once a replay has stored them',
    reads: [EVENTS_TABLE],
    sql: `SELECT event_date, bucket, hub_id, source_id, boot_id, stream, seq, reason, text, received_time, log_id, log_position, ordinal FROM events d WHERE kind = 'dead' AND NOT EXISTS (SELECT 1 FROM events s WHERE s.kind NOT IN ('dead', 'batch') AND s.source_id = d.source_id AND s.boot_id = d.boot_id AND s.stream = d.stream AND s.seq = d.seq)`,
  },
  hub_local_days: {
    meaning:
      "what each hub did in each day by its home's own clock; an hour that is over two days, where a zone is off by half an hour, is in the first",
    reads: ['hub_hours', 'hubs'],
    sql: `SELECT CAST(h.hour AT TIME ZONE CASE WHEN b.zone IN (SELECT name FROM pg_timezone_names()) THEN b.zone ELSE 'UTC' END AS DATE) AS local_day, b.zone, h.hub_id, h.region, h.model, ARG_MAX(h.firmware, h.hour) AS firmware, COUNT(*) AS hours, SUM(h.expected_ms) AS expected_ms, SUM(h.connected_ms) AS connected_ms, SUM(h.unknown_ms) AS unknown_ms, SUM(h.connected_ms) / NULLIF(SUM(h.expected_ms - h.unknown_ms), 0) AS availability, SUM(h.disconnects) AS disconnects, SUM(h.issued) AS issued, SUM(h.done) AS done, SUM(h.done) / NULLIF(SUM(h.issued - h.running), 0) AS success, SUM(h.sent) AS sent, SUM(h.lost) AS lost, SUM(h.crashes) AS crashes, SUM(h.boots) AS boots, BOOL_AND(h.complete) AS complete FROM hub_hours h ASOF LEFT JOIN hubs b ON b.hub_id = h.hub_id AND b.valid_from < h.hour + INTERVAL 1 HOUR GROUP BY ALL`,
  },
}
