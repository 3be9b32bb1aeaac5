-- metric: device_days
-- meaning: how devices of each type answered commands in a day
-- grain: day × device type
-- unit: day of all buckets
-- keys: device_type
-- inputs: command_traces
-- affects: a command trace, the day of its hour
-- owner: jobs
-- revision: 1
-- column: day timestamp — begin of the day of issue, UTC
-- column: device_type string — lamp, lock, …, as the hub told for any command to the device on that day; `unknown` where it told none
-- column: devices long devices — devices that a command was issued to
-- column: issued long commands — commands issued to devices of hubs that were expected (enrolled, not retired, not in maintenance)
-- column: done long commands — of issued: confirmed within the deadline
-- column: late long commands — of issued: confirmed after the deadline
-- column: interrupted long commands — of issued: the hub died while executing
-- column: rejected long commands — of issued: hub or device said no
-- column: expired long commands — of issued: no result by the deadline
-- column: offline long commands — of issued: no live connection
-- column: running long commands — of issued: no outcome yet; 0 once its last hour is made as complete
-- column: command_success double — done ÷ (issued − running)
-- column: radio_count long commands — radio round trips that the percentiles are of: received to executed by the hub's clock, of all commands that took effect (done or late)
-- column: radio_p50_ms double ms — median radio round trip, from log buckets of 1 % relative error
-- column: radio_p95_ms double ms — 95th percentile
-- column: radio_p99_ms double ms — 99th percentile
-- check: outcomes-sum-to-issued — issued = done + late + interrupted + rejected + expired + offline + running
-- check: percentiles-rise — radio_p50_ms IS NULL OR (radio_p50_ms <= radio_p95_ms AND radio_p95_ms <= radio_p99_ms)

WITH types AS (
  SELECT hub_id, device_id, MAX(device_type) AS device_type FROM command_traces GROUP BY hub_id, device_id
),
commands AS (
  SELECT
    date_trunc('day', c.hour) AS day, COALESCE(t.device_type, 'unknown') AS device_type,
    c.hub_id || ' ' || COALESCE(c.device_id, '') AS device, c.expected, c.outcome, c.hub_ms
  FROM command_traces c
  LEFT JOIN types t ON t.hub_id = c.hub_id AND t.device_id = c.device_id
),
sums AS (
  SELECT
    day, device_type,
    COUNT(DISTINCT device) AS devices,
    COUNT(*) FILTER (WHERE expected) AS issued,
    COUNT(*) FILTER (WHERE expected AND outcome = 'done') AS done,
    COUNT(*) FILTER (WHERE expected AND outcome = 'late') AS late,
    COUNT(*) FILTER (WHERE expected AND outcome = 'interrupted') AS interrupted,
    COUNT(*) FILTER (WHERE expected AND outcome = 'rejected') AS rejected,
    COUNT(*) FILTER (WHERE expected AND outcome = 'expired') AS expired,
    COUNT(*) FILTER (WHERE expected AND outcome = 'offline') AS offline,
    COUNT(*) FILTER (WHERE expected AND outcome IS NULL) AS running
  FROM commands GROUP BY day, device_type
),
-- The histogram of each type, merged over its hours, hubs and relays; durations of zero stand before the first log bucket.
histograms AS (
  SELECT day, device_type, log_bucket(hub_ms) AS log_bucket, COUNT(*) AS count
  FROM commands WHERE hub_ms IS NOT NULL AND outcome IN ('done', 'late')
  GROUP BY day, device_type, log_bucket(hub_ms)
),
ranked AS (
  SELECT
    day, device_type,
    -- POWER differs in its last bit between engines.
    CASE WHEN log_bucket IS NULL THEN CAST(0 AS DOUBLE) ELSE ROUND(log_bucket_value(log_bucket), 6) END AS ms,
    SUM(count) OVER (PARTITION BY day, device_type ORDER BY log_bucket NULLS FIRST) AS seen,
    SUM(count) OVER (PARTITION BY day, device_type) AS total
  FROM histograms
),
quantiles AS (
  SELECT
    day, device_type,
    CAST(MAX(total) AS BIGINT) AS radio_count,
    MIN(CASE WHEN seen > 0.50 * (total - 1) THEN ms END) AS p50,
    MIN(CASE WHEN seen > 0.95 * (total - 1) THEN ms END) AS p95,
    MIN(CASE WHEN seen > 0.99 * (total - 1) THEN ms END) AS p99
  FROM ranked GROUP BY day, device_type
)
SELECT
  s.day, s.device_type, s.devices, s.issued, s.done, s.late, s.interrupted, s.rejected, s.expired, s.offline, s.running,
  CASE WHEN s.issued > s.running THEN CAST(s.done AS DOUBLE) / CAST(s.issued - s.running AS DOUBLE) END
    AS command_success,
  COALESCE(q.radio_count, 0) AS radio_count, q.p50 AS radio_p50_ms, q.p95 AS radio_p95_ms, q.p99 AS radio_p99_ms
FROM sums s
LEFT JOIN quantiles q ON q.day = s.day AND q.device_type = s.device_type
