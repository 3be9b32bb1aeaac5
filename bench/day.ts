/** Workload D: a day of a fleet that is in the table already, made by SQL from nothing but its numbers. */
import { bucketOf } from '../contract/bucket.ts'
import { type Clock, type Random, uuid } from '../contract/clock.ts'
import { EVENTS_COLUMNS, EVENTS_SORT, EVENTS_TABLE } from '../contract/events-table.ts'
import type { AddFile } from '../lake/action.ts'
import { type DuckDb, rowsOf } from '../lake/duckdb.ts'
import type { Lake } from '../lake/lake.ts'
import { duckDbType } from '../lake/schema.ts'
import { writeFile } from '../lake/write.ts'

const HOUR_MS = 3_600_000
/** Commands are given from the hour 6 to 22. */
const WAKING = { from: 6, to: 22, commands_an_hour: 20 }

export type FleetDay = {
  /** Midnight, UTC. */
  readonly day_ms: number
  readonly hubs: number
  /** About so many; what is left beside connections, commands, health and batches are readings. */
  readonly events_a_hub: number
}

export type DayOptions = {
  readonly lake: Lake
  readonly duck: DuckDb
  readonly clock: Clock
  readonly random: Random
  readonly scratch_folder: string
}

/**
 * Commits the day, a file a bucket: 1 % of the hubs crash each ten minutes, 3 % lose their Wi-Fi each hour, and of two firmware
 * versions 4.3.0 fails twice as many commands. The same day is made again and again. Resolves with its events.
 */
export async function writeDay({ lake, duck, ...parts }: DayOptions, day: FleetDay): Promise<number> {
  const { connection } = duck
  const events = await lake.table(EVENTS_TABLE)
  const buckets = lake.layouts.at(-1)?.buckets ?? 1
  const hubs = Array.from({ length: day.hubs }, (_, n) => `home-${String(n).padStart(5, '0')}`)
  const base = await events.snapshot()
  const adds: AddFile[] = []
  let count = 0
  for (let bucket = 0; bucket < buckets; bucket++) {
    const own = hubs.flatMap((hub, n) => (bucketOf(hub, buckets) === bucket ? [`(${n}, '${hub}')`] : []))
    if (own.length === 0) continue
    const columns = EVENTS_COLUMNS.map(({ name, type }) => `"${name}" ${duckDbType(type)}`)
    await connection.run(`CREATE OR REPLACE TEMP TABLE day (${columns.join(', ')})`)
    await connection.run(`CREATE OR REPLACE TEMP TABLE fleet AS
      SELECT n, hub_id, CASE WHEN n % 2 = 0 THEN '4.2.1' ELSE '4.3.0' END AS firmware, n % 100 = 7 AS crashes, n % 33 = 5 AS weak
      FROM (VALUES ${own.join(', ')}) hubs(n, hub_id)`)
    for (const select of selects(day)) await connection.run(`INSERT INTO day BY NAME ${select}`)
    await connection.run("UPDATE day SET received_time = event_time + INTERVAL 1 SECOND, time_source = 'monotonic'")
    count += Number((await rowsOf(connection, 'SELECT count(*) AS n FROM day'))[0]?.['n'])
    adds.push(
      await writeFile({
        ...{
          connection,
          select: 'SELECT * FROM day',
          store: lake.store,
          prefix: events.prefix,
          columns: EVENTS_COLUMNS,
        },
        ...{ configuration: base.configuration, sort: EVENTS_SORT, ...parts },
        partitionValues: { event_date: new Date(day.day_ms).toISOString().slice(0, 10), bucket: String(bucket) },
      }),
    )
  }
  await connection.run('DROP TABLE day')
  const pairs = (hours: number[]) =>
    hours.flatMap((hour) =>
      Array.from({ length: buckets }, (_, bucket): [number, number] => [day.day_ms + hour * HOUR_MS, bucket]),
    )
  const all = pairs(Array.from({ length: 24 }, (_, hour) => hour))
  const registry = pairs([0]).map(([from_ms, bucket]): [number, number] => [bucket, from_ms])
  const info = { touched: { hours: all, issued: all, registry } }
  await events.commit({ id: uuid(parts.random), kind: 'ingest', base, adds, removes: [], txns: [], info })
  return count
}

