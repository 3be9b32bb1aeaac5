import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { z } from 'zod'
import { EVENTS_TABLE } from '../contract/events-table.ts'
import { openDuckDb, rowsOf } from '../lake/duckdb.ts'
import { openFolderStore } from '../lake/folder-store.ts'
import type { Lake } from '../lake/lake.ts'
import { openLocalFiles } from '../lake/local-files.ts'
import { scanSql } from '../lake/scan.ts'
import { identifier } from '../lake/schema.ts'
import type { Catalogue } from './catalogue.ts'
import type { Engine } from './engine.ts'
import { type JobsOptions, openJobs } from './jobs.ts'
import { CHECK_ROWS_TOLD } from './limits.ts'
import type { Metric } from './metric.ts'
import { commitSample, type SampleOptions, sampleLake, takeSample } from './sample.ts'
import { failedCheck } from './workbench.ts'

/** What a check of a metric found. */
export type MetricCheck = {
  readonly name: string
  /** null: it was not tried. */
  readonly holds: boolean | null
  /** Why it does not hold. */
  readonly problem?: string
  readonly note?: string
  /** What belongs below it: rows, or where in a text. */
  readonly lines?: readonly string[]
}

export type MetricCheckOptions = Pick<JobsOptions, 'lake' | 'clock' | 'random' | 'scratch_folder' | 'cache'> & {
  /** With the metric, and those that it reads. */
  readonly metrics: Catalogue
  /** Spark, where there is one: it is to make the same. */
  readonly spark?: Engine | undefined
  readonly signal?: AbortSignal | undefined
}

const RUNS = 'runs'
const UNIQUE = 'keys unique'
const CHECKS = 'checks hold'
const LATE = 'late events come to the same'
const SPARK = 'Spark makes the same'

type Made = { readonly rows: readonly string[] } | { readonly error: Error }

/**
 * Tries a metric out on a sample of the lake, in lakes that are thrown away: that its SELECT runs and gives what its header
 * says, that its keys are unique and its checks hold, and that it is the same when half of the events come late as when all are
 * there from the start: what it says of what affects it is then right. Raises the signal's reason.
 */
export async function checkMetric(metric: Metric, options: MetricCheckOptions): Promise<readonly MetricCheck[]> {
  const { lake, clock, random, signal } = options
  signal?.throwIfAborted()
  await mkdir(options.scratch_folder, { recursive: true })
  const folder = await mkdtemp(join(options.scratch_folder, 'check-'))
  try {
    await using duck = await openDuckDb({ threads: 1, temp_folder: join(folder, 'temp') })
    await using local = await openLocalFiles(lake.store, { cache: options.cache, clock })
    const { connection } = duck
    using _ = onAbort(signal, () => connection.interrupt())
    const sampling: SampleOptions = { clock, random, connection, scratch_folder: join(folder, 'scratch'), signal }
    const sample = await takeSample(lake, local, sampling)
    const told = `${sample.rows} events of ${sample.hubs.length} hubs`
    const units = unitsNamed(metric)
    if (sample.rows === 0)
      return [units, fails(RUNS, 'the lake has no events to try it on'), ...notTried('', UNIQUE, CHECKS, LATE, SPARK)]
    const whole = await made('whole', ['TRUE'])
    if ('error' in whole) return [units, ...failedRun(metric, whole.error, told)]
    if (whole.rows.length === 0) {
      const note = `warning: ${told} gave 0 rows${await letThrough()}`
      return [units, { name: RUNS, holds: true, note }, ...notTried(': no rows', UNIQUE, CHECKS, LATE, SPARK)]
    }
    const late = await made('late', ['hash(seq, kind, event_time) % 2 = 0', 'hash(seq, kind, event_time) % 2 = 1'])
    return [
      units,
      { name: RUNS, holds: true, note: `${told} gave ${whole.rows.length} rows` },
      { name: UNIQUE, holds: true },
      { name: CHECKS, holds: true, ...(metric.checks.length === 0 && { note: 'it has none' }) },
      sameRows(LATE, whole.rows, late),
      options.spark ? sameRows(SPARK, whole.rows, await made('spark', ['TRUE'], options.spark)) : noSpark,
    ]

    /** How many of the sample's events its `only` has. */
    async function letThrough(): Promise<string> {
      if (!metric.inputs.some(({ table }) => table === EVENTS_TABLE)) return ''
      const [row] = await rowsOf(connection, `SELECT COUNT(*) AS n FROM sample WHERE (${metric.only})`)
      return `; its only lets ${Number(row?.['n'])} of them through`
    }

    /** The rows of the metric in a lake to which these events came one after the other, a run after each. */
    async function made(name: string, parts: readonly string[], engine?: Engine): Promise<Made> {
      const tried = await sampleLake(openFolderStore(join(folder, name)), sampling)
      await using jobs = await openJobs({
        ...{ lake: tried, clock, random, engine, scratch_folder: join(folder, `${name}-scratch`) },
        metrics: neededBy(metric, options.metrics),
      })
      try {
        for (const where of parts) {
          await commitSample(tried, where, sampling)
          await jobs.run({ ...(signal && { signal }) })
        }
        return { rows: await rowsIn(tried) }
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof Error)) throw error
        return { error }
      }
    }

    async function rowsIn(tried: Lake): Promise<readonly string[]> {
      const table = await tried.table(metric.name)
      const snapshot = await table.snapshot()
      await using files = await openLocalFiles(tried.store, { cache: undefined, clock })
      await using held = await files.hold(table.prefix, [...snapshot.files.values()])
      const list = metric.columns.map((column) => identifier(column.name)).join(', ')
      const rows = await rowsOf(connection, `SELECT ${list} FROM (${scanSql(snapshot, held.files)}) t ORDER BY ALL`)
      return rows.map((row) => JSON.stringify(row))
    }
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const noSpark: MetricCheck = { name: SPARK, holds: null, note: 'not tried: spark.command names no Spark' }

