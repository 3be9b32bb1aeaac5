-- metric: hubs
-- meaning: who belongs to the fleet, over time: the registry's events as history
-- grain: hub × validity: a row for every time in which nothing of it changes
-- unit: bucket
-- keys: hub_id, valid_from
-- inputs: events by validity
-- only: kind = 'registry'
-- affects: a registry event, all of its bucket's history
-- owner: jobs
-- revision: 1
-- column: hub_id string — the hub
-- column: bucket integer — bucket of the hub
-- column: valid_from timestamp — the record counts from here on
-- column: valid_to timestamp — and up to here, exclusive; null while it is the newest
-- column: home string — home that the hub stands in
-- column: region string — region of the home
-- column: model string — model of the hub
-- column: zone string — IANA time zone of the home
-- column: generation long — rises when the hub is enrolled anew
-- column: enrolled_time timestamp — when the hub was enrolled
-- column: retired_time timestamp — when the hub was retired; null while it is not
-- column: maintenance boolean — is this time inside a maintenance window
-- column: expected boolean — enrolled, not retired and not in maintenance: only then does it count
-- check: forward — valid_to IS NULL OR valid_to > valid_from

WITH told AS (
  SELECT
    hub_id, bucket, boot_id, seq,
    CAST(TRY_CAST(extra['valid_from_ms'] AS DOUBLE) AS BIGINT) AS valid_from_ms,
    extra['home'] AS home, extra['region'] AS region, extra['model'] AS model, extra['zone'] AS zone,
    CAST(TRY_CAST(extra['generation'] AS DOUBLE) AS BIGINT) AS generation,
    CAST(TRY_CAST(extra['enrolled_ms'] AS DOUBLE) AS BIGINT) AS enrolled_ms,
    CAST(TRY_CAST(extra['retired_ms'] AS DOUBLE) AS BIGINT) AS retired_ms,
    ROW_NUMBER() OVER (
      PARTITION BY hub_id, extra['valid_from_ms'] ORDER BY event_time DESC, boot_id DESC, seq DESC
    ) AS newest
  FROM events
  WHERE kind = 'registry' AND TRY_CAST(extra['valid_from_ms'] AS DOUBLE) IS NOT NULL
),
records AS (
  SELECT *, LEAD(valid_from_ms) OVER (PARTITION BY hub_id ORDER BY valid_from_ms) AS valid_to_ms
  FROM told WHERE newest = 1
),
-- Every moment at which something about a hub changes: its records, enrolment, retirement, maintenance windows.
moments AS (
  SELECT hub_id, valid_from_ms, valid_from_ms AS at_ms FROM records
  UNION SELECT hub_id, valid_from_ms, enrolled_ms FROM records
  UNION SELECT hub_id, valid_from_ms, retired_ms FROM records
  UNION SELECT r.hub_id, r.valid_from_ms, w.from_ms FROM records r JOIN maintenance_windows w USING (hub_id, boot_id, seq)
  UNION SELECT r.hub_id, r.valid_from_ms, w.to_ms FROM records r JOIN maintenance_windows w USING (hub_id, boot_id, seq)
),
spans AS (
  SELECT
    r.*, m.at_ms AS from_ms,
    COALESCE(LEAD(m.at_ms) OVER (PARTITION BY r.hub_id, r.valid_from_ms ORDER BY m.at_ms), r.valid_to_ms) AS to_ms
  FROM records r JOIN moments m
    ON m.hub_id = r.hub_id AND m.valid_from_ms = r.valid_from_ms AND m.at_ms >= r.valid_from_ms
    AND (r.valid_to_ms IS NULL OR m.at_ms < r.valid_to_ms)
),
judged AS (
  SELECT
    s.*,
    EXISTS (
      SELECT 1 FROM maintenance_windows w
      WHERE w.hub_id = s.hub_id AND w.boot_id = s.boot_id AND w.seq = s.seq
        AND w.from_ms <= s.from_ms AND s.from_ms < w.to_ms
    ) AS maintenance
  FROM spans s
)
SELECT
  hub_id, bucket, timestamp_millis(from_ms) AS valid_from, timestamp_millis(to_ms) AS valid_to,
  home, region, model, zone, generation,
  timestamp_millis(enrolled_ms) AS enrolled_time, timestamp_millis(retired_ms) AS retired_time,
  maintenance,
  NOT maintenance AND from_ms >= enrolled_ms AND (retired_ms IS NULL OR from_ms < retired_ms) AS expected
FROM judged
