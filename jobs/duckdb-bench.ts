import { join } from 'node:path'
import type { AddFile } from '../lake/action.ts'
import { type DuckDb, openDuckDb } from '../lake/duckdb.ts'
import { openLocalFiles } from '../lake/local-files.ts'
import { identifier } from '../lake/schema.ts'
import { writeFile } from '../lake/write.ts'
import type { Bench, BenchDay, Benches } from './bench.ts'
import { DAY_MS, dayOf } from './day.ts'
import { DUCKDB_MACROS } from './dialect.ts'
import { duckDbEngine, type TaskDay } from './engine.ts'
import type { JobsOptions } from './jobs.ts'
import { dateOf } from './ledger.ts'
import { HOUR_MS, JOBS_MEMORY_LIMIT } from './limits.ts'
import type { Metric } from './metric.ts'
import type { Unit } from './plan.ts'
import { unitTime } from './shape.ts'
import { openSource, type Source } from './source.ts'
import { checkTablesRead } from './tables-read.ts'
import { ALL } from './touched.ts'
import { openWorkbench } from './workbench.ts'

type Options = Pick<JobsOptions, 'lake' | 'clock' | 'random' | 'scratch_folder' | 'cache' | 'threads' | 'engine'>

/** Rows on a DuckDB of this process, or of another engine, and Parquet files of them. */
export async function openDuckDbBenches(options: Options): Promise<Benches> {
  const { lake, clock, random, scratch_folder, engine = duckDbEngine } = options
  const { store } = lake
  const local = await openLocalFiles(store, { cache: options.cache, clock })
  let duck: DuckDb | undefined
  const looked = new Set<Metric>()
  const compared = new WeakSet<Metric>()
  const connect = async () => {
    const [threads, temp_folder] = [options.threads ?? 1, join(scratch_folder, 'temp')]
    if (duck) return duck.connection
    duck = await openDuckDb({ threads, memory_limit: JOBS_MEMORY_LIMIT, temp_folder })
    for (const macro of DUCKDB_MACROS) await duck.connection.run(macro)
    return duck.connection
  }

  function of(day: BenchDay, signal: AbortSignal | undefined): Bench {
    const { task, day_ms } = day
    const { metric, standing } = task
    const time = unitTime(metric.shape)
    const source = openSource(local, signal)
    return {
      async open() {
        const connection = await connect()
        if (!looked.has(metric)) await checkTablesRead(connection, metric)
        looked.add(metric)
        const before = await standingSql(source, day)
        const about = { task, ...reachOf(metric, day.units) }
        const select = await engine({ ...about, connection, source, store, local, signal })
        const bench = await openWorkbench(connection, metric, select, before, compared)
        return {
          ...bench,
          write: (bucket, tags) =>
            writeFile({
              connection,
              select: bench.cellSql({ from_ms: day_ms, to_ms: day_ms + DAY_MS }, bucket),
              store,
              prefix: standing.prefix,
              columns: metric.columns,
              configuration: standing.snapshot.configuration,
              partitionValues: time ? { metric_date: dateOf(day_ms) } : {},
              sort: time ? [time.column, ...metric.keys] : metric.keys,
              tags,
              random,
              clock,
              scratch_folder,
            }),
        }
      },
      damage: async () => source.damage(await connect()),
      [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
    }
  }

  return {
    of,
    async [Symbol.asyncDispose]() {
      await duck?.[Symbol.asyncDispose]()
      await local[Symbol.asyncDispose]()
    },
  }
}

/** Which rows of its inputs may be read to make these units of a day, and those that follow from them. */
function reachOf(metric: Metric, units: readonly Unit[]): Pick<TaskDay, 'span' | 'due' | 'buckets'> {
  const hours = units.map(({ hour_ms }) => hour_ms)
  const [from_ms, last_ms] = [Math.min(...hours), Math.max(...hours)]
  const due = { from_ms, to_ms: last_ms + (unitTime(metric.shape)?.length_ms ?? HOUR_MS) }
  const span = metric.carry ? { from_ms, to_ms: dayOf(from_ms) + DAY_MS } : due
  return { span, due, buckets: [...new Set(units.map(({ bucket }) => bucket))] }
}

/** The rows that stand for a day, and those of the hour before it for a metric that carries. */
async function standingSql(
  source: Source,
  { task: { standing, cells, metric }, day_ms, units, yesterday }: BenchDay,
): Promise<string | undefined> {
  // A day that is one unit is made whole.
  if (metric.shape === 'day-all') return undefined
  const rewritten = new Set(yesterday.map((add) => add.tags?.['unit']))
  const before = dateOf(day_ms - HOUR_MS)
  const files = new Map<string, AddFile>()
  const buckets = new Set(units.map(({ bucket }) => bucket))
  for (const { add, bucket, day_ms: of_ms } of cells.values()) {
    // What follows is of the buckets that are due; others may stand as an older definition made them.
    if (!buckets.has(bucket)) continue
    const isBefore = of_ms === day_ms - DAY_MS && metric.carry && !rewritten.has(add.tags?.['unit'])
    if (of_ms === day_ms || isBefore) files.set(add.path, add)
  }
  const carried = metric.carry ? yesterday.filter((add) => add.tags?.['unit']?.startsWith(before)) : []
  for (const add of carried) files.set(add.path, add)
  if (files.size === 0) return undefined
  const span = { from_ms: day_ms - HOUR_MS, to_ms: day_ms + DAY_MS }
  const input = { table: metric.name, reach: metric.shape === 'bucket' ? ('validity' as const) : ('hour' as const) }
  const select = await source.select(
    { ...standing, snapshot: { ...standing.snapshot, files } },
    input,
    span,
    [ALL],
    'TRUE',
  )
  return `SELECT ${metric.columns.map(({ name }) => identifier(name)).join(', ')} FROM (${select}) standing`
}
