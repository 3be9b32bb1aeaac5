import type { DuckDBConnection } from '@duckdb/node-api'
import { z } from 'zod'
import { Problem } from '../contract/problem.ts'
import { rowsOf } from '../lake/duckdb.ts'
import { duckDbType, identifier } from '../lake/schema.ts'
import { DUCKDB_MACROS, DUCKDB_VIEWS } from './dialect.ts'
import { HASH_DIGITS } from './hour-tags.ts'
import { CHECK_ROWS_MAX, HOUR_MS } from './limits.ts'
import type { Metric } from './metric.ts'
import { type UnitTime, unitTime } from './shape.ts'
import { type Span, timeColumn, timestampSql } from './source.ts'
import { ALL, unitKey } from './touched.ts'

/** Hours, or days, and buckets that one statement calculates. */
export type Step = { readonly hours: readonly number[]; readonly buckets: readonly number[] }

/** What stands of one unit after its calculation. */
export type UnitHash = { readonly rows: string; readonly out: string; readonly count: number }

/** Of a unit without rows. */
export function emptyHash(metric: Metric): UnitHash {
  return { rows: EMPTY_HASH, out: metric.carry ? EMPTY_HASH : '', count: 0 }
}

/** The begin of the MD5 of nothing. */
const EMPTY_HASH = 'd41d8cd98f00b204e9800998ecf8427e'.slice(0, HASH_DIGITS)

const hashRows = z.array(
  z.object({
    unit_ms: z.coerce.number(),
    unit_bucket: z.coerce.number(),
    count: z.coerce.number(),
    rows: z.string(),
    out: z.string(),
  }),
)

/** Tables of one day of one metric on a DuckDB connection: inputs, and the result hour by hour. */
export type Workbench = {
  /** Calculates the units of a step into the result, in place of what stood there. */
  calculate(step: Step, now_ms: number, complete: (hour_ms: number) => boolean): Promise<void>
  /** By unit with rows: hashes of its rows and of what it carries on; equal rows hash alike whatever their order. */
  hashes(step: Step): Promise<ReadonlyMap<string, UnitHash>>
  /** Raises `corrupt`, naming the first bad rows, when a calculated row breaks a check or a key stands twice. */
  check(): Promise<void>
  /** The SELECT of one cell's rows. */
  cellSql(span: Span, bucket: number): string
}

/** Hours, or units of another length, as spans, those that touch joined. */
function spansOf(hours: readonly number[], length_ms: number): readonly Span[] {
  const spans: { from_ms: number; to_ms: number }[] = []
  for (const hour_ms of [...hours].sort((a, b) => a - b)) {
    const last = spans.at(-1)
    if (last?.to_ms === hour_ms) last.to_ms = hour_ms + length_ms
    else spans.push({ from_ms: hour_ms, to_ms: hour_ms + length_ms })
  }
  return spans
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
  const time = unitTime(metric.shape)
  for (const macro of DUCKDB_MACROS) await connection.run(macro)
  for (const [table, sql] of inputs) await connection.run(`CREATE OR REPLACE TEMP TABLE ${table}_day AS ${sql}`)
  const columns = metric.columns.map(({ name, type }) => `${identifier(name)} ${duckDbType(type)}`)
  await connection.run(`CREATE OR REPLACE TEMP TABLE result (${columns.join(', ')})`)
  if (standing) await connection.run(`INSERT INTO result BY NAME ${standing}`)

  // As spans of plain comparisons: to cut each row's time down to its hour first costs more than all the rest.
  const inStep = ({ hours, buckets }: Step, column: string = time?.column ?? '') =>
    [
      !time
        ? 'TRUE'
        : `(${spansOf(hours, time.length_ms)
            .map((s) => `(${column} >= ${timestampSql(s.from_ms)} AND ${column} < ${timestampSql(s.to_ms)})`)
            .join(' OR ')})`,
      buckets.includes(ALL) ? 'TRUE' : `bucket IN (${buckets.join(', ')})`,
    ].join(' AND ')

  async function views(step: Step, now_ms: number, complete: (hour_ms: number) => boolean): Promise<void> {
    const { column: name, length_ms }: UnitTime = time ?? { column: 'hour', length_ms: HOUR_MS }
    const rows = step.hours.map((hour_ms) => {
      const end_ms = hour_ms + length_ms
      const until_ms = Math.max(hour_ms, Math.min(end_ms, now_ms))
      return `(${[hour_ms, end_ms, until_ms].map(timestampSql).join(', ')}, ${complete(hour_ms)})`
    })
    await connection.run(
      `CREATE OR REPLACE TEMP VIEW ${name}s AS SELECT * FROM (VALUES ${rows.join(', ')}) h(${name}, ${name}_end, until, complete)`,
    )
    for (const input of metric.inputs) {
      const { table } = input
      const column = timeColumn(input)
      const where =
        column === undefined && !step.buckets.includes(ALL)
          ? `bucket IN (${step.buckets.join(', ')})`
          : column === undefined
            ? 'TRUE'
            : inStep(step, column)
      await connection.run(`CREATE OR REPLACE TEMP VIEW ${table} AS SELECT * FROM ${table}_day WHERE ${where}`)
    }
    const [first = 0] = step.hours
    const before = `(${metric.carry?.where ?? 'FALSE'}) AND ${inStep({ ...step, hours: [first - HOUR_MS] })}`
    // No other column, so that no number can hang on what the hash of the carry does not cover.
    const carried = metric.carry?.columns.map(identifier).join(', ') ?? '*'
    await connection.run(`CREATE OR REPLACE TEMP VIEW before AS SELECT ${carried} FROM result WHERE ${before}`)
    for (const view of DUCKDB_VIEWS[metric.name] ?? []) await connection.run(view)
  }

  return {
    async calculate(step, now_ms, complete) {
      await views(step, now_ms, complete)
      await connection.run(`DELETE FROM result WHERE ${inStep(step)}`)
      await connection.run(`INSERT INTO result BY NAME ${metric.sql}`)
    },
    async hashes(step) {
      const unit = [time ? `epoch_ms(${time.column})` : '0', step.buckets.includes(ALL) ? String(ALL) : 'bucket']
      const texts = (list: readonly string[]) => `CAST(row(${list.map(identifier).join(', ')}) AS VARCHAR)`
      const carried = metric.carry && `CASE WHEN ${metric.carry.where} THEN ${texts(metric.carry.columns)} END`
      const digest = (column: string) =>
        `left(md5(COALESCE(string_agg(${column}, ';' ORDER BY ${column}), '')), ${HASH_DIGITS})`
      const found = hashRows.parse(
        await rowsOf(
          connection,
          `SELECT unit_ms, unit_bucket, COUNT(*) AS count, ${digest('t')} AS rows, ${carried ? digest('c') : "''"} AS out FROM (
             SELECT ${unit[0]} AS unit_ms, ${unit[1]} AS unit_bucket, ${texts(metric.columns.map(({ name }) => name))} AS t, ${carried ?? "''"} AS c
             FROM result WHERE ${inStep(step)}) texts GROUP BY unit_ms, unit_bucket`,
        ),
      )
      return new Map(found.map(({ unit_ms, unit_bucket, ...hash }) => [unitKey(unit_ms, unit_bucket), hash]))
    },
    async check() {
      const keys = [
        ...(time ? [time.column] : []),
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
      const within = time
        ? `${time.column} >= ${timestampSql(span.from_ms)} AND ${time.column} < ${timestampSql(span.to_ms)}`
        : 'TRUE'
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
