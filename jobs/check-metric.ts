import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isProblem, messageOf } from '../contract/problem.ts'
import { openDuckDb, rowsOf } from '../lake/duckdb.ts'
import { openFolderStore } from '../lake/folder-store.ts'
import type { Lake } from '../lake/lake.ts'
import { openLocalFiles } from '../lake/local-files.ts'
import { scanSql } from '../lake/scan.ts'
import { identifier } from '../lake/schema.ts'
import type { Catalogue } from './catalogue.ts'
import type { Engine } from './engine.ts'
import { type JobsOptions, openJobs } from './jobs.ts'
import type { Metric } from './metric.ts'
import { commitSample, type SampleOptions, sampleLake, takeSample } from './sample.ts'

/** What a check of a metric found; undefined `problem`: it holds. */
export type MetricCheck = { readonly name: string; readonly problem?: string | undefined; readonly note?: string }

export type MetricCheckOptions = Pick<JobsOptions, 'lake' | 'clock' | 'random' | 'scratch_folder' | 'cache'> & {
  /** With the metric, and those that it reads. */
  readonly metrics: Catalogue
  /** Spark, where there is one: it is to make the same. */
  readonly spark?: Engine | undefined
}

/**
 * Tries a metric out on a sample of the lake, in lakes that are thrown away: that its SELECT runs and gives what its header
 * says, that its checks hold and its keys are unique, and that it is the same when half of the events come late as when all are
 * there from the start: what it says of what affects it is then right.
 */
export async function checkMetric(metric: Metric, options: MetricCheckOptions): Promise<readonly MetricCheck[]> {
  const { lake, clock, random } = options
  await mkdir(options.scratch_folder, { recursive: true })
  const folder = await mkdtemp(join(options.scratch_folder, 'check-'))
  try {
    await using duck = await openDuckDb({ threads: 1, temp_folder: join(folder, 'temp') })
    await using local = await openLocalFiles(lake.store, { cache: options.cache, clock })
    const { connection } = duck
    const sampling: SampleOptions = { clock, random, connection, scratch_folder: join(folder, 'scratch') }
    const sample = await takeSample(lake, local, sampling)
    const told = `${sample.rows} events of ${sample.hubs.length} hubs`
    if (sample.rows === 0) return [unitsNamed(metric), { name: 'runs', problem: 'the lake has no events to try it on' }]
    const whole = await made('whole', ['TRUE'])
    if ('problem' in whole) return [unitsNamed(metric), { name: 'runs', problem: whole.problem, note: told }]
    const late = await made('late', ['hash(seq, kind, event_time) % 2 = 0', 'hash(seq, kind, event_time) % 2 = 1'])
    if ('problem' in late) return [unitsNamed(metric), { name: 'runs', problem: late.problem, note: told }]
    return [
      unitsNamed(metric),
      { name: 'runs', note: `${told} gave ${whole.rows.length} rows` },
      sameRows('late events come to the same', whole.rows, late.rows),
      await onSpark(whole.rows),
    ]

    async function onSpark(rows: readonly string[]): Promise<MetricCheck> {
      const name = 'Spark makes the same'
      if (!options.spark) return { name, note: 'not tried: spark.command names no Spark' }
      const spark = await made('spark', ['TRUE'], options.spark)
      return 'problem' in spark ? { name, problem: spark.problem } : sameRows(name, rows, spark.rows)
    }

    /** The rows of the metric in a lake to which these events came one after the other, a run after each. */
    async function made(name: string, parts: readonly string[], engine?: Engine) {
      const tried = await sampleLake(openFolderStore(join(folder, name)), sampling)
      await using jobs = await openJobs({
        ...{ lake: tried, clock, random, engine, scratch_folder: join(folder, `${name}-scratch`) },
        metrics: neededBy(metric, options.metrics),
      })
      try {
        for (const where of parts) {
          await commitSample(tried, where, sampling)
          await jobs.run()
        }
        return { rows: await rowsIn(tried) }
      } catch (error) {
        if (!isProblem(error) && !(error instanceof Error)) throw error
        return { problem: messageOf(error).split('\n')[0] ?? '' }
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
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
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
  return { name: 'units named', ...(bare.length > 0 && { note: `whole numbers without a unit: ${bare.join(', ')}` }) }
}

function sameRows(name: string, whole: readonly string[], others: readonly string[]): MetricCheck {
  const other = whole.find((row, i) => row !== others[i]) ?? others[whole.length]
  if (other === undefined) return { name }
  return {
    name,
    problem: `it has ${others.length} rows, and ${whole.length} where DuckDB makes all at once; first of those that differ: ${other}`,
  }
}
