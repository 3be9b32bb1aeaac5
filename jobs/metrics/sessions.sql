-- metric: sessions
-- meaning: each control session of each hub, a row for every hour that it was open or ended in, or that the hub then stayed away; with `ended` one row a session
-- grain: hub session × hour
-- unit: hour
-- keys: hub_id, session, connected_time
-- inputs: events by hour, events by receipt
-- only: kind IN ('connection', 'alive', 'batch')
-- carry: hub_id, bucket, session, relay, relay_boot, connected_time, disconnected_time, planned, counted, reason, alive_time where awaited
-- affects: a connection or alive event, its hour and, through what it leaves open, the hours after
-- owner: jobs
-- revision: 2
-- column: hour timestamp — the hour, UTC
-- column: bucket integer — bucket of the hub
-- column: hub_id string — the hub
-- column: session string — session epoch: generation.boot.connect
-- column: relay string — the relay that held it
-- column: relay_boot string — run of that relay
-- column: connected_time timestamp — when it connected
-- column: disconnected_time timestamp — when it ended; null while open
-- column: ended boolean — did it end in this hour
-- column: reason string — why it ended: the relay's reason, taken-over, or relay-lost
-- column: planned boolean — was the end planned (drain, hub's goodbye); a take-over never is: the hub had lost its connection; null while open
-- column: counted boolean — does its end count as a disconnect: not that of a session that the same hub followed with another within 1 s of its connect, so a flurry of take-overs is one disconnect
-- column: alive_time timestamp — last sign of life of the relay's run, up to the hour's end
-- column: from_time timestamp — connected within this hour from here
-- column: known_time timestamp — surely connected up to here
-- column: to_time timestamp — up to here neither known up nor down (unknown); equals known_time when nothing is unknown
-- column: reconnect_ms double ms — from its end to the next connect of the hub; in the hour of that connect
-- column: awaited boolean — the next hour goes on from this row: still open, or the hub is not back yet
-- check: forward — from_time <= known_time AND known_time <= to_time
-- check: one-end — NOT ended OR disconnected_time IS NOT NULL

WITH hour_now AS (SELECT hour, hour_end, until FROM hours),
-- Signs of life of each run of each relay, as seen in each bucket.
lives AS (
  SELECT bucket, source_id AS relay, boot_id AS relay_boot, MIN(event_time) AS first_time, MAX(event_time) AS last_time
  FROM events WHERE kind IN ('connection', 'alive') GROUP BY bucket, source_id, boot_id
),
connects AS (
  SELECT hub_id, MAX(bucket) AS bucket, extra['epoch'] AS session, MIN(source_id) AS relay, MIN(boot_id) AS relay_boot,
    MIN(event_time) AS connected_time
  FROM events
  WHERE kind = 'connection' AND stage = 'connected' AND extra['epoch'] IS NOT NULL
  GROUP BY hub_id, extra['epoch']
),
disconnects AS (
  SELECT hub_id, extra['epoch'] AS session, MIN(event_time) AS end_time, MIN(reason) AS reason,
    MAX(CASE WHEN extra['planned'] = 'true' AND COALESCE(reason, '') <> 'taken-over' THEN 1 ELSE 0 END) = 1 AS planned
  FROM events
  WHERE kind = 'connection' AND stage = 'disconnected' AND extra['epoch'] IS NOT NULL
  GROUP BY hub_id, extra['epoch']
),
known AS (
  SELECT hub_id, bucket, session, relay, relay_boot, connected_time, disconnected_time, planned, counted, reason,
    alive_time
  FROM before
  UNION ALL
  SELECT c.hub_id, c.bucket, c.session, c.relay, c.relay_boot, c.connected_time, NULL, NULL, NULL, NULL, c.connected_time
  FROM connects c
  WHERE NOT EXISTS (SELECT 1 FROM before b WHERE b.hub_id = c.hub_id AND b.session = c.session)
),
-- A session is followed by a higher epoch of its hub, never merely by a later time; by the earliest of all higher ones,
-- since clocks of two relays may tell epochs in another order, and two sessions never overlap.
followed AS (
  SELECT
    k.*,
    MIN(connected_time) OVER (
      PARTITION BY hub_id
      ORDER BY CAST(split_part(session, '.', 1) AS BIGINT), CAST(split_part(session, '.', 2) AS BIGINT),
        CAST(split_part(session, '.', 3) AS BIGINT)
      ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
    ) AS next_time
  FROM known k
),
-- The run of the relay that held it: its last sign of life, and the first sign of a later run of the same relay.
held AS (
  SELECT
    f.hub_id, f.bucket, f.session, f.relay, f.relay_boot, f.connected_time, f.disconnected_time, f.planned, f.counted,
    f.reason, f.next_time, d.end_time, d.reason AS end_reason, d.planned AS end_planned,
    CASE WHEN l.last_time > f.alive_time THEN l.last_time ELSE f.alive_time END AS alive_time,
    (
      SELECT MIN(n.first_time) FROM lives n
      WHERE n.bucket = f.bucket AND n.relay = f.relay AND n.relay_boot <> f.relay_boot
        AND n.first_time > COALESCE(l.last_time, f.alive_time)
        AND CAST(split_part(n.relay_boot, '-', 1) AS BIGINT) * 1000000000 + CAST(split_part(n.relay_boot, '-', 2) AS BIGINT)
          > CAST(split_part(f.relay_boot, '-', 1) AS BIGINT) * 1000000000 + CAST(split_part(f.relay_boot, '-', 2) AS BIGINT)
    ) AS next_run_time,
    -- Ingest is healthy as far as others were heard: the newest batch of the bucket that is not of this run.
    (
      SELECT MAX(b.event_time) FROM events b
      WHERE b.kind = 'batch' AND b.bucket = f.bucket AND b.boot_id <> f.relay_boot
    ) AS heard_time
  FROM followed f
  LEFT JOIN disconnects d ON d.hub_id = f.hub_id AND d.session = f.session AND d.end_time >= f.connected_time
  LEFT JOIN lives l ON l.bucket = f.bucket AND l.relay = f.relay AND l.relay_boot = f.relay_boot
),
ended_at AS (
  SELECT
    h.*,
    CASE
      WHEN disconnected_time IS NOT NULL THEN disconnected_time
      WHEN end_time IS NOT NULL AND (next_time IS NULL OR end_time <= next_time) THEN end_time
      WHEN next_time IS NOT NULL AND alive_time >= next_time THEN next_time
      WHEN next_time IS NOT NULL AND next_run_time IS NULL
        AND unix_millis(next_time) - unix_millis(alive_time) <= 75000 THEN next_time
      WHEN next_time IS NOT NULL OR next_run_time IS NOT NULL THEN alive_time
      WHEN unix_millis(heard_time) - unix_millis(alive_time) >= 900000 THEN alive_time
    END AS over_time
  FROM held h
),
told AS (
  SELECT
    e.hub_id, e.bucket, e.session, e.relay, e.relay_boot, e.connected_time, e.over_time, e.next_time, e.alive_time,
    e.disconnected_time IS NOT NULL AS was_over,
    CASE
      WHEN e.disconnected_time IS NOT NULL OR e.over_time IS NULL THEN e.reason
      WHEN e.over_time = e.end_time THEN e.end_reason
      WHEN e.over_time = e.next_time THEN 'taken-over'
      ELSE 'relay-lost'
    END AS reason,
    CASE
      WHEN e.disconnected_time IS NOT NULL THEN e.planned
      WHEN e.over_time IS NULL THEN NULL
      ELSE e.over_time = e.end_time AND COALESCE(e.end_planned, FALSE)
    END AS planned,
    CASE
      WHEN e.disconnected_time IS NOT NULL THEN e.counted
      WHEN e.over_time IS NULL THEN NULL
      ELSE NOT (
        e.next_time IS NOT NULL AND unix_millis(e.next_time) - unix_millis(e.connected_time) <= 1000
      )
    END AS counted
  FROM ended_at e
)
SELECT
  n.hour, t.bucket, t.hub_id, t.session, t.relay, t.relay_boot, t.connected_time, t.over_time AS disconnected_time,
  t.over_time IS NOT NULL AND NOT t.was_over AS ended,
  t.reason, t.planned, t.counted, t.alive_time,
  GREATEST(t.connected_time, n.hour) AS from_time,
  CASE
    WHEN t.over_time IS NOT NULL THEN GREATEST(t.over_time, n.hour, t.connected_time)
    WHEN unix_millis(n.until) - unix_millis(t.alive_time) <= 150000 THEN GREATEST(n.until, t.connected_time)
    ELSE GREATEST(t.alive_time, n.hour)
  END AS known_time,
  CASE
    WHEN t.over_time IS NOT NULL THEN GREATEST(t.over_time, n.hour, t.connected_time)
    ELSE GREATEST(n.until, t.connected_time)
  END AS to_time,
  CASE
    WHEN t.over_time IS NOT NULL AND t.next_time IS NOT NULL
      THEN CAST(GREATEST(unix_millis(t.next_time) - unix_millis(t.over_time), 0) AS DOUBLE)
  END AS reconnect_ms,
  t.next_time IS NULL AND (
    t.over_time IS NULL OR unix_millis(n.hour_end) - unix_millis(t.over_time) < 30 * CAST(86400000 AS BIGINT)
  ) AS awaited
FROM told t CROSS JOIN hour_now n