function onAbort(signal: AbortSignal | undefined, work: () => void): Disposable {
  signal?.addEventListener('abort', work)
  return { [Symbol.dispose]: () => signal?.removeEventListener('abort', work) }
}

function notTried(why: string, ...names: readonly string[]): readonly MetricCheck[] {
  return names.map((name) => ({ name, holds: null, note: `not tried${why}` }))
}

/** The first line of a message stands in the table. */
function fails(name: string, message: string, more: readonly string[] = []): MetricCheck {
  const [problem = '', ...lines] = [...message.trim().split('\n'), ...more]
  return { name, holds: false, problem, ...(lines.length > 0 && { lines }) }
}

/** A check that fails, fails on rows: the SELECT ran. */
function failedRun(metric: Metric, error: Error, told: string): readonly MetricCheck[] {
  const { data: failed } = failedCheck.safeParse(error.cause)
  if (!failed) return [fails(RUNS, error.message), ...notTried('', UNIQUE, CHECKS, LATE, SPARK)]
  const said = failedText(failed)
  if (failed.metric !== metric.name) {
    const [problem, rows] = said
    return [
      fails(RUNS, `of ${failed.metric}, which it reads, ${problem}`, rows),
      ...notTried('', UNIQUE, CHECKS, LATE, SPARK),
    ]
  }
  const ran = { name: RUNS, holds: true, note: told }
  const rest = notTried('', LATE, SPARK)
  return failed.check === undefined
    ? [ran, fails(UNIQUE, ...said), ...notTried('', CHECKS), ...rest]
    : [ran, { name: UNIQUE, holds: true }, fails(CHECKS, ...said), ...rest]
}

function failedText({ check, rows, first }: z.infer<typeof failedCheck>): [string, string[]] {
  const which = check === undefined ? 'keys not unique' : `"${check}" fails`
  return [`${which} in ${rows} rows of a day, as:`, first.slice(0, CHECK_ROWS_TOLD).map((row) => JSON.stringify(row))]
}

/** The metric, and all that it is made of. */
function neededBy(metric: Metric, metrics: Catalogue): Catalogue {
  const names = new Set([metric.name])
  for (const { name, inputs } of metrics.toReversed())
    if (names.has(name)) for (const { table } of inputs) names.add(table)
  return metrics.filter(({ name }) => names.has(name))
}

function unitsNamed({ columns }: Metric): MetricCheck {
  const bare = columns.filter(({ type, unit }) => type === 'long' && unit === undefined).map(({ name }) => name)
  const note = bare.length > 0 && { note: `whole numbers without a unit: ${bare.join(', ')}` }
  return { name: 'units named', holds: true, ...note }
}

function sameRows(name: string, whole: readonly string[], others: Made): MetricCheck {
  if ('error' in others) {
    const { data: failed } = failedCheck.safeParse(others.error.cause)
    return failed ? fails(name, ...failedText(failed)) : fails(name, others.error.message)
  }
  const { rows } = others
  const at = whole.findIndex((row, i) => row !== rows[i])
  if (at < 0 && rows.length === whole.length) return { name, holds: true }
  const first = at < 0 ? whole.length : at
  return fails(
    name,
    `it has ${rows.length} rows, and ${whole.length} where DuckDB makes all at once; the first that differ:`,
    [`${whole[first] ?? 'none'} all at once`, `${rows[first] ?? 'none'} here`],
  )
}
