-- metric: command_traces
-- meaning: one row a command: its stages joined by id, its outcome, the duration of each hop
-- grain: command
-- unit: hour
-- keys: command_id
-- inputs: events by issued, hubs
-- only: kind = 'command' AND issued_time IS NOT NULL AND command_id IS NOT NULL
-- affects: a stage of a command, the hour of its issue
-- owner: jobs
-- revision: 4
-- column: hour timestamp — hour of issue, UTC
-- column: bucket integer — bucket of the hub
-- column: command_id string — the command, one id from app to device
-- column: hub_id string — the hub that it was for
-- column: device_id string — the device
-- column: device_type string — what the device is, by the hub's own stages (lamp, lock, …); null when it told none
-- column: app string — who asked
-- column: set string — what was asked, as JSON
-- column: issued_time timestamp — earliest issue on record, by the relay
-- column: deadline_ms double ms — how long the app would wait
-- column: outcome string — done, late, interrupted, rejected, expired or offline; null while the open hour's command still runs
-- column: reason string — why, in the words of whoever ended it
-- column: relay string — the relay that issued it
-- column: firmware string — firmware of the hub, from its own stages; null when it told none
-- column: expected boolean — was the hub enrolled, not retired and not in maintenance at issue: only these count for command success
-- column: issued_to_sent_ms double ms — relay share: issued to bytes handed to the hub's socket, relay's clock
-- column: round_trip_ms double ms — sent to acked, relay's clock
-- column: hub_ms double ms — received to executed, hub's clock
-- column: network_ms double ms — round trip less hub: both ways together
-- column: tap_to_light_ms double ms — issued_to_sent + half the network + hub: an estimate
-- column: issued_to_acked_ms double ms — upper bound of tap to light, relay's clock
-- column: routed_ms double ms — issued to routed, relay's clock
-- column: outcome_ms double ms — issued to the outcome, relay's clock
-- check: outcome-known — outcome IN ('done', 'late', 'interrupted', 'rejected', 'expired', 'offline') OR outcome IS NULL
-- check: in-its-hour — unix_millis(issued_time) - unix_millis(hour) BETWEEN 0 AND 3599999
-- check: sent-before-acked — round_trip_ms IS NULL OR round_trip_ms >= 0

