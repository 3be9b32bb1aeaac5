import type { DuckDBConnection } from '@duckdb/node-api'
import { Problem } from '../contract/problem.ts'
import { rowsOf } from '../lake/duckdb.ts'
import { duckDbType, identifier } from '../lake/schema.ts'
import { DUCKDB_MACROS, DUCKDB_VIEWS } from './dialect.ts'
import { CHECK_ROWS_MAX, HOUR_MS } from './limits.ts'
import type { Metric } from './metric.ts'
import { type Span, timestampSql } from './source.ts'
import { ALL } from './touched.ts'

/** Hours and buckets that one statement calculates. */
export type Step = { readonly hours: readonly number[]; readonly buckets: readonly number[] }

/** What stands of one unit after its calculation. */
export type UnitHash = { readonly rows: string; readonly out: string; readonly count: number }

/** Tables of one day of one metric on a DuckDB connection: inputs, and the result hour by hour. */
export type Workbench = {
  /** Calculates the units of a step into the result, in place of what stood there. */
  calculate(step: Step, now_ms: number, complete: (hour_ms: number) => boolean): Promise<void>
  /** Hashes of one unit's rows and of what it carries on; equal rows hash alike whatever their order. */
  hash(hour_ms: number, bucket: number): Promise<UnitHash>
  /** Raises `corrupt`, naming the first bad rows, when a calculated row breaks a check or a key stands twice. */
  check(): Promise<void>
  /** The SELECT of one cell's rows. */
  cellSql(span: Span, bucket: number): string
}

/**
 * `inputs` and `standing` are SELECTs by table name: the day's input rows, and the rows of the result that stand (those
 * of the hour before the day too, for a metric that carries).
 */
export async function openWorkbench(
  connection: DuckDBConnection,
  metric: Metric,
  inputs: ReadonlyMap<string, string>,
  standing: string | undefined,
): Promise<Workbench> {
  for (const macro of DUCKDB_MACROS) await connection.run(macro)
  for (const [table, sql] of inputs) await connection.run(`CREATE OR REPLACE TEMP TABLE ${table}_day AS ${sql}`)
  const columns = metric.columns.map(({ name, type }) => `${identifier(name)} ${duckDbType(type)}`)
  await connection.run(`CREATE OR REPLACE TEMP TABLE result (${columns.join(', ')})`)
  if (standing) await connection.run(`INSERT INTO result BY NAME ${standing}`)

  const inUnit = (hour_ms: number, bucket: number) =>
    [
      metric.shape === 'bucket' ? 'TRUE' : `hour = ${timestampSql(hour_ms)}`,
      bucket === ALL ? 'TRUE' : `bucket = ${bucket}`,
    ].join(' AND ')
  const inStep = ({ hours, buckets }: Step, column = 'hour') =>
    [
      metric.shape === 'bucket' ? 'TRUE' : `${column} IN (${hours.map(timestampSql).join(', ')})`,
      buckets.includes(ALL) ? 'TRUE' : `bucket IN (${buckets.join(', ')})`,
    ].join(' AND ')

  async function views(step: Step, now_ms: number, complete: (hour_ms: number) => boolean): Promise<void> {
    const rows = step.hours.map((hour_ms) => {
      const end_ms = hour_ms + HOUR_MS
      const until_ms = Math.max(hour_ms, Math.min(end_ms, now_ms))
      return `(${[hour_ms, end_ms, until_ms].map(timestampSql).join(', ')}, ${complete(hour_ms)})`
    })
    await connection.run(
      `CREATE OR REPLACE TEMP VIEW hours AS SELECT * FROM (VALUES ${rows.join(', ')}) h(hour, hour_end, until, complete)`,
    )
    for (const { table, reach } of metric.inputs) {
      const column =
        table !== 'events' ? 'hour' : `date_trunc('hour', ${reach === 'issued' ? 'issued_time' : 'event_time'})`
      const where =
        reach === 'validity' && !step.buckets.includes(ALL)
          ? `bucket IN (${step.buckets.join(', ')})`
          : reach === 'validity'
            ? 'TRUE'
            : inStep(step, column)
      await connection.run(`CREATE OR REPLACE TEMP VIEW ${table} AS SELECT * FROM ${table}_day WHERE ${where}`)
    }
    const [first = 0] = step.hours
    const before = `(${metric.carry?.where ?? 'FALSE'}) AND ${inStep({ ...step, hours: [first - HOUR_MS] })}`
    await connection.run(`CREATE OR REPLACE TEMP VIEW before AS SELECT * FROM result WHERE ${before}`)
    for (const view of DUCKDB_VIEWS[metric.name] ?? []) await connection.run(view)
  }

  return {
    async calculate(step, now_ms, complete) {
      await views(step, now_ms, complete)
      await connection.run(`CREATE OR REPLACE TEMP TABLE calculated AS ${metric.sql}`)
      await connection.run(`DELETE FROM result WHERE ${inStep(step)}`)
      await connection.run('INSERT INTO result BY NAME SELECT * FROM calculated')
    },
    async hash(hour_ms, bucket) {
      const digest = (list: string) =>
        `SELECT md5(COALESCE(string_agg(t, ';' ORDER BY t), '')) AS hash, COUNT(*) AS count FROM (SELECT CAST(row(${list}) AS VARCHAR) AS t FROM result WHERE ${inUnit(hour_ms, bucket)}`
      const all = metric.columns.map(({ name }) => identifier(name)).join(', ')
      const [rows] = await rowsOf(connection, `${digest(all)}) texts`)
      const [out] = metric.carry
        ? await rowsOf(
            connection,
            `${digest(metric.carry.columns.map(identifier).join(', '))} AND (${metric.carry.where})) texts`,
          )
        : []
      return { rows: String(rows?.['hash']), out: String(out?.['hash'] ?? ''), count: Number(rows?.['count']) }
    },
    async check() {
      const keys = [
        ...(metric.shape === 'bucket' ? [] : ['hour']),
        ...(metric.columns.some((c) => c.name === 'bucket') ? ['bucket'] : []),
        ...metric.keys,
      ]
        .map(identifier)
        .join(', ')
      const twice = `SELECT ${keys} FROM result GROUP BY ${keys} HAVING COUNT(*) > 1`
      await fails('unique', `${twice} LIMIT ${CHECK_ROWS_MAX}`)
      for (const { name, condition } of metric.checks) {
        await fails(name, `SELECT * FROM result WHERE NOT (${condition}) LIMIT ${CHECK_ROWS_MAX}`)
      }
    },
    cellSql(span, bucket) {
      const within =
        metric.shape === 'bucket'
          ? 'TRUE'
          : `hour >= ${timestampSql(span.from_ms)} AND hour < ${timestampSql(span.to_ms)}`
      return `SELECT * FROM result WHERE ${within}${bucket === ALL ? '' : ` AND bucket = ${bucket}`}`
    },
  }

  async function fails(name: string, sql: string): Promise<void> {
    const rows = await rowsOf(connection, sql)
    if (rows.length === 0) return
    throw new Problem(
      'corrupt',
      `${metric.name} failed its check "${name}", so nothing of it was committed: ${JSON.stringify(rows)}`,
    )
  }
}
