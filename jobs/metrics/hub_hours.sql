-- metric: hub_hours
-- meaning: what each hub of the fleet did in each hour, silent ones too
-- grain: hub × hour
-- unit: hour
-- keys: hub_id
-- inputs: events by hour, hubs, command_traces, sessions, stream_hours
-- only: source_id = hub_id AND kind NOT IN ('batch', 'dead')
-- carry: hub_id, bucket, firmware, boot_generation, boot_counter where not retired
-- affects: an event, its hour; boots and firmware through what is carried, the hours after
-- owner: jobs
-- revision: 3
-- column: hour timestamp — the hour, UTC
-- column: bucket integer — bucket of the hub
-- column: hub_id string — the hub
-- column: region string — its region, by the registry
-- column: model string — its model, by the registry
-- column: firmware string — its firmware at the hour's end, the last known one when silent; `unknown` when it never told
-- column: expected_ms long ms — enrolled, not retired and not in maintenance
-- column: connected_ms long ms — of the expected time, control connection surely open
-- column: unknown_ms long ms — of the expected time, neither known up nor down: its relay had gone silent
-- column: availability double — connected ÷ (expected − unknown); null when nothing was expected or known
-- column: disconnects long disconnects — unplanned, while the hub was expected
-- column: planned_disconnects long disconnects — planned, or while the hub was not expected (in maintenance, retired)
-- column: reconnects long — unplanned ends after which the hub was back in this hour
-- column: reconnect_ms long ms — sum of the times until it was back
-- column: issued long commands — commands issued in this hour while the hub was expected
-- column: done long commands — of issued: confirmed within the deadline
-- column: late long commands — of issued: confirmed after the deadline
-- column: interrupted long commands — of issued: the hub died while executing
-- column: rejected long commands — of issued: hub or device said no
-- column: expired long commands — of issued: no result by the deadline
-- column: offline long commands — of issued: no live connection
-- column: running long commands — of issued: no outcome yet; 0 once the hour is complete
-- column: unexpected long commands — commands issued while the hub was not expected; not in issued
-- column: sent long events — telemetry numbers heard of in this hour (stream_hours)
-- column: stored long events — stored in this hour
-- column: dead long events — came in this hour and could not be read
-- column: dropped long events — discarded by the hub, as heard in this hour
-- column: lost long events — found lost in this hour
-- column: pending_before long events — may still have come at the hour's start
-- column: pending long events — may still come at the hour's end
-- column: duplicates long events — came again in this hour and were removed
-- column: boots long boots — runs begun since the last hour heard of, by the boot counter, those never heard of too
-- column: crashes long crashes — crash reports
-- column: boot_generation long — generation of the newest boot known
-- column: boot_counter long — counter of the newest boot known
-- column: retired boolean — the hub was retired before the hour's end
-- column: complete boolean — the hour is over and settled; false for the running hour
-- check: time-within-expected — connected_ms >= 0 AND unknown_ms >= 0 AND connected_ms + unknown_ms <= expected_ms
-- check: outcomes-sum-to-issued — issued = done + late + interrupted + rejected + expired + offline + running
-- check: events-conserved — pending_before + sent = stored + dead + dropped + lost + pending
-- check: nothing-runs-for-ever — NOT complete OR running = 0

