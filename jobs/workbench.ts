import type { DuckDBConnection } from '@duckdb/node-api'
import { z } from 'zod'
import { Problem } from '../contract/problem.ts'
import { rowsOf } from '../lake/duckdb.ts'
import { duckDbType, identifier } from '../lake/schema.ts'
import type { Result } from './bench.ts'
import type { SelectStep } from './engine.ts'
import { CHECK_ROWS_MAX, HOUR_MS } from './limits.ts'
import type { Metric } from './metric.ts'
import { asPart } from './metric-part.ts'
import { unitTime } from './shape.ts'
import { type Span, timestampSql } from './source.ts'
import { inStepSql, type Step } from './step.ts'
import { ALL, unitKey } from './touched.ts'

const hashRows = z.array(
  z.object({
    unit_ms: z.coerce.number(),
    unit_bucket: z.coerce.number(),
    count: z.coerce.number(),
    rows: z.string(),
    out: z.string(),
  }),
)

/** What a failed check found; the cause of the Problem that it raises. */
export const failedCheck = z.object({
  metric: z.string(),
  /** Of the header; undefined for that of the keys. */
  check: z.string().optional(),
  rows: z.number(),
  first: z.array(z.record(z.string(), z.unknown())).readonly(),
})

/** The result of one day of one metric on a DuckDB connection, hour by hour. */
export type Workbench = Result & {
  /** The SELECT of one cell's rows. */
  cellSql(span: Span, bucket: number): string
}

/**
 * `standing` is a SELECT: the rows of the result that stand (those of the hour before the day too, for a metric that
 * carries). `compared` has the metrics whose SELECT gives their columns, and no others, as was seen.
 */
export async function openWorkbench(
  connection: DuckDBConnection,
  metric: Metric,
  select: SelectStep,
  standing: string | undefined,
  compared: WeakSet<Metric>,
): Promise<Workbench> {
  const columns = metric.columns.map(({ name, type }) => `${identifier(name)} ${duckDbType(type)}`)
  await connection.run(`CREATE OR REPLACE TEMP TABLE result (${columns.join(', ')})`)
  if (standing) await connection.run(`INSERT INTO result BY NAME ${standing}`)
  const time = unitTime(metric.shape)
  const inStep = (step: Step) => inStepSql(metric, step, timestampSql)

  function beforeSql(step: Step): string {
    const [first = 0] = step.hours
    // No other column, so that no number can hang on what the hash of the carry does not cover.
    const carried = metric.carry?.columns.map(identifier).join(', ') ?? '*'
    const where = `(${metric.carry?.where ?? 'FALSE'}) AND ${inStep({ ...step, hours: [first - HOUR_MS] })}`
    return `SELECT ${carried} FROM result WHERE ${where}`
  }

  return {
    async calculate(step) {
      await select(step, beforeSql(step), async (rows) => {
        await connection.run(`DELETE FROM result WHERE ${inStep(step)}`)
        await asPart(metric.name, 'SELECT', async () => {
          await compareColumns(rows)
          await connection.run(`INSERT INTO result BY NAME ${rows}`)
        })
      })
    },
    async hashes(step) {
      const unit = [time ? `epoch_ms(${time.column})` : '0', step.buckets.includes(ALL) ? String(ALL) : 'bucket']
      // A sum needs no order. Hashed twice: DuckDB's hash of several columns mixes the last one in too thinly for sums.
      const digest = (columns: readonly string[], where = 'TRUE') =>
        `printf('%016x', CAST(COALESCE(SUM(CAST(hash(hash(${columns.map(identifier).join(', ')})) AS HUGEINT)) FILTER (WHERE ${where}), 0)
           % 18446744073709551616 AS UBIGINT))`
      const { carry } = metric
      const found = hashRows.parse(
        await rowsOf(
          connection,
          `SELECT ${unit[0]} AS unit_ms, ${unit[1]} AS unit_bucket, COUNT(*) AS count,
             ${digest(metric.columns.map(({ name }) => name))} AS rows, ${carry ? digest(carry.columns, carry.where) : "''"} AS out
           FROM result WHERE ${inStep(step)} GROUP BY ALL`,
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
      const checks = [
        { name: 'unique', check: undefined, suspects: `COUNT(*) - COUNT(DISTINCT hash(${keys}))`, rows: twice },
        ...metric.checks.map(({ name, condition }) => ({
          ...{ name, check: name },
          suspects: `COUNT(*) FILTER (WHERE NOT (${condition}))`,
          rows: `SELECT * FROM result WHERE NOT (${condition})`,
        })),
      ]
      // All in one pass; only what is suspected is looked for.
      const counts = checks.map(({ suspects }, i) => `${suspects} AS c${i}`)
      const count = (what: string) => rowsOf(connection, `SELECT ${what} FROM result`)
      const [found] = await count(counts.join(', ')).catch(async (error: unknown) => {
        for (const { name, suspects } of checks) await asPart(metric.name, `check "${name}"`, () => count(suspects))
        throw error
      })
      for (const [i, { name, check, rows }] of checks.entries()) {
        const suspected = Number(found?.[`c${i}`])
        if (suspected === 0) continue
        const first = await rowsOf(connection, `${rows} LIMIT ${CHECK_ROWS_MAX}`)
        if (first.length === 0) continue
        throw new Problem(
          'corrupt',
          `${metric.name} failed its check "${name}", so nothing of it was committed: ${JSON.stringify(first)}`,
          { cause: { metric: metric.name, check, rows: suspected, first } satisfies z.infer<typeof failedCheck> },
        )
      }
    },
    cellSql(span, bucket) {
      const within = time
        ? `${time.column} >= ${timestampSql(span.from_ms)} AND ${time.column} < ${timestampSql(span.to_ms)}`
        : 'TRUE'
      return `SELECT * FROM result WHERE ${within}${bucket === ALL ? '' : ` AND bucket = ${bucket}`}`
    },
  }

  /** A column that the SELECT lacks would be NULL in each row. */
  async function compareColumns(rows: string): Promise<void> {
    // What another engine made is another text each time.
    if (rows === metric.sql && compared.has(metric)) return
    const prepared = await connection.prepare(rows)
    const given = Array.from({ length: prepared.columnCount }, (_, i) => prepared.columnName(i).toLowerCase())
    prepared.destroySync()
    const named = metric.columns.map(({ name }) => name)
    const [lacks] = named.filter((name) => !given.includes(name))
    const [other] = given.filter((name) => !named.includes(name))
    const wrong = [
      lacks !== undefined && `it does not give "${lacks}", which is a column of the header`,
      other !== undefined && `it gives "${other}", which is no column of the header`,
    ].filter((one) => one !== false)
    if (wrong.length > 0) throw new Problem('invalid', `${metric.name}: its SELECT: ${wrong.join('; ')}`)
    if (rows === metric.sql) compared.add(metric)
  }
}
