import type { DuckDBConnection } from '@duckdb/node-api'
import { assert } from '../contract/problem.ts'
import type { LocalFiles } from '../lake/local-files.ts'
import type { ObjectStore } from '../lake/object-store.ts'
import { identifier } from '../lake/schema.ts'
import type { Pinned, Task } from './calculate.ts'
import { columnsRead, textsOf } from './columns-read.ts'
import { DUCKDB_VIEWS } from './dialect.ts'
import { HOUR_MS } from './limits.ts'
import type { MetricInput } from './metric.ts'
import { asPart } from './metric-part.ts'
import { unitTime } from './shape.ts'
import { columnsOf, type Source, type Span, timeColumn, timestampSql } from './source.ts'
import { type Step, stepViews } from './step.ts'

/** What is due of a day of a task, and the DuckDB connection on which its rows are gathered. */
export type TaskDay = {
  readonly task: Task
  /** Hours and buckets of the inputs that can be read for it: those due, and those that may follow from them. */
  readonly span: Span
  /** Hours that are due before anything follows. */
  readonly due: Span
  readonly buckets: readonly number[]
  readonly connection: DuckDBConnection
  readonly source: Source
  /** The lake's objects, and how they become files of this machine. */
  readonly store: ObjectStore
  readonly local: LocalFiles
  readonly signal: AbortSignal | undefined
}

/**
 * Calls `insert` with a SELECT, on the connection, of a step's rows. `before` is a SELECT on the connection, too: of what
 * the hour before the step leaves to it.
 */
export type SelectStep = (step: Step, before: string, insert: (rows: string) => Promise<void>) => Promise<void>

/** What runs the SELECT of a metric; what becomes of the rows (checks, hashes, files) is the same whatever ran it. */
export type Engine = (day: TaskDay) => Promise<SelectStep>

/** Each table that a metric reads, once, as it was pinned, and how it is read. */
export function inputsOf({
  metric,
  inputs,
}: Task): readonly (Pinned & { readonly input: MetricInput; readonly only: string })[] {
  const tables = new Map(metric.inputs.map((input) => [input.table, input]))
  return [...tables.values()].map((input) => {
    const pinned = inputs.get(input.table)
    assert(pinned, `${input.table} is pinned`)
    const whole = input.reach === 'validity' || !unitTime(metric.shape)
    const only = input.table === 'events' ? metric.only : 'TRUE'
    return { ...pinned, input: whole ? { ...input, reach: 'validity' } : input, only }
  })
}

/**
 * DuckDB, over the files themselves where it reads them once, else over the rows of the hours that are due as a table of
 * its own, and over those of the rest of the day once an hour follows that was not.
 */
export const duckDbEngine: Engine = async (day) => {
  const { task, buckets, connection, source } = day
  const { metric } = task
  const readOnce = (table: string) =>
    !metric.carry &&
    textsOf(metric)
      .join(' ')
      .split(new RegExp(`\\b${table}\\b`, 'i')).length === 2
  const isRead = await columnsRead(connection, metric)
  const { length_ms } = unitTime(metric.shape) ?? { length_ms: HOUR_MS }

  async function load(span: Span): Promise<void> {
    for (const { input, only, ...pinned } of inputsOf(task)) {
      const { table } = input
      const select = await source.select(pinned, input, span, buckets, only)
      const column = timeColumn(input)
      const columns = columnsOf(pinned.snapshot)
        .filter((name) => name === 'bucket' || name === column || isRead(table, name))
        .map(identifier)
      // Hour by hour: each then reads its own rows of the table alone.
      const order = metric.carry && column !== undefined ? ` ORDER BY floor(epoch_ms(${column}) / ${HOUR_MS})` : ''
      const rows = `SELECT ${columns.join(', ')} FROM (${select}) day${order}`
      // No metric has such a name.
      const kept = identifier(`${table} rows`)
      await connection.run(`DROP TABLE IF EXISTS ${kept}`)
      if (!readOnce(table))
        await asPart(metric.name, 'only', () => connection.run(`CREATE TEMP TABLE ${kept} AS ${rows}`))
      const view = `${table}_day AS ${readOnce(table) ? rows : `FROM ${kept}`}`
      await asPart(metric.name, 'only', () => connection.run(`CREATE OR REPLACE TEMP VIEW ${view}`))
    }
  }

  let span = metric.carry ? day.due : day.span
  await load(span)
  return async (step, before, insert) => {
    const from_ms = Math.min(...step.hours)
    if (metric.carry && (from_ms < span.from_ms || Math.max(...step.hours) + length_ms > span.to_ms)) {
      span = { ...day.span, from_ms }
      await load(span)
    }
    const views = stepViews({ ...day, span }, step, timestampSql)
    await asPart(metric.name, 'carry', () => connection.run(`CREATE OR REPLACE TEMP VIEW before AS ${before}`))
    for (const view of [...views, ...(DUCKDB_VIEWS[metric.name] ?? [])]) await connection.run(view)
    await insert(metric.sql)
  }
}
