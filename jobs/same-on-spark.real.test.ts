/** The SELECT of a metric makes on Spark, of the same tables, the rows that DuckDB made: to the last bit. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bucketIndexSql, bucketValueSql } from '../contract/histogram.ts'
import { assert } from '../contract/problem.ts'
import { openSpark, type Spark } from '../infra/spark/spark.ts'
import { seededRandom } from '../sim/clock.ts'
import { catalogue } from './catalogue.ts'
import { DAY_MS } from './day.ts'
import { HOUR_MS, SETTLE_MS } from './limits.ts'
import type { Metric } from './metric.ts'
import { unitTime } from './shape.ts'
import { batch, command, enrolled, type History, health, openHistory, type Row } from './testing/history.ts'

const T0 = Date.UTC(2026, 10, 20)
const BOOT = '1-1-bbbbbbbb'
/** The hours of the day in which something happens. */
const [FIRST, LAST] = [20, 24]

let history: History
let spark: Spark

beforeAll(async () => {
  history = await openHistory(T0 + DAY_MS + SETTLE_MS)
  await history.add(aDay(7))
  await history.jobs.run()
  spark = await openSpark()
  for (const made of [
    `log_bucket(ms DOUBLE) RETURNS INT RETURN ${bucketIndexSql('ms')}`,
    `log_bucket_value(i INT) RETURNS DOUBLE RETURN ${bucketValueSql('i')}`,
  ])
    await spark.sql(`CREATE TEMPORARY FUNCTION ${made}`)
}, 240_000)

afterAll(async () => {
  await spark?.[Symbol.asyncDispose]()
  await history?.[Symbol.asyncDispose]()
})

/** Hubs on two firmwares, one of them worse, each with hours of its own; commands of every length and outcome. */
function aDay(seed: number): readonly Row[] {
  const { float } = seededRandom(seed)
  const rows: Row[] = []
  for (let i = 0; i < 75; i++) {
    const [hub, from_hour, worse] = [`hub-${i}`, FIRST + Math.floor(float() * 3), i % 2 === 0]
    rows.push(enrolled(hub, T0 + from_hour * HOUR_MS))
    for (let hour = from_hour; hour < LAST; hour++) {
      const at = () => T0 + hour * HOUR_MS + Math.floor(float() * 3_000_000)
      const told = [health(hub, at(), BOOT, '', float() < (worse ? 0.4 : 0.1) ? 'crash' : 'health')]
      told.push(batch(hub, at(), hour * 100, Math.floor(float() * 90)))
      for (let n = 0; n < 3; n++) {
        const ms = float() ** 4 * 3_000
        const ended: [string, number] = [float() < (worse ? 0.7 : 0.9) ? 'done' : 'offline', ms]
        const stages: [string, number, boolean?][] = [
          ['issued', 0],
          ['sent', ms / 9],
          ['executed', ms / 2, true],
        ]
        told.push(...command(hub, `${hub}-${hour}-${n}`, at(), [...stages, ['acked', ms], ended]))
      }
      // One of them is on both sides: it gets another firmware in the last hour.
      const firmware = worse && !(i === 0 && hour === LAST - 1) ? '2.0' : '1.0'
      rows.push(...told.map((row) => ({ ...row, ...(row['source_id'] === hub && { firmware }) })))
    }
  }
  return rows
}

/** Gives Spark, under the names that the SELECT of a metric uses, what DuckDB calculated the day from. */
async function giveDay(metric: Metric): Promise<void> {
  const time = unitTime(metric.shape)
  assert(time, `${metric.name} is made of hours or days`)
  const timestamp = (ms: number) => `timestamp_millis(${ms})`
  const begin_ms = time.column === 'day' ? T0 : T0 + FIRST * HOUR_MS
  const count = (T0 + DAY_MS - begin_ms) / time.length_ms
  const units = Array.from({ length: count }, (_, i) => begin_ms + i * time.length_ms)
  const values = units.map(
    (ms) => `(${timestamp(ms)}, ${timestamp(ms + time.length_ms)}, ${timestamp(ms + time.length_ms)}, TRUE)`,
  )
  const { column } = time
  await spark.sql(
    `CREATE OR REPLACE TEMPORARY VIEW ${column}s AS SELECT * FROM VALUES ${values.join(', ')} AS t(${column}, ${column}_end, until, complete)`,
  )
  for (const { table, reach } of metric.inputs) {
    const where = reach === 'validity' ? 'TRUE' : `hour >= ${timestamp(T0)} AND hour < ${timestamp(T0 + DAY_MS)}`
    await spark.sql(`CREATE OR REPLACE TEMPORARY VIEW ${table} AS SELECT * FROM ${tableOf(table)} WHERE ${where}`)
  }
}

const tableOf = (name: string) => `delta.\`${join(history.folder, 'lake', name)}\``

test.each(['latency_hours', 'device_days', 'firmware_cohorts', 'slo_hours'])('%s', async (name) => {
  const metric = catalogue().find((one) => one.name === name)
  assert(metric, `there is a metric ${name}`)
  await giveDay(metric)
  const columns = metric.columns.map((column) => `\`${column.name}\``).join(', ')
  await spark.sql(`CREATE OR REPLACE TEMPORARY VIEW theirs AS SELECT ${columns} FROM (${metric.sql})`)
  // Made once, and compared both ways.
  await spark.sql('CACHE TABLE theirs')
  const theirs = 'SELECT * FROM theirs'
  const ours = `SELECT ${columns} FROM ${tableOf(name)} WHERE metric_date = DATE '2026-11-20'`
  const { rows: count } = await spark.sql(`SELECT COUNT(*) FROM (${ours})`)
  expect(Number(count[0]?.[0])).toBeGreaterThan(0)
  expect((await spark.sql(`${ours} EXCEPT ALL ${theirs}`)).rows).toEqual([])
  expect((await spark.sql(`${theirs} EXCEPT ALL ${ours}`)).rows).toEqual([])
  await spark.sql('UNCACHE TABLE theirs')
})

test('the day is one by which firmwares can be compared', async () => {
  const rows = await history.rows('firmware_cohorts', `data = 'enough'`)
  expect(rows.map(({ firmware, measure }) => [firmware, measure])).toEqual(
    ['1.0', '2.0'].flatMap((firmware) => ['command_failure', 'crashes'].map((measure) => [firmware, measure])),
  )
})
