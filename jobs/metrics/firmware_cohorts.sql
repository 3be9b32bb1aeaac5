-- metric: firmware_cohorts
-- meaning: how hubs on each firmware did in a day beside the hubs on any other firmware, in the same hours and at equal hub-hours
-- grain: day × firmware × measure
-- unit: day of all buckets
-- keys: firmware, measure
-- inputs: hub_hours
-- affects: a hub hour, its day
-- owner: jobs
-- revision: 1
-- column: day timestamp — begin of the day, UTC
-- column: firmware string — firmware of the cohort; hubs that never told theirs are in none
-- column: measure string — disconnects (unplanned) per hub-hour, crashes per hub-hour, command_failure (not done ÷ issued) or loss (lost ÷ sent)
-- column: hours long hours — hours that count: those in which both the cohort and the others have something to divide by
-- column: hub_hours double hours — of the cohort in those hours, expected ones; an hour weighs as much as it has of them
-- column: hubs long hubs — hubs of the cohort in those hours
-- column: events long — of the measure in the cohort: disconnects, crashes, commands that failed, events lost
-- column: exposure double — what they are divided by: hub-hours, commands, events sent
-- column: other_hubs long hubs — hubs on any other firmware in those hours; one that changed its firmware is on both sides
-- column: other_events long — of the measure in the others
-- column: other_exposure double — what those are divided by
-- column: data string — enough, too few hubs (below 10 on a side), too few events (below 5 expected on a side, were both alike) or nothing to compare; with any but enough the columns after this one are null
-- column: rate double — of the cohort: mean of its hourly rates, weighted by its own hub-hours
-- column: other_rate double — of the others: mean of their hourly rates, by the same weights
-- column: difference double — rate − other_rate
-- column: low double — lower end of the 95 % confidence interval of the difference
-- column: high double — upper end
-- check: between — difference IS NULL OR (low <= difference AND difference <= high)
-- check: null-when-too-little — (data = 'enough') = (difference IS NOT NULL)

