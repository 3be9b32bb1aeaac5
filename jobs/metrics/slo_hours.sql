-- metric: slo_hours
-- meaning: what each objective counts in each hour: good and bad of a total
-- grain: hour × objective
-- unit: hour of all buckets
-- keys: objective
-- inputs: hub_hours, latency_hours, objectives by validity
-- affects: a hub hour or a latency hour, its hour; an objective, all hours
-- owner: jobs
-- revision: 1
-- column: hour timestamp — the hour, UTC
-- column: objective string — name of the objective
-- column: measure string — availability (connected of expected ms), command_success (done of issued), latency (durations up to a threshold) or loss (sent and not lost, of sent)
-- column: good long — of total: what kept to the objective; of loss it may be below 0 in an hour that learned of the loss of events sent before it
-- column: bad long — of total: what did not: good + bad = total
-- column: total long — what counts: known expected ms; commands with an outcome; commands that took effect and whose duration is known; events sent
-- column: excluded long — what is left out: unknown ms; commands to hubs that were not expected, and those still running; 0 of the other measures
-- column: matched long — rows of the hour that the objective is made of; 0 in each hour of its window means that it matches no data, which is an error of the objective
-- column: target double — good ÷ total should be at least this, over the window
-- column: window_days integer days — the window, up to now
-- column: minimum_total long — with a smaller total over the window there is too little data to judge by
-- column: complete boolean — the hour is over and settled; false for the running hour
-- check: good-and-bad-are-total — good + bad = total
-- check: not-negative — bad >= 0 AND total >= 0 AND excluded >= 0 AND matched >= 0

WITH hubs_told AS (
  SELECT
    h.hour, o.objective, COUNT(*) AS matched,
    CAST(SUM(CASE o.measure
      WHEN 'availability' THEN h.connected_ms
      WHEN 'command_success' THEN h.done
      ELSE h.sent - h.lost
    END) AS BIGINT) AS good,
    CAST(SUM(CASE o.measure
      WHEN 'availability' THEN h.expected_ms - h.unknown_ms
      WHEN 'command_success' THEN h.issued - h.running
      ELSE h.sent
    END) AS BIGINT) AS total,
    CAST(SUM(CASE o.measure
      WHEN 'availability' THEN h.unknown_ms
      WHEN 'command_success' THEN h.unexpected + h.running
      ELSE 0
    END) AS BIGINT) AS excluded
  FROM hub_hours h
  JOIN objectives o ON o.measure IN ('availability', 'command_success', 'loss')
    AND (o.firmware IS NULL OR o.firmware = h.firmware)
    AND (o.region IS NULL OR o.region = h.region)
    AND (o.model IS NULL OR o.model = h.model)
  GROUP BY h.hour, o.objective
),
-- A duration is good up to the end of the threshold's log bucket, 2 % above the threshold at most; zero is in no bucket.
durations_told AS (
  SELECT
    l.hour, o.objective, COUNT(*) AS matched,
    CAST(SUM(CASE WHEN l.log_bucket IS NULL OR l.log_bucket <= log_bucket(o.threshold_ms) THEN l.count ELSE 0 END)
      AS BIGINT) AS good,
    CAST(SUM(l.count) AS BIGINT) AS total,
    CAST(0 AS BIGINT) AS excluded
  FROM latency_hours l
  JOIN objectives o ON o.measure = 'latency' AND o.hop = l.hop AND (o.firmware IS NULL OR o.firmware = l.firmware)
  GROUP BY l.hour, o.objective
),
told AS (
  SELECT hour, objective, matched, good, total, excluded FROM hubs_told
  UNION ALL SELECT hour, objective, matched, good, total, excluded FROM durations_told
)
SELECT
  h.hour, o.objective, o.measure,
  COALESCE(t.good, 0) AS good, COALESCE(t.total, 0) - COALESCE(t.good, 0) AS bad, COALESCE(t.total, 0) AS total,
  COALESCE(t.excluded, 0) AS excluded, COALESCE(t.matched, 0) AS matched,
  o.target, o.window_days, o.minimum_total, h.complete
FROM hours h
CROSS JOIN objectives o
LEFT JOIN told t ON t.hour = h.hour AND t.objective = o.objective