WITH hour_now AS (SELECT hour, hour_end, until, complete FROM hours),
-- The registry within the hour.
spans AS (
  SELECT
    b.hub_id, b.bucket, b.region, b.model, b.expected, b.retired_time, b.valid_from,
    GREATEST(b.valid_from, n.hour) AS from_time,
    CASE WHEN b.valid_to IS NULL OR b.valid_to > n.until THEN n.until ELSE b.valid_to END AS to_time,
    ROW_NUMBER() OVER (PARTITION BY b.hub_id ORDER BY b.valid_from DESC) AS newest
  FROM hubs b JOIN hour_now n ON b.valid_from < n.until AND (b.valid_to IS NULL OR b.valid_to > n.hour)
),
registered AS (
  SELECT
    s.hub_id, MAX(s.bucket) AS bucket,
    MAX(CASE WHEN s.newest = 1 THEN s.region END) AS region, MAX(CASE WHEN s.newest = 1 THEN s.model END) AS model,
    MAX(CASE WHEN s.newest = 1 AND s.retired_time <= n.until THEN 1 ELSE 0 END) = 1 AS retired,
    CAST(SUM(CASE WHEN s.expected THEN unix_millis(s.to_time) - unix_millis(s.from_time) ELSE 0 END) AS BIGINT)
      AS expected_ms
  FROM spans s CROSS JOIN hour_now n GROUP BY s.hub_id
),
connected AS (
  SELECT
    s.hub_id,
    CAST(SUM(GREATEST(
      unix_millis(LEAST(c.known_time, s.to_time)) - unix_millis(GREATEST(c.from_time, s.from_time)), 0
    )) AS BIGINT) AS connected_ms,
    CAST(SUM(GREATEST(
      unix_millis(LEAST(c.to_time, s.to_time)) - unix_millis(GREATEST(c.known_time, s.from_time)), 0
    )) AS BIGINT) AS unknown_ms
  FROM spans s JOIN sessions c ON c.hub_id = s.hub_id
  WHERE s.expected
  GROUP BY s.hub_id
),
judged AS (
  SELECT
    c.hub_id, c.ended, c.reconnect_ms,
    NOT c.planned AND EXISTS (
      SELECT 1 FROM hubs b
      WHERE b.hub_id = c.hub_id AND b.expected AND b.valid_from <= c.disconnected_time
        AND (b.valid_to IS NULL OR c.disconnected_time < b.valid_to)
    ) AS unplanned
  FROM sessions c WHERE c.counted AND c.disconnected_time IS NOT NULL
),
ends AS (
  SELECT
    hub_id,
    COUNT(*) FILTER (WHERE ended AND unplanned) AS disconnects,
    COUNT(*) FILTER (WHERE ended AND NOT unplanned) AS planned_disconnects,
    COUNT(*) FILTER (WHERE reconnect_ms IS NOT NULL AND unplanned) AS reconnects,
    CAST(COALESCE(SUM(CAST(reconnect_ms AS BIGINT)) FILTER (WHERE unplanned), 0) AS BIGINT) AS reconnect_ms
  FROM judged GROUP BY hub_id
),
commands AS (
  SELECT
    hub_id, MAX(bucket) AS bucket,
    COUNT(*) FILTER (WHERE expected) AS issued,
    COUNT(*) FILTER (WHERE expected AND outcome = 'done') AS done,
    COUNT(*) FILTER (WHERE expected AND outcome = 'late') AS late,
    COUNT(*) FILTER (WHERE expected AND outcome = 'interrupted') AS interrupted,
    COUNT(*) FILTER (WHERE expected AND outcome = 'rejected') AS rejected,
    COUNT(*) FILTER (WHERE expected AND outcome = 'expired') AS expired,
    COUNT(*) FILTER (WHERE expected AND outcome = 'offline') AS offline,
    COUNT(*) FILTER (WHERE expected AND outcome IS NULL) AS running,
    COUNT(*) FILTER (WHERE NOT expected) AS unexpected
  FROM command_traces GROUP BY hub_id
),
streams AS (
  SELECT
    hub_id, MAX(bucket) AS bucket,
    CAST(SUM(sent) AS BIGINT) AS sent, CAST(SUM(stored) AS BIGINT) AS stored, CAST(SUM(dead) AS BIGINT) AS dead,
    CAST(SUM(dropped) AS BIGINT) AS dropped, CAST(SUM(lost) AS BIGINT) AS lost,
    CAST(SUM(pending_before) AS BIGINT) AS pending_before, CAST(SUM(pending) AS BIGINT) AS pending,
    CAST(SUM(duplicates) AS BIGINT) AS duplicates
  FROM stream_hours GROUP BY hub_id
),
boots AS (
  SELECT hub_id, boot_id, MAX(bucket) AS bucket, COUNT(*) FILTER (WHERE kind = 'crash') AS crashes
  FROM events GROUP BY hub_id, boot_id
),
told AS (
  SELECT
    t.hub_id, MAX(t.bucket) AS bucket, MAX(boot_order(t.boot_id)) AS boot_newest,
    COUNT(CASE
      WHEN b.boot_generation IS NULL
        OR boot_order(t.boot_id) > b.boot_generation * 1000000000 + b.boot_counter THEN t.boot_id
    END) AS boots_seen,
    CAST(SUM(t.crashes) AS BIGINT) AS crashes
  FROM boots t LEFT JOIN before b ON b.hub_id = t.hub_id
  GROUP BY t.hub_id
),
newest_told AS (SELECT hub_id, MAX(event_time) AS event_time FROM events WHERE firmware IS NOT NULL GROUP BY hub_id),
firmwares AS (
  SELECT hub_id, firmware
  FROM (
    SELECT e.hub_id, e.firmware,
      ROW_NUMBER() OVER (PARTITION BY e.hub_id ORDER BY boot_order(e.boot_id) DESC, e.seq DESC, e.stream) AS place
    FROM events e JOIN newest_told n ON n.hub_id = e.hub_id AND n.event_time = e.event_time
    WHERE e.firmware IS NOT NULL
  ) ranked
  WHERE place = 1
),
everyone AS (
  SELECT hub_id, bucket FROM registered
  UNION SELECT hub_id, bucket FROM told
  UNION SELECT hub_id, bucket FROM commands
  UNION SELECT hub_id, bucket FROM streams WHERE sent + duplicates + pending_before + pending > 0
  UNION SELECT hub_id, bucket FROM before
),
joined AS (
  SELECT
    a.hub_id, a.bucket, r.region, r.model,
    COALESCE(f.firmware, b.firmware, 'unknown') AS firmware,
    COALESCE(r.expected_ms, 0) AS expected_ms, COALESCE(c.connected_ms, 0) AS connected_ms,
    COALESCE(c.unknown_ms, 0) AS unknown_ms,
    b.boot_generation AS generation_before, b.boot_counter AS counter_before,
    b.boot_generation * 1000000000 + b.boot_counter AS boot_before, t.boot_newest,
    COALESCE(t.boots_seen, 0) AS boots_seen, COALESCE(t.crashes, 0) AS crashes, COALESCE(r.retired, FALSE) AS retired
  FROM everyone a
  LEFT JOIN registered r ON r.hub_id = a.hub_id
  LEFT JOIN connected c ON c.hub_id = a.hub_id
  LEFT JOIN told t ON t.hub_id = a.hub_id
  LEFT JOIN firmwares f ON f.hub_id = a.hub_id
  LEFT JOIN before b ON b.hub_id = a.hub_id
)
SELECT
  n.hour, j.bucket, j.hub_id, j.region, j.model, j.firmware, j.expected_ms, j.connected_ms, j.unknown_ms,
  CASE
    WHEN j.expected_ms > j.unknown_ms
      THEN CAST(j.connected_ms AS DOUBLE) / CAST(j.expected_ms - j.unknown_ms AS DOUBLE)
  END AS availability,
  COALESCE(e.disconnects, 0) AS disconnects, COALESCE(e.planned_disconnects, 0) AS planned_disconnects,
  COALESCE(e.reconnects, 0) AS reconnects, COALESCE(e.reconnect_ms, 0) AS reconnect_ms,
  COALESCE(c.issued, 0) AS issued, COALESCE(c.done, 0) AS done, COALESCE(c.late, 0) AS late,
  COALESCE(c.interrupted, 0) AS interrupted, COALESCE(c.rejected, 0) AS rejected, COALESCE(c.expired, 0) AS expired,
  COALESCE(c.offline, 0) AS offline, COALESCE(c.running, 0) AS running, COALESCE(c.unexpected, 0) AS unexpected,
  COALESCE(s.sent, 0) AS sent, COALESCE(s.stored, 0) AS stored, COALESCE(s.dead, 0) AS dead,
  COALESCE(s.dropped, 0) AS dropped, COALESCE(s.lost, 0) AS lost, COALESCE(s.pending_before, 0) AS pending_before,
  COALESCE(s.pending, 0) AS pending, COALESCE(s.duplicates, 0) AS duplicates,
  -- Within a generation the counter tells of the runs, too, that never got a word out.
  CASE
    WHEN j.boot_newest IS NULL THEN 0
    WHEN j.boot_before IS NULL OR FLOOR(j.boot_newest / 1000000000) > j.generation_before THEN j.boots_seen
    ELSE GREATEST(j.boot_newest - j.boot_before, 0)
  END AS boots,
  j.crashes,
  CASE
    WHEN j.boot_newest > COALESCE(j.boot_before, -1) THEN CAST(FLOOR(j.boot_newest / 1000000000) AS BIGINT)
    ELSE j.generation_before
  END AS boot_generation,
  CASE WHEN j.boot_newest > COALESCE(j.boot_before, -1) THEN j.boot_newest % 1000000000 ELSE j.counter_before
  END AS boot_counter,
  j.retired, n.complete
FROM joined j
CROSS JOIN hour_now n
LEFT JOIN ends e ON e.hub_id = j.hub_id
LEFT JOIN commands c ON c.hub_id = j.hub_id
LEFT JOIN streams s ON s.hub_id = j.hub_id
