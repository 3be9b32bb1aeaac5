-- metric: latency_hours
-- meaning: durations of commands that took effect (done or late), as histograms with log buckets of 1 % relative error, mergeable by adding counts
-- grain: hour × hop × firmware × relay × log bucket
-- unit: hour
-- keys: hop, firmware, relay, log_bucket
-- inputs: command_traces
-- affects: a command trace, its hour
-- owner: jobs
-- revision: 1
-- column: hour timestamp — hour of issue, UTC
-- column: bucket integer — bucket of the hubs; add over buckets
-- column: hop string — tap_to_light, issued_to_acked, relay_share, round_trip, network or hub
-- column: firmware string — firmware of the hub; `unknown` when it told none
-- column: relay string — relay that issued the command
-- column: log_bucket integer — i covers (γ^(i−1), γ^i] ms with γ = 1.01/0.99; null for durations of zero and below
-- column: count long commands — durations in the bucket
-- column: sum_ms double ms — their sum
-- column: min_ms double ms — the smallest
-- column: max_ms double ms — the largest
-- check: counted — count > 0
-- check: between — min_ms <= max_ms

WITH durations AS (
  SELECT hour, bucket, 'tap_to_light' AS hop, firmware, relay, tap_to_light_ms AS ms, outcome FROM command_traces
  UNION ALL SELECT hour, bucket, 'issued_to_acked', firmware, relay, issued_to_acked_ms, outcome FROM command_traces
  UNION ALL SELECT hour, bucket, 'relay_share', firmware, relay, issued_to_sent_ms, outcome FROM command_traces
  UNION ALL SELECT hour, bucket, 'round_trip', firmware, relay, round_trip_ms, outcome FROM command_traces
  UNION ALL SELECT hour, bucket, 'network', firmware, relay, network_ms, outcome FROM command_traces
  UNION ALL SELECT hour, bucket, 'hub', firmware, relay, hub_ms, outcome FROM command_traces
)
SELECT
  hour, bucket, hop, COALESCE(firmware, 'unknown') AS firmware, COALESCE(relay, 'unknown') AS relay,
  log_bucket(ms) AS log_bucket,
  COUNT(*) AS count,
  -- Summed in whole microseconds: a sum of doubles would depend on the order of the rows.
  CAST(SUM(CAST(ROUND(ms * 1000) AS BIGINT)) AS BIGINT) / CAST(1000 AS DOUBLE) AS sum_ms,
  MIN(ms) AS min_ms, MAX(ms) AS max_ms
FROM durations
WHERE ms IS NOT NULL AND outcome IN ('done', 'late')
GROUP BY hour, bucket, hop, COALESCE(firmware, 'unknown'), COALESCE(relay, 'unknown'), log_bucket(ms)