/** The kinds of events of a bucket's hubs (`fleet`), with the columns that they have. */
function selects({ day_ms, events_a_hub }: FleetDay): readonly string[] {
  const at = (ms: string) => `make_timestamptz(CAST((${day_ms} + ${ms}) * 1000 AS BIGINT))`
  /** Uniform in [0, 1), always the same for the same words. */
  const chance = (...words: readonly string[]) => `(hash(${words.join(', ')}) % 1000003 / 1000003.0)`
  const run =
    "CASE WHEN crashes THEN '1-' || (1 + CAST(FLOOR(ms / 600000) AS BIGINT)) || '-bbbbbbbb' ELSE '1-1-bbbbbbbb' END"
  const relay = "'relay-' || n % 2 AS source_id, '1-1-aaaaaaaa' AS boot_id, 'e1b00' AS stream"
  const commands = (WAKING.to - WAKING.from) * WAKING.commands_an_hour
  const readings = Math.max(0, events_a_hub - commands * 6 - 288 - 192 - 4)
  return [
    `SELECT hub_id, 'registry' AS kind, 'enrolled' AS stage, ${at('0')} AS event_time, 'registry' AS source_id,
       '1-1-00000000' AS boot_id, 'e1b00' AS stream, n AS seq,
       MAP {'home': 'home-' || n, 'region': CASE WHEN n % 3 = 0 THEN 'north' ELSE 'south' END, 'model': 'h1',
         'zone': 'Europe/Berlin', 'generation': '1', 'maintenance': '[]', 'enrolled_ms': '${day_ms}', 'valid_from_ms': '${day_ms}'} AS extra
     FROM fleet`,
    `SELECT (SELECT MIN(hub_id) FROM fleet) AS hub_id, 'alive' AS kind, 'relay-' || relay AS source_id, '1-1-aaaaaaaa' AS boot_id,
       'e1b00' AS stream, 1000000 + minute AS seq, ${at('minute * 60000')} AS event_time
     FROM range(1440) minutes(minute), range(2) relays(relay)`,
    // The end of one session and the beginning of the next; the first has no end before it.
    `WITH ends AS (
       SELECT n, hub_id, i, i * every + CAST(${chance('n', 'i')} * 60000 AS BIGINT) AS ms, away
       FROM (SELECT *, CASE WHEN crashes THEN 600000 WHEN weak THEN 3600000 ELSE 86400000 END AS every,
               CASE WHEN crashes THEN 20000 ELSE 30000 END AS away FROM fleet) f, range(144) r(i) WHERE i * every < 86400000)
     SELECT hub_id, 'connection' AS kind, ${relay}, i * 2 AS seq, 'connected' AS stage, NULL AS reason, ${at('ms')} AS event_time,
       MAP {'epoch': '1.1.' || (i + 1)} AS extra FROM ends
     UNION ALL
     SELECT hub_id, 'connection', ${relay}, i * 2 + 1, 'disconnected', 'keep-alive', ${at('ms - away')},
       MAP {'epoch': '1.1.' || i, 'planned': 'false'} FROM ends WHERE i > 0`,
    `WITH commands AS (
       SELECT *, ${WAKING.from * HOUR_MS} + c * ${HOUR_MS / WAKING.commands_an_hour} + CAST(${chance('n', 'c')} * 100000 AS BIGINT) AS ms,
         ${chance('n', 'c', "'fate'")} * (CASE WHEN firmware = '4.3.0' THEN 0.5 ELSE 1 END) AS fate,
         20 + ${chance('n', 'c', "'radio'")} * 60 + CASE WHEN ${chance('n', 'c', "'slow'")} > 0.99 THEN 900 ELSE 0 END AS radio
       FROM fleet, range(${commands}) r(c)),
     stages AS (
       SELECT *, CASE
         WHEN fate < 0.01 THEN [('issued', 0.0, FALSE), ('offline', 0.5, FALSE)]
         WHEN fate < 0.015 THEN [('issued', 0.0, FALSE), ('sent', 1.2, FALSE), ('received', 0.0, TRUE), ('rejected', radio, FALSE)]
         WHEN fate < 0.02 THEN [('issued', 0.0, FALSE), ('sent', 1.2, FALSE), ('expired', 5000.0, FALSE)]
         WHEN fate < 0.025 THEN [('issued', 0.0, FALSE), ('sent', 1.2, FALSE), ('received', 0.0, TRUE), ('executed', 5100.0, TRUE), ('late', 5120.0, FALSE)]
         ELSE [('issued', 0.0, FALSE), ('sent', 0.5 + ${chance('n', 'c', "'relay'")}, FALSE), ('received', 0.0, TRUE),
           ('executed', radio, TRUE), ('acked', radio + 12.0, FALSE), ('done', radio + 12.5, FALSE)] END AS told
       FROM commands),
     each AS (SELECT *, unnest(told) AS t, generate_subscripts(told, 1) AS i FROM stages)
     SELECT hub_id, 'command' AS kind, t[1] AS stage, CAST(t[2] AS DOUBLE) AS duration_ms, ${at('ms + CAST(t[2] AS BIGINT)')} AS event_time,
       ${at('ms')} AS issued_time, 'c-' || n || '-' || c AS command_id, 'lamp-' || c % 8 AS device_id,
       CASE WHEN t[3] THEN hub_id ELSE 'relay-' || n % 2 END AS source_id,
       CASE WHEN t[3] THEN ${run} ELSE '1-1-aaaaaaaa' END AS boot_id, CASE WHEN t[3] THEN 'control' ELSE 'e1b00' END AS stream,
       10000000 + c * 8 + i AS seq, CASE WHEN t[3] THEN firmware ELSE 'relay' END AS firmware,
       CASE WHEN t[1] = 'issued' THEN MAP {'app': 'phone', 'deadline_ms': '5000', 'set': '{"powered":true}'} END AS extra
     FROM each`,
    `SELECT hub_id, 'health' AS kind, hub_id AS source_id, ${run} AS boot_id, 'control' AS stream, 20000000 + h AS seq, firmware,
       ${at('ms')} AS event_time, MAP {'uptime_ms': CAST(ms AS VARCHAR), 'queue': '0', 'rssi_dbm': CASE WHEN weak THEN '-85' ELSE '-55' END} AS extra
     FROM (SELECT *, h * 300000 + 5000 AS ms FROM fleet, range(288) r(h)) t`,
    `SELECT hub_id, 'crash' AS kind, hub_id AS source_id, ${run} AS boot_id, 'control' AS stream, 30000000 + h AS seq, firmware,
       'watchdog' AS reason, ${at('ms')} AS event_time
     FROM (SELECT *, h * 600000 + 1000 AS ms FROM fleet, range(144) r(h) WHERE crashes) t`,
    // What each stream's account is made of: batches one after another, and a hundredth of them with a gap before.
    `SELECT hub_id, 'batch' AS kind, hub_id AS source_id, ${run} AS boot_id, s AS stream, firmware, ${at('ms')} AS event_time,
       i * 100 + lost AS batch_first, 100 - lost AS batch_count, (i + 1) * 100 AS batch_next, i * 100 AS batch_acked,
       0 AS batch_duplicates, 0 AS batch_dead, '{"dropped":[],"previous":[]}' AS batch_dropped, 'day' AS log_id, b AS log_position, -1 AS ordinal
     FROM (SELECT *, CASE WHEN crashes THEN 0 ELSE b END AS i, CASE WHEN ${chance('n', 'b', 's')} < 0.01 THEN 3 ELSE 0 END AS lost, b * 900000 + 10000 AS ms
       FROM fleet, range(96) r(b), (VALUES ('control'), ('readings')) streams(s)) t`,
    `SELECT hub_id, 'reading' AS kind, hub_id AS source_id, ${run} AS boot_id, 'readings' AS stream, i AS seq, firmware,
       'sensor-' || i % 12 AS device_id, CASE i % 3 WHEN 0 THEN 'temperature' WHEN 1 THEN 'humidity' ELSE 'power' END AS attribute,
       ROUND(20 + 5 * SIN(ms / 14400000.0 + n) + ${chance('n', 'i')}, 2) AS value, 'u' AS unit, ${at('ms')} AS event_time
     FROM (SELECT *, CAST(i * (86400000.0 / ${Math.max(1, readings)}) AS BIGINT) AS ms FROM fleet, range(${readings}) r(i)) t`,
  ]
}