-- The difference of two directly standardised rates (Rothman, Greenland, Lash: Modern Epidemiology, 3rd ed. 2008, ch. 3 and
-- 15). Its interval is difference ± t standard errors, with hubs as the sampling units: the variance is the sum over hubs of
-- their squared linearised contributions, times m ÷ (m − 1) for m hubs on the smaller side (Liang, Zeger: Biometrika 73, 1986;
-- Binder: International Statistical Review 51, 1983). So one hub that crashes all day counts as one hub and not as a hundred
-- crashes. t is Student's quantile for m − 1 degrees of freedom, since few sampling units tell too small a variance (Cameron,
-- Miller: Journal of Human Resources 50, 2015), by its expansion (Abramowitz, Stegun: 26.7.5), which is right to 0.0003 from
-- 9 degrees on. With fewer than 5 expected events the approximation is poor (Cochran: Biometrics 10, 1954).
WITH hub_facts AS (
  SELECT hour, hub_id, firmware, expected_ms AS weight, 'disconnects' AS measure, disconnects AS events, expected_ms AS parts
  FROM hub_hours
  UNION ALL SELECT hour, hub_id, firmware, expected_ms, 'crashes', crashes, expected_ms FROM hub_hours
  UNION ALL SELECT hour, hub_id, firmware, expected_ms, 'command_failure', issued - running - done, issued - running
    FROM hub_hours
  UNION ALL SELECT hour, hub_id, firmware, expected_ms, 'loss', lost, sent FROM hub_hours
),
facts AS (
  SELECT * FROM hub_facts WHERE weight > 0 AND firmware <> 'unknown'
),
cohorts AS (
  SELECT
    hour, firmware, measure, CAST(SUM(weight) AS BIGINT) AS weight, CAST(SUM(events) AS BIGINT) AS events,
    CAST(SUM(parts) AS BIGINT) AS parts
  FROM facts GROUP BY hour, firmware, measure
),
everyone AS (
  SELECT hour, measure, CAST(SUM(events) AS BIGINT) AS events, CAST(SUM(parts) AS BIGINT) AS parts
  FROM cohorts GROUP BY hour, measure
),
compared AS (
  SELECT
    c.hour, c.firmware, c.measure, c.weight, c.events, c.parts,
    e.events - c.events AS other_events, e.parts - c.parts AS other_parts,
    CAST(c.events AS DOUBLE) / CAST(c.parts AS DOUBLE) AS rate,
    CAST(e.events - c.events AS DOUBLE) / CAST(e.parts - c.parts AS DOUBLE) AS other_rate
  FROM cohorts c JOIN everyone e ON e.hour = c.hour AND e.measure = c.measure
  WHERE c.parts > 0 AND e.parts > c.parts
),
sums AS (
  SELECT
    firmware, measure, COUNT(*) AS hours, CAST(SUM(weight) AS BIGINT) AS weight,
    CAST(SUM(events) AS BIGINT) AS events, CAST(SUM(parts) AS BIGINT) AS parts,
    CAST(SUM(other_events) AS BIGINT) AS other_events, CAST(SUM(other_parts) AS BIGINT) AS other_parts,
    -- Parts of hub-hours are milliseconds.
    CASE WHEN measure IN ('disconnects', 'crashes') THEN CAST(3600000 AS DOUBLE) ELSE CAST(1 AS DOUBLE) END AS scale
  FROM compared GROUP BY firmware, measure
),
-- Doubles are summed as whole numbers: else a sum would depend on the order of the rows.
standardised AS (
  SELECT
    c.firmware, c.measure,
    CAST(SUM(CAST(ROUND(1e12 * s.scale * c.rate * c.weight / s.weight) AS BIGINT)) AS BIGINT) / 1e12 AS rate,
    CAST(SUM(CAST(ROUND(1e12 * s.scale * c.other_rate * c.weight / s.weight) AS BIGINT)) AS BIGINT) / 1e12 AS other_rate
  FROM compared c JOIN sums s ON s.firmware = c.firmware AND s.measure = c.measure
  GROUP BY c.firmware, c.measure
),
-- What each hub contributes to the deviation of either rate from what it would be on the average, times all parts of the side.
contributions AS (
  SELECT
    c.firmware, c.measure, f.hub_id,
    MAX(CASE WHEN f.firmware = c.firmware THEN 1 ELSE 0 END) AS own_hub,
    MAX(CASE WHEN f.firmware <> c.firmware THEN 1 ELSE 0 END) AS other_hub,
    CAST(SUM(CASE
      WHEN f.firmware = c.firmware
        THEN CAST(ROUND(1e9 * (f.events - c.rate * f.parts) * c.weight / s.weight * s.parts / c.parts) AS BIGINT)
      ELSE 0
    END) AS BIGINT) / 1e9 AS own,
    CAST(SUM(CASE
      WHEN f.firmware <> c.firmware
        THEN CAST(ROUND(
          1e9 * (f.events - c.other_rate * f.parts) * c.weight / s.weight * s.other_parts / c.other_parts
        ) AS BIGINT)
      ELSE 0
    END) AS BIGINT) / 1e9 AS other
  FROM compared c
  JOIN sums s ON s.firmware = c.firmware AND s.measure = c.measure
  JOIN facts f ON f.hour = c.hour AND f.measure = c.measure
  WHERE f.parts > 0 OR f.events > 0
  GROUP BY c.firmware, c.measure, f.hub_id
),
squares AS (
  SELECT
    firmware, measure, CAST(SUM(own_hub) AS BIGINT) AS hubs, CAST(SUM(other_hub) AS BIGINT) AS other_hubs,
    CAST(SUM(CAST(ROUND(1e9 * own * own) AS DECIMAL(38, 0))) AS DOUBLE) / 1e9 AS own_own,
    CAST(SUM(CAST(ROUND(1e9 * own * other) AS DECIMAL(38, 0))) AS DOUBLE) / 1e9 AS own_other,
    CAST(SUM(CAST(ROUND(1e9 * other * other) AS DECIMAL(38, 0))) AS DOUBLE) / 1e9 AS other_other
  FROM contributions GROUP BY firmware, measure
),
judged AS (
  SELECT
    s.*, t.rate, t.other_rate, q.hubs, q.other_hubs,
    CAST(LEAST(q.hubs, q.other_hubs) AS DOUBLE) AS m,
    q.own_own / s.parts / s.parts - 2 * q.own_other / s.parts / s.other_parts
      + q.other_other / s.other_parts / s.other_parts AS variance,
    CAST(s.events + s.other_events AS DOUBLE) / CAST(s.parts + s.other_parts AS DOUBLE)
      * LEAST(s.parts, s.other_parts) AS expected
  FROM sums s
  JOIN standardised t ON t.firmware = s.firmware AND t.measure = s.measure
  JOIN squares q ON q.firmware = s.firmware AND q.measure = s.measure
),
named AS (
  SELECT
    j.*, CASE WHEN m < 10 THEN 'too few hubs' WHEN expected < 5 THEN 'too few events' ELSE 'enough' END AS data,
    CASE WHEN m >= 10 THEN (
      1.959963984540054 + 2.372271 / (m - 1) + 2.822499 / (m - 1) / (m - 1) + 2.555850 / (m - 1) / (m - 1) / (m - 1)
    ) * scale * SQRT(GREATEST(variance, 0) * m / (m - 1)) END AS reach
  FROM judged j
)
SELECT
  d.day, c.firmware, c.measure, COALESCE(n.hours, 0) AS hours,
  CAST(COALESCE(n.weight, 0) AS DOUBLE) / 3600000 AS hub_hours, COALESCE(n.hubs, 0) AS hubs,
  COALESCE(n.events, 0) AS events, CAST(COALESCE(n.parts, 0) AS DOUBLE) / COALESCE(n.scale, 1) AS exposure,
  COALESCE(n.other_hubs, 0) AS other_hubs, COALESCE(n.other_events, 0) AS other_events,
  CAST(COALESCE(n.other_parts, 0) AS DOUBLE) / COALESCE(n.scale, 1) AS other_exposure,
  COALESCE(n.data, 'nothing to compare') AS data,
  CASE WHEN n.data = 'enough' THEN n.rate END AS rate,
  CASE WHEN n.data = 'enough' THEN n.other_rate END AS other_rate,
  CASE WHEN n.data = 'enough' THEN n.rate - n.other_rate END AS difference,
  CASE WHEN n.data = 'enough' THEN n.rate - n.other_rate - n.reach END AS low,
  CASE WHEN n.data = 'enough' THEN n.rate - n.other_rate + n.reach END AS high
FROM (SELECT DISTINCT firmware, measure FROM cohorts) c
CROSS JOIN days d
LEFT JOIN named n ON n.firmware = c.firmware AND n.measure = c.measure
