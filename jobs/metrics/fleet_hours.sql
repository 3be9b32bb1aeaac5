-- metric: fleet_hours
-- meaning: the fleet in each hour, for each firmware and for all together
-- grain: hour × firmware
-- unit: hour of all buckets
-- keys: firmware
-- inputs: hub_hours, latency_hours
-- affects: a hub hour or a latency hour, its hour
-- owner: jobs
-- revision: 2
-- column: hour timestamp — the hour, UTC
-- column: firmware string — firmware of the hubs; `*` is the row for all firmwares together
-- column: hubs long hubs — hubs that were expected in the hour
-- column: expected_ms long ms — time that hubs were enrolled, not retired and not in maintenance
-- column: connected_ms long ms — of the expected time, control connection surely open
-- column: unknown_ms long ms — of the expected time, neither known up nor down
-- column: availability double — connected ÷ (expected − unknown)
-- column: disconnects long disconnects — unplanned, of expected hubs; MTBF = connected_ms ÷ disconnects
-- column: planned_disconnects long disconnects — planned
-- column: reconnects long — unplanned ends after which the hub was back in the hour; MTTR = reconnect_ms ÷ reconnects
-- column: reconnect_ms long ms — sum of the times until it was back
-- column: issued long commands — commands issued to expected hubs
-- column: done long commands — confirmed within the deadline
-- column: late long commands — confirmed after the deadline
-- column: interrupted long commands — the hub died while executing
-- column: rejected long commands — hub or device said no
-- column: expired long commands — no result by the deadline
-- column: offline long commands — no live connection
-- column: running long commands — no outcome yet; 0 once the hour is complete
-- column: command_success double — done ÷ (issued − running)
-- column: sent long events — telemetry numbers heard of in this hour
-- column: stored long events — stored in this hour
-- column: dead long events — came and could not be read
-- column: dropped long events — discarded by hubs
-- column: lost long events — found lost in this hour
-- column: pending_before long events — may still have come at the hour's start
-- column: pending long events — may still come at the hour's end
-- column: duplicates long events — came again and were removed
-- column: loss double — lost ÷ sent; by the hour of receipt, so over longer times add both sides first
-- column: boots long boots — runs begun
-- column: crashes long crashes — crash reports
-- column: tap_to_light_p50_ms double ms — median of tap to light (estimate), of commands that took effect (done or late)
-- column: tap_to_light_p95_ms double ms — 95th percentile
-- column: tap_to_light_p99_ms double ms — 99th percentile
-- column: issued_to_acked_p50_ms double ms — median of its upper bound
-- column: issued_to_acked_p95_ms double ms — 95th percentile
-- column: issued_to_acked_p99_ms double ms — 99th percentile
-- column: relay_share_p50_ms double ms — median of issued to sent
-- column: relay_share_p95_ms double ms — 95th percentile
-- column: relay_share_p99_ms double ms — 99th percentile
-- column: complete boolean — the hour is over and settled; false for the running hour
-- check: availability-is-a-share — availability IS NULL OR (availability >= 0 AND availability <= 1)
-- check: outcomes-sum-to-issued — issued = done + late + interrupted + rejected + expired + offline + running
-- check: events-conserved — pending_before + sent = stored + dead + dropped + lost + pending
-- check: percentiles-rise — tap_to_light_p50_ms IS NULL OR (tap_to_light_p50_ms <= tap_to_light_p95_ms AND tap_to_light_p95_ms <= tap_to_light_p99_ms)

