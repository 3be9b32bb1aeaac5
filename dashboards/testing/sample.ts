import type { DuckDBConnection } from '@duckdb/node-api'
import { bucketIndexSql } from '../../contract/histogram.ts'
import { VIEWS } from '../../contract/views.ts'

const HOUR_MS = 3_600_000

/**
 * For tests only: ten days of a fleet of 25 hubs, made by arithmetic from the hub's number and the hour,
 * in the tables that the pages read. demo-07 has bad Wi-Fi, firmware 2.4.1 is slower and crashes.
 */
export async function makeSample(connection: DuckDBConnection, now_ms: number): Promise<void> {
  const newest = Math.floor(now_ms / HOUR_MS) * HOUR_MS
  await connection.run(`
    CREATE MACRO chance(key) AS (hash(key) % 1000003) / 1000003.0;
    CREATE TABLE hub_hours AS
    WITH grid AS (
      SELECT make_timestamp(${newest}::BIGINT * 1000) - to_hours(h.h::INT) AS hour, 'demo-' || lpad((n.n)::VARCHAR, 2, '0') AS hub_id,
        n.n AS n, h.h AS h
      FROM range(0, 240) h(h), range(1, 26) n(n)
    ), state AS (
      SELECT *, CASE WHEN n % 5 = 2 AND h < 90 THEN '2.4.1' WHEN n % 3 = 0 THEN '2.3.7' ELSE '2.4.0' END AS firmware,
        CASE WHEN h = 0 THEN ${now_ms - newest} ELSE 3600000 END AS expected_ms,
        greatest(0, least(1, CASE
          WHEN n = 7 THEN 1 - 0.16 * chance(hub_id || h)
          WHEN n % 5 = 2 AND h < 90 AND chance('f' || n || h) > 0.8 THEN 0.97
          WHEN h BETWEEN 30 AND 32 AND n % 2 = 0 THEN 0.82
          WHEN chance('d' || n || h) > 0.95 THEN 0.985 ELSE 1 END)) AS share,
        (CASE WHEN n = 7 THEN 4 ELSE 6 END + floor(8 * greatest(0, sin((extract(hour FROM hour) - 6) / 24.0 * 6.28)) * chance('c' || n || h)))::BIGINT AS issued
      FROM grid WHERE NOT (h BETWEEN 120 AND 122)
    )
    SELECT hour, hour::DATE AS metric_date, (n % 4)::INT AS bucket, hub_id,
      CASE WHEN n % 2 = 0 THEN 'eu-north' ELSE 'eu-west' END AS region, 'hearth-one' AS model, firmware,
      expected_ms::BIGINT AS expected_ms, (expected_ms * share)::BIGINT AS connected_ms, 0::BIGINT AS unknown_ms,
      share AS availability, CASE WHEN share < 1 THEN 1 + (n = 7)::INT ELSE 0 END::BIGINT AS disconnects,
      0::BIGINT AS planned_disconnects, issued,
      (issued - bad - late)::BIGINT AS done, late::BIGINT AS late, 0::BIGINT AS interrupted,
      (bad > 1)::BIGINT AS rejected, 0::BIGINT AS expired, (bad - (bad > 1)::INT)::BIGINT AS offline, 0::BIGINT AS running,
      (220 + n)::BIGINT AS sent, (220 + n)::BIGINT AS stored, (chance('l' || n || h) > 0.999)::BIGINT AS lost, 0::BIGINT AS dropped, 0::BIGINT AS dead, (h = 0)::BIGINT * 3 AS pending,
      (firmware = '2.4.1' AND chance('x' || n || h) > 0.96)::BIGINT AS crashes, h > 0 AS complete
    FROM (SELECT *, CASE WHEN share < 0.99 AND chance('b' || n || h) > 0.35 THEN 1 + (n = 7)::INT ELSE 0 END AS bad,
      (chance('t' || n || h) > 0.99)::INT AS late FROM state);

    CREATE TABLE fleet_hours AS
    SELECT hour, any_value(metric_date) AS metric_date, coalesce(firmware, '*') AS firmware, count(*) AS hubs,
      sum(expected_ms)::BIGINT AS expected_ms, sum(connected_ms)::BIGINT AS connected_ms, 0::BIGINT AS unknown_ms,
      sum(connected_ms) / sum(expected_ms) AS availability, sum(disconnects)::BIGINT AS disconnects,
      sum(issued)::BIGINT AS issued, sum(done)::BIGINT AS done, sum(late)::BIGINT AS late,
      sum(interrupted)::BIGINT AS interrupted, sum(rejected)::BIGINT AS rejected, sum(expired)::BIGINT AS expired,
      sum(offline)::BIGINT AS offline, 0::BIGINT AS running, sum(sent)::BIGINT AS sent, sum(stored)::BIGINT AS stored,
      sum(lost)::BIGINT AS lost, sum(dropped)::BIGINT AS dropped, sum(dead)::BIGINT AS dead,
      sum(pending)::BIGINT AS pending, sum(crashes)::BIGINT AS crashes, bool_and(complete) AS complete
    FROM hub_hours GROUP BY GROUPING SETS ((hour), (hour, firmware));

    CREATE TABLE hubs AS
    SELECT 'demo-' || lpad(n::VARCHAR, 2, '0') AS hub_id, make_timestamp(${newest}::BIGINT * 1000) - to_hours(starts::INT) AS valid_from,
      make_timestamp(${newest}::BIGINT * 1000) - to_hours(ends::INT) AS valid_to, maintenance
    FROM (VALUES (4, 10, 8, true), (6, 9, 7, true), (9, 19, 18, true), (9, 18, 12, false)) t(n, starts, ends, maintenance);

    CREATE TABLE sample_commands AS
    SELECT hour, metric_date, bucket, hub_id, firmware, md5(hub_id || hour || i) AS command_id, i,
      hour + to_milliseconds((chance('w' || hub_id || hour || i) * expected_ms)::BIGINT) AS issued_time,
      chance('o' || hub_id || hour || i) AS luck,
      0.4 + 0.9 * chance('r' || hub_id || hour || i) AS relay_ms,
      2.2 + 4 * chance('n' || hub_id || hour || i) AS network_ms,
      (CASE WHEN firmware = '2.4.1' THEN 46 ELSE 31 END) * exp(0.55 * (chance('h1' || hub_id || hour || i)
        + chance('h2' || hub_id || hour || i) + chance('h3' || hub_id || hour || i) - 1.5) * 2)
        * CASE WHEN chance('tail' || hub_id || hour || i) > 0.97 THEN 5 ELSE 1 END AS hub_ms,
      (['kitchen-lamp', 'hall-lamp', 'front-door', 'living-thermostat'])[1 + (hash(hub_id || hour || i) % 4)::INT] AS device_id
    FROM hub_hours, range(0, 14) r(i) WHERE i < done;

    CREATE TABLE latency_hours AS
    SELECT hour, any_value(metric_date) AS metric_date, bucket, 'tap_to_light' AS hop, firmware, 'relay-1' AS relay,
      ${bucketIndexSql('(relay_ms + network_ms / 2 + hub_ms)')} AS log_bucket, count(*) AS count
    FROM sample_commands GROUP BY hour, bucket, firmware, log_bucket;
  `)
  await connection.run(`
    CREATE TABLE events AS
    WITH recent AS (
      SELECT *, CASE WHEN luck > 0.985 THEN 'late' WHEN luck > 0.965 THEN 'offline' WHEN luck > 0.95 THEN 'rejected' ELSE 'done' END AS outcome
      FROM sample_commands WHERE issued_time < make_timestamp(${now_ms}::BIGINT * 1000)
    ), told AS (
      SELECT *, 'issued' AS stage, 0.0 AS ms, true AS relay FROM recent
      UNION ALL SELECT *, 'routed', relay_ms * 0.4, true FROM recent WHERE outcome != 'offline'
      UNION ALL SELECT *, 'sent', relay_ms, true FROM recent WHERE outcome != 'offline'
      UNION ALL SELECT *, 'received', 0.0, false FROM recent WHERE outcome != 'offline'
      UNION ALL SELECT *, 'executed', hub_ms + CASE WHEN outcome = 'late' THEN 7200 ELSE 0 END, false FROM recent WHERE outcome IN ('done', 'late')
      UNION ALL SELECT *, 'rejected', hub_ms, false FROM recent WHERE outcome = 'rejected'
      UNION ALL SELECT *, 'acked', relay_ms + network_ms + hub_ms + CASE WHEN outcome = 'late' THEN 7200 ELSE 0 END, true FROM recent WHERE outcome != 'offline'
      UNION ALL SELECT *, outcome, CASE outcome WHEN 'offline' THEN 0.2 ELSE relay_ms + network_ms + hub_ms + CASE WHEN outcome = 'late' THEN 7200 ELSE 0 END END, true FROM recent
    )
    SELECT issued_time::DATE AS event_date, bucket, hub_id, CASE WHEN relay THEN 'relay-1' ELSE hub_id END AS source_id,
      '1-1-00000000' AS boot_id, CASE WHEN relay THEN 'e1b0' ELSE 'control' END AS stream, i::BIGINT AS seq,
      issued_time + to_milliseconds(ms::BIGINT) AS event_time, issued_time + to_milliseconds(ms::BIGINT + 900) AS received_time, 'monotonic' AS time_source,
      'command' AS kind, issued_time, device_id, NULL::VARCHAR AS attribute, NULL::DOUBLE AS value, NULL::VARCHAR AS text,
      NULL::VARCHAR AS unit, command_id, stage, ms AS duration_ms,
      CASE WHEN stage = 'offline' THEN 'no live connection' WHEN stage = 'rejected' THEN 'the door is held open' END AS reason,
      firmware, CASE WHEN stage = 'issued' THEN map { 'app': CASE WHEN i % 3 = 0 THEN 'wall-panel' ELSE 'phone' END, 'deadline_ms': '5000',
        'set': CASE device_id WHEN 'front-door' THEN '{"locked":true}' WHEN 'living-thermostat' THEN '{"target_temperature":21.5}' ELSE '{"powered":true}' END }
        ELSE NULL::MAP(VARCHAR, VARCHAR) END AS extra
    FROM told;
    INSERT INTO events BY NAME
    SELECT moment::DATE AS event_date, (n % 4)::INT AS bucket, 'demo-' || lpad(n::VARCHAR, 2, '0') AS hub_id,
      'demo-' || lpad(n::VARCHAR, 2, '0') AS source_id, '1-1-00000000' AS boot_id, 'readings' AS stream, m AS seq,
      moment AS event_time, moment + INTERVAL 2 SECOND AS received_time, 'monotonic' AS time_source, 'reading' AS kind,
      d.device AS device_id, d.attribute AS attribute, round(d.base + 3 * sin(m / 90.0) + chance(n || d.device || m), 2) AS value,
      d.unit AS unit, '2.4.0' AS firmware
    FROM (SELECT m, make_timestamp(${now_ms}::BIGINT * 1000) - to_minutes(m::INT) AS moment FROM range(0, 2880, 5) t(m)), range(1, 26) h(n),
      (VALUES ('kitchen-lamp', 'power', 8.0, 'W'), ('living-thermostat', 'temperature', 20.0, '°C'),
        ('front-door', 'battery', 80.0, '%'), ('hall-lamp', 'power', 5.0, 'W')) d(device, attribute, base, unit);
    INSERT INTO events BY NAME
    SELECT moment::DATE AS event_date, (n % 4)::INT AS bucket, 'demo-' || lpad(n::VARCHAR, 2, '0') AS hub_id, 'relay-1' AS source_id,
      '1-1-00000000' AS boot_id, 'e1b0' AS stream, h AS seq, moment AS event_time, moment AS received_time, 'connection' AS kind,
      CASE h % 2 WHEN 0 THEN 'connected' ELSE 'disconnected' END AS stage, CASE h % 2 WHEN 1 THEN 'keep-alive timeout' END AS reason
    FROM (SELECT h, n, make_timestamp(${now_ms}::BIGINT * 1000) - to_minutes((h * 47 + 1 + 7 * (h % 2))::INT) AS moment FROM range(0, 60) t(h), range(1, 26) u(n) WHERE h > 0 OR n <= 21);
    DROP TABLE sample_commands;
    CREATE TABLE dead_letters AS
    SELECT moment::DATE AS event_date, (n % 4)::INT AS bucket, 'demo-' || lpad(n::VARCHAR, 2, '0') AS source_id, '1-1-00000000' AS boot_id,
      'readings' AS stream, i::BIGINT AS seq, reason, '{"m":' || i || '}' AS text, moment AS received_time
    FROM (SELECT i, 1 + (i * 7) % 25 AS n, make_timestamp(${now_ms}::BIGINT * 1000) - to_minutes((3 + i * 17)::INT) AS moment,
      CASE WHEN i % 5 = 0 THEN 'm is missing or no whole number: it is the time of the event on the clock of its source, in ms'
        ELSE 'an event of kind reading has an attribute: what was measured' END AS reason FROM range(0, 40) r(i));
    INSERT INTO events BY NAME
    SELECT event_date, bucket, source_id AS hub_id, source_id, boot_id, stream, seq, received_time AS event_time, received_time, 'dead' AS kind, reason, text FROM dead_letters;
    CREATE TABLE losses AS
    SELECT make_timestamp(${now_ms}::BIGINT * 1000) - ago AS time, '01935f0e-7c1e-4b6a-9d2a-0c5f3c1e2a77' AS log_id, 1 AS epoch,
      bucket, table_position, log_first, log_next, reason, kind
    FROM (VALUES
      (INTERVAL 9 DAY, 2, 40211::BIGINT, 1::BIGINT, 1::BIGINT, 'the log ends at 0, but the table has read up to 40211: the log was lost or restored, and is another log from now on', 'gap'),
      (INTERVAL 8 DAY, 3, 39100, 39141, 39170, 'anna accepted that positions 39101 to 39140 are lost, and the bucket goes on from 39141: the log begins at 39141, but the table has read only up to 39100: what lay between is gone', 'accepted'),
      (INTERVAL 2 DAY, 0, 38020, 0, 0, 'log 0193a2c1-1f0e-7b1d-8a3b-5d2f7a1e9c44 took its place; whatever it held past 38020 is not in the table and will not come', 'replaced'),
      (INTERVAL 2 DAY, 1, 37411, 0, 0, 'log 0193a2c1-1f0e-7b1d-8a3b-5d2f7a1e9c44 took its place; whatever it held past 37411 is not in the table and will not come', 'replaced')
    ) t(ago, bucket, table_position, log_first, log_next, reason, kind);
  `)
  const views = Object.entries(VIEWS).filter(([name]) => ['readings', 'command_stages', 'connections'].includes(name))
  for (const [name, view] of views) await connection.run(`CREATE VIEW ${name} AS ${view.sql}`)
}
