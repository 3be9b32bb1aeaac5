-- metric: stream_hours
-- meaning: the account of each stream of each run of a hub, by the hour in which the gateway learned of it
-- grain: hub × boot × stream × hour
-- unit: hour
-- keys: hub_id, boot_id, stream
-- inputs: events by receipt
-- only: kind = 'batch' AND source_id = hub_id
-- carry: bucket, hub_id, boot_id, stream, next_seq, pending, pending_ranges, closed, heard_time where kept
-- affects: a batch, the hour of its receipt and, through what it leaves pending, the hours after
-- owner: jobs
-- revision: 1
-- column: hour timestamp — hour of receipt, UTC
-- column: bucket integer — bucket of the hub
-- column: hub_id string — the hub, source of the stream
-- column: boot_id string — the run of the hub
-- column: stream string — control or readings
-- column: pending_before long events — pending at the hour's start
-- column: sent long events — sequence numbers newly heard of in this hour
-- column: stored long events — of pending_before + sent, those that were stored in this hour
-- column: dead long events — … that came but could not be read
-- column: dropped long events — … that the hub discarded
-- column: lost long events — … that can no longer come: the boot was closed, or silent for 30 days
-- column: pending long events — … that may still come: pending_before + sent = stored + dead + dropped + lost + pending
-- column: duplicates long events — events that came again and were removed
-- column: next_seq long — the next number of the stream, as last heard
-- column: pending_ranges string — the pending numbers, as `from-to` (to exclusive) separated by spaces
-- column: closed boolean — the hub holds nothing of this boot any more
-- column: heard_time timestamp — when the boot was last mentioned
-- column: kept boolean — does the account go on: the 50 newest boots of a stream, and any with something pending
-- check: conservation — pending_before + sent = stored + dead + dropped + lost + pending
-- check: not-negative — sent >= 0 AND stored >= 0 AND dead >= 0 AND dropped >= 0 AND lost >= 0 AND pending >= 0