WITH stages AS (
  SELECT
    CAST(floor(unix_millis(e.issued_time) / 3600000) AS BIGINT) AS hour_number, e.bucket, e.command_id, e.hub_id,
    e.source_id, e.issued_time, e.stage, e.duration_ms, e.reason, e.device_id, e.firmware,
    e.extra['app'] AS app, e.extra['set'] AS "set", e.extra['deadline_ms'] AS deadline_ms,
    e.extra['device_type'] AS device_type, e.source_id <> e.hub_id AS by_relay,
    CASE
      WHEN e.source_id = e.hub_id AND e.stage = 'executed' THEN 2
      WHEN e.stage = 'done' THEN 1
      WHEN e.stage = 'late' THEN 2
      WHEN e.stage = 'interrupted' THEN 3
      WHEN e.stage = 'rejected' THEN 4
      WHEN e.stage = 'expired' THEN 5
      WHEN e.stage = 'offline' THEN 6
    END AS rank
  FROM events e
  WHERE e.kind = 'command' AND e.command_id IS NOT NULL
),
-- Whose story counts: the relay that tells the best outcome, else the one that issued first.
relay_told AS (
  SELECT *
  FROM (
    SELECT
      hour_number, command_id, source_id AS relay, MIN(rank) AS rank,
      MIN(duration_ms) FILTER (WHERE stage = 'routed') AS routed_ms,
      MIN(duration_ms) FILTER (WHERE stage = 'sent') AS sent_ms,
      MIN(duration_ms) FILTER (WHERE stage = 'acked') AS acked_ms,
      ROW_NUMBER() OVER (
        PARTITION BY hour_number, command_id ORDER BY COALESCE(MIN(rank), 99), MIN(issued_time), source_id
      ) AS place
    FROM stages WHERE by_relay GROUP BY hour_number, command_id, source_id
  ) ranked
  WHERE place = 1
),
outcome_told AS (
  SELECT hour_number, command_id, relay, reason, outcome_ms
  FROM (
    SELECT
      hour_number, command_id, source_id AS relay, reason, duration_ms AS outcome_ms,
      ROW_NUMBER() OVER (PARTITION BY hour_number, command_id, source_id ORDER BY rank, duration_ms, reason NULLS LAST) AS place
    FROM stages WHERE by_relay AND rank IS NOT NULL
  ) ranked
  WHERE place = 1
),
hub_told AS (
  SELECT
    hour_number, command_id, MIN(rank) AS rank, MAX(firmware) AS firmware, MAX(device_type) AS device_type, MAX(reason) AS reason,
    MIN(duration_ms) FILTER (WHERE stage = 'executed') AS hub_ms
  FROM stages WHERE NOT by_relay GROUP BY hour_number, command_id
),
commands AS (
  SELECT
    hour_number, command_id, MAX(bucket) AS bucket, MAX(hub_id) AS hub_id, MAX(device_id) AS device_id,
    MAX(app) AS app, MAX("set") AS "set", MIN(issued_time) AS issued_time,
    MAX(TRY_CAST(deadline_ms AS DOUBLE)) AS deadline_ms
  FROM stages GROUP BY hour_number, command_id
),
joined AS (
  SELECT
    h.hour, c.*, r.relay, r.routed_ms, r.sent_ms, r.acked_ms, u.firmware, u.device_type, u.hub_ms, o.outcome_ms,
    COALESCE(o.reason, u.reason) AS reason,
    -- No word of the relay, and none to be expected any more: the hub's own story fills, else nobody knows.
    CASE
      WHEN r.rank IS NOT NULL AND (u.rank IS NULL OR r.rank <= u.rank) THEN r.rank
      WHEN h.complete OR unix_millis(c.issued_time) + COALESCE(c.deadline_ms, 60000) + 60000 <= unix_millis(h.until)
        THEN COALESCE(u.rank, r.rank, 5)
      ELSE r.rank
    END AS rank
  FROM commands c
  JOIN hours h ON CAST(unix_millis(h.hour) / 3600000 AS BIGINT) = c.hour_number
  LEFT JOIN relay_told r ON r.hour_number = c.hour_number AND r.command_id = c.command_id
  LEFT JOIN outcome_told o ON o.hour_number = r.hour_number AND o.command_id = r.command_id AND o.relay = r.relay
  LEFT JOIN hub_told u ON u.hour_number = c.hour_number AND u.command_id = c.command_id
)
SELECT
  hour, bucket, command_id, hub_id, device_id, device_type, app, "set", issued_time, deadline_ms,
  CASE rank
    WHEN 1 THEN 'done' WHEN 2 THEN 'late' WHEN 3 THEN 'interrupted'
    WHEN 4 THEN 'rejected' WHEN 5 THEN 'expired' WHEN 6 THEN 'offline'
  END AS outcome,
  reason, relay, firmware,
  EXISTS (
    SELECT 1 FROM hubs b
    WHERE b.hub_id = j.hub_id AND b.expected AND b.valid_from <= j.issued_time
      AND (b.valid_to IS NULL OR j.issued_time < b.valid_to)
  ) AS expected,
  sent_ms AS issued_to_sent_ms,
  acked_ms - sent_ms AS round_trip_ms,
  hub_ms,
  acked_ms - sent_ms - hub_ms AS network_ms,
  sent_ms + (acked_ms - sent_ms - hub_ms) / 2 + hub_ms AS tap_to_light_ms,
  acked_ms AS issued_to_acked_ms,
  routed_ms,
  outcome_ms
FROM joined j