WITH sums AS (
  SELECT
    hour, COALESCE(firmware, '*') AS firmware,
    COUNT(*) FILTER (WHERE expected_ms > 0) AS hubs,
    CAST(SUM(expected_ms) AS BIGINT) AS expected_ms,
    CAST(SUM(connected_ms) AS BIGINT) AS connected_ms,
    CAST(SUM(unknown_ms) AS BIGINT) AS unknown_ms,
    CAST(SUM(disconnects) AS BIGINT) AS disconnects,
    CAST(SUM(planned_disconnects) AS BIGINT) AS planned_disconnects,
    CAST(SUM(reconnects) AS BIGINT) AS reconnects,
    CAST(SUM(reconnect_ms) AS BIGINT) AS reconnect_ms,
    CAST(SUM(issued) AS BIGINT) AS issued,
    CAST(SUM(done) AS BIGINT) AS done,
    CAST(SUM(late) AS BIGINT) AS late,
    CAST(SUM(interrupted) AS BIGINT) AS interrupted,
    CAST(SUM(rejected) AS BIGINT) AS rejected,
    CAST(SUM(expired) AS BIGINT) AS expired,
    CAST(SUM(offline) AS BIGINT) AS offline,
    CAST(SUM(running) AS BIGINT) AS running,
    CAST(SUM(sent) AS BIGINT) AS sent,
    CAST(SUM(stored) AS BIGINT) AS stored,
    CAST(SUM(dead) AS BIGINT) AS dead,
    CAST(SUM(dropped) AS BIGINT) AS dropped,
    CAST(SUM(lost) AS BIGINT) AS lost,
    CAST(SUM(pending_before) AS BIGINT) AS pending_before,
    CAST(SUM(pending) AS BIGINT) AS pending,
    CAST(SUM(duplicates) AS BIGINT) AS duplicates,
    CAST(SUM(boots) AS BIGINT) AS boots,
    CAST(SUM(crashes) AS BIGINT) AS crashes,
    MIN(CASE WHEN complete THEN 1 ELSE 0 END) = 1 AS complete
  FROM hub_hours GROUP BY GROUPING SETS ((hour, firmware), (hour))
),
-- Histograms merged over buckets and relays; durations of zero and below stand before the first log bucket.
merged AS (
  SELECT hour, COALESCE(firmware, '*') AS firmware, hop, log_bucket, SUM(count) AS count
  FROM latency_hours
  WHERE hop IN ('tap_to_light', 'issued_to_acked', 'relay_share')
  GROUP BY GROUPING SETS ((hour, firmware, hop, log_bucket), (hour, hop, log_bucket))
),
ranked AS (
  SELECT
    hour, firmware, hop,
    CASE WHEN log_bucket IS NULL THEN CAST(0 AS DOUBLE) ELSE log_bucket_value(log_bucket) END AS ms,
    SUM(count) OVER (PARTITION BY hour, firmware, hop ORDER BY log_bucket NULLS FIRST) AS seen,
    SUM(count) OVER (PARTITION BY hour, firmware, hop) AS total
  FROM merged
),
quantiles AS (
  SELECT
    hour, firmware, hop,
    MIN(CASE WHEN seen > 0.50 * (total - 1) THEN ms END) AS p50,
    MIN(CASE WHEN seen > 0.95 * (total - 1) THEN ms END) AS p95,
    MIN(CASE WHEN seen > 0.99 * (total - 1) THEN ms END) AS p99
  FROM ranked GROUP BY hour, firmware, hop
),
wide AS (
  SELECT
    q.hour, q.firmware,
    MAX(CASE WHEN q.hop = 'tap_to_light' THEN q.p50 END) AS tap_to_light_p50_ms,
    MAX(CASE WHEN q.hop = 'tap_to_light' THEN q.p95 END) AS tap_to_light_p95_ms,
    MAX(CASE WHEN q.hop = 'tap_to_light' THEN q.p99 END) AS tap_to_light_p99_ms,
    MAX(CASE WHEN q.hop = 'issued_to_acked' THEN q.p50 END) AS issued_to_acked_p50_ms,
    MAX(CASE WHEN q.hop = 'issued_to_acked' THEN q.p95 END) AS issued_to_acked_p95_ms,
    MAX(CASE WHEN q.hop = 'issued_to_acked' THEN q.p99 END) AS issued_to_acked_p99_ms,
    MAX(CASE WHEN q.hop = 'relay_share' THEN q.p50 END) AS relay_share_p50_ms,
    MAX(CASE WHEN q.hop = 'relay_share' THEN q.p95 END) AS relay_share_p95_ms,
    MAX(CASE WHEN q.hop = 'relay_share' THEN q.p99 END) AS relay_share_p99_ms
  FROM quantiles q GROUP BY q.hour, q.firmware
),
everything AS (
  SELECT hour, firmware FROM sums UNION SELECT hour, firmware FROM wide
)
SELECT
  a.hour, a.firmware, COALESCE(s.hubs, 0) AS hubs,
  COALESCE(s.expected_ms, 0) AS expected_ms, COALESCE(s.connected_ms, 0) AS connected_ms, COALESCE(s.unknown_ms, 0) AS unknown_ms,
  CASE
    WHEN s.expected_ms > s.unknown_ms
      THEN CAST(s.connected_ms AS DOUBLE) / CAST(s.expected_ms - s.unknown_ms AS DOUBLE)
  END AS availability,
  COALESCE(s.disconnects, 0) AS disconnects, COALESCE(s.planned_disconnects, 0) AS planned_disconnects, COALESCE(s.reconnects, 0) AS reconnects, COALESCE(s.reconnect_ms, 0) AS reconnect_ms,
  COALESCE(s.issued, 0) AS issued, COALESCE(s.done, 0) AS done, COALESCE(s.late, 0) AS late,
  COALESCE(s.interrupted, 0) AS interrupted, COALESCE(s.rejected, 0) AS rejected, COALESCE(s.expired, 0) AS expired, COALESCE(s.offline, 0) AS offline, COALESCE(s.running, 0) AS running,
  CASE WHEN s.issued > s.running THEN CAST(s.done AS DOUBLE) / CAST(s.issued - s.running AS DOUBLE) END
    AS command_success,
  COALESCE(s.sent, 0) AS sent, COALESCE(s.stored, 0) AS stored, COALESCE(s.dead, 0) AS dead, COALESCE(s.dropped, 0) AS dropped,
  COALESCE(s.lost, 0) AS lost, COALESCE(s.pending_before, 0) AS pending_before, COALESCE(s.pending, 0) AS pending, COALESCE(s.duplicates, 0) AS duplicates,
  CASE WHEN s.sent > 0 THEN CAST(s.lost AS DOUBLE) / CAST(s.sent AS DOUBLE) END AS loss,
  COALESCE(s.boots, 0) AS boots, COALESCE(s.crashes, 0) AS crashes,
  w.tap_to_light_p50_ms, w.tap_to_light_p95_ms, w.tap_to_light_p99_ms,
  w.issued_to_acked_p50_ms, w.issued_to_acked_p95_ms, w.issued_to_acked_p99_ms,
  w.relay_share_p50_ms, w.relay_share_p95_ms, w.relay_share_p99_ms,
  COALESCE(s.complete, h.complete) AS complete
FROM everything a
JOIN hours h ON h.hour = a.hour
LEFT JOIN sums s ON s.hour = a.hour AND s.firmware = a.firmware
LEFT JOIN wide w ON w.hour = a.hour AND w.firmware = a.firmware