WITH hour_now AS (SELECT hour FROM hours),
-- What each batch of the hour said of its own boot and of earlier ones.
heard AS (
  SELECT hub_id, bucket, boot_id, stream, GREATEST(batch_next, batch_first + batch_count) AS next_seq, FALSE AS closed,
    event_time, batch_duplicates AS duplicates, batch_dead AS dead
  FROM events WHERE kind = 'batch'
  UNION ALL
  SELECT hub_id, bucket, boot_id, stream, next_seq, NOT held, event_time, 0, 0 FROM previous_boots
),
newest_forgotten AS (
  SELECT hub_id, stream, MIN(boot_order) AS floor_order
  FROM (SELECT hub_id, stream, boot_order(boot_id) AS boot_order FROM before) b
  GROUP BY hub_id, stream HAVING COUNT(*) >= 50
),
accounts AS (
  SELECT
    COALESCE(b.hub_id, h.hub_id) AS hub_id, COALESCE(b.bucket, h.bucket) AS bucket,
    COALESCE(b.boot_id, h.boot_id) AS boot_id, COALESCE(b.stream, h.stream) AS stream,
    COALESCE(b.next_seq, 0) AS next_before, COALESCE(b.pending, 0) AS pending_before,
    GREATEST(COALESCE(b.next_seq, 0), COALESCE(h.next_seq, 0)) AS next_seq,
    COALESCE(b.closed, FALSE) OR COALESCE(h.closed, FALSE) AS closed,
    COALESCE(h.heard_time, b.heard_time) AS heard_time,
    COALESCE(h.duplicates, 0) AS duplicates, COALESCE(h.dead, 0) AS dead
  FROM before b
  FULL OUTER JOIN (
    SELECT hub_id, MAX(bucket) AS bucket, boot_id, stream, MAX(next_seq) AS next_seq,
      MAX(CASE WHEN closed THEN 1 ELSE 0 END) = 1 AS closed, MAX(event_time) AS heard_time,
      CAST(SUM(duplicates) AS BIGINT) AS duplicates, CAST(SUM(dead) AS BIGINT) AS dead
    FROM heard GROUP BY hub_id, boot_id, stream
  ) h ON h.hub_id = b.hub_id AND h.boot_id = b.boot_id AND h.stream = b.stream
  WHERE b.hub_id IS NOT NULL OR NOT EXISTS (
    SELECT 1 FROM newest_forgotten f
    WHERE f.hub_id = h.hub_id AND f.stream = h.stream AND boot_order(h.boot_id) < f.floor_order
  )
),
-- A sweep over the ends of all ranges: open (may be settled), come, dropped.
ends AS (
  SELECT hub_id, boot_id, stream, from_seq AS point, 1 AS open, 0 AS come, 0 AS dropped FROM pending_before_ranges
  UNION ALL SELECT hub_id, boot_id, stream, to_seq, -1, 0, 0 FROM pending_before_ranges
  UNION ALL SELECT hub_id, boot_id, stream, next_before, 1, 0, 0 FROM accounts WHERE next_before < next_seq
  UNION ALL SELECT hub_id, boot_id, stream, next_seq, -1, 0, 0 FROM accounts WHERE next_before < next_seq
  UNION ALL SELECT hub_id, boot_id, stream, batch_first, 0, 1, 0 FROM events WHERE kind = 'batch' AND batch_count > 0
  UNION ALL SELECT hub_id, boot_id, stream, batch_first + batch_count, 0, -1, 0 FROM events
    WHERE kind = 'batch' AND batch_count > 0
  UNION ALL SELECT hub_id, boot_id, stream, from_seq, 0, 0, 1 FROM dropped_ranges
  UNION ALL SELECT hub_id, boot_id, stream, to_seq, 0, 0, -1 FROM dropped_ranges
),
steps AS (
  SELECT hub_id, boot_id, stream, point, SUM(open) AS open, SUM(come) AS come, SUM(dropped) AS dropped
  FROM ends GROUP BY hub_id, boot_id, stream, point
),
pieces AS (
  SELECT
    hub_id, boot_id, stream, point AS from_seq,
    LEAD(point) OVER w AS to_seq,
    SUM(open) OVER w AS open, SUM(come) OVER w AS come, SUM(dropped) OVER w AS dropped
  FROM steps
  WINDOW w AS (PARTITION BY hub_id, boot_id, stream ORDER BY point)
),
settled AS (
  SELECT
    hub_id, boot_id, stream, from_seq, to_seq,
    CASE WHEN come > 0 THEN 'come' WHEN dropped > 0 THEN 'dropped' ELSE 'gap' END AS fate
  FROM pieces WHERE open > 0 AND to_seq IS NOT NULL
),
sums AS (
  SELECT
    hub_id, boot_id, stream,
    CAST(SUM(CASE WHEN fate = 'come' THEN to_seq - from_seq ELSE 0 END) AS BIGINT) AS come,
    CAST(SUM(CASE WHEN fate = 'dropped' THEN to_seq - from_seq ELSE 0 END) AS BIGINT) AS dropped,
    CAST(SUM(CASE WHEN fate = 'gap' THEN to_seq - from_seq ELSE 0 END) AS BIGINT) AS gap
  FROM settled GROUP BY hub_id, boot_id, stream
),
-- Touching gaps are one, so that the text does not tell how often something came twice.
islands AS (
  SELECT
    hub_id, boot_id, stream, from_seq, to_seq,
    SUM(begins) OVER (PARTITION BY hub_id, boot_id, stream ORDER BY from_seq) AS island
  FROM (
    SELECT
      hub_id, boot_id, stream, from_seq, to_seq,
      CASE
        WHEN LAG(to_seq) OVER (PARTITION BY hub_id, boot_id, stream ORDER BY from_seq) = from_seq THEN 0 ELSE 1
      END AS begins
    FROM settled WHERE fate = 'gap'
  ) marked
),
gaps AS (
  SELECT hub_id, boot_id, stream, array_join(array_sort(collect_list(gap_text)), ' ') AS pending_ranges
  FROM (
    SELECT hub_id, boot_id, stream, CAST(MIN(from_seq) AS STRING) || '-' || CAST(MAX(to_seq) AS STRING) AS gap_text
    FROM islands GROUP BY hub_id, boot_id, stream, island
  ) texts
  GROUP BY hub_id, boot_id, stream
),
told AS (
  SELECT
    n.hour, a.*,
    LEAST(a.dead, COALESCE(s.come, 0)) AS dead_new, COALESCE(s.come, 0) AS come, COALESCE(s.dropped, 0) AS dropped,
    COALESCE(s.gap, 0) AS gap, g.pending_ranges,
    a.closed OR unix_millis(n.hour) - unix_millis(a.heard_time) >= 30 * CAST(86400000 AS BIGINT) AS finished
  FROM accounts a
  CROSS JOIN hour_now n
  LEFT JOIN sums s ON s.hub_id = a.hub_id AND s.boot_id = a.boot_id AND s.stream = a.stream
  LEFT JOIN gaps g ON g.hub_id = a.hub_id AND g.boot_id = a.boot_id AND g.stream = a.stream
)
SELECT
  hour, bucket, hub_id, boot_id, stream, pending_before,
  next_seq - next_before AS sent,
  come - dead_new AS stored,
  dead_new AS dead,
  dropped,
  CASE WHEN finished THEN gap ELSE 0 END AS lost,
  CASE WHEN finished THEN 0 ELSE gap END AS pending,
  duplicates,
  next_seq,
  CASE WHEN NOT finished AND gap > 0 THEN pending_ranges END AS pending_ranges,
  closed, heard_time,
  (NOT finished AND gap > 0) OR ROW_NUMBER() OVER (
    PARTITION BY hub_id, stream ORDER BY boot_order(boot_id) DESC, boot_id DESC
  ) <= 50 AS kept
FROM told
