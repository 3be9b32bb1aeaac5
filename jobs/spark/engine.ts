import { join } from 'node:path'
import { type Clock, type Random, randomHex } from '../../contract/clock.ts'
import { promotedOf } from '../../lake/promoted.ts'
import { identifier, literal } from '../../lake/schema.ts'
import { duckDbEngine, type Engine, inputsOf, type SelectStep, type TaskDay } from '../engine.ts'
import { SPARK_IDLE_MS } from '../limits.ts'
import { filesOf } from '../source.ts'
import { stepViews } from '../step.ts'
import { SPARK_VIEWS, sparkLiteral, sparkTimeSql, sparkType } from './dialect.ts'
import { openExchange } from './exchange.ts'
import { openSparkShell, type SparkShell } from './shell.ts'
import { dayViews } from './source.ts'

export type SparkOptions = {
  /** That starts Spark's SQL shell. */
  readonly command: string
  /** Of which metrics; of all when undefined. */
  readonly metrics: readonly string[] | undefined
  /** A day whose files have fewer bytes is left to DuckDB. */
  readonly from_bytes: number
  readonly clock: Clock
  readonly random: Random
  readonly scratch_folder: string
}

/** Spark for large days, DuckDB for the others. The shell is started when it is first needed, and ends when it is idle. */
export type SparkEngine = { readonly engine: Engine; [Symbol.asyncDispose](): Promise<void> }

export function openSparkEngine(options: SparkOptions): SparkEngine {
  const { clock, command, random, scratch_folder } = options
  let shell: SparkShell | undefined
  let ended: Promise<void> = Promise.resolve()
  let cancelIdle = () => {}

  function close(): Promise<void> {
    cancelIdle()
    const over = shell
    shell = undefined
    ended = ended.then(() => over?.[Symbol.asyncDispose]())
    return ended
  }

  async function opened(signal: AbortSignal | undefined): Promise<SparkShell> {
    if (shell && !shell.alive) await close()
    const folder = join(scratch_folder, `spark-${randomHex(random, 8)}`)
    shell ??= await openSparkShell({ command, folder, clock }, signal)
    return shell
  }

  async function selectStep(day: TaskDay): Promise<SelectStep> {
    const { task, signal } = day
    /** The shell that has views of the day. */
    let knowing: SparkShell | undefined
    async function run(statements: readonly string[]): Promise<void> {
      cancelIdle()
      try {
        const current = await opened(signal)
        const inputs = current === knowing ? [] : inputsOf(task)
        await current.run([...inputs.flatMap((input) => dayViews(day.store, input, day)), ...statements], signal)
        knowing = current
      } finally {
        cancelIdle = clock.timer(SPARK_IDLE_MS, () => void close())
      }
    }
    return async (step, before, insert) => {
      const { metric } = task
      await using exchange = openExchange(day.store, day.local, { random, scratch_folder })
      const views = [...stepViews(day, step, sparkTimeSql)]
      if (metric.carry) {
        await exchange.put(day.connection, 'before.parquet', before)
        const carried = metric.columns.filter(({ name }) => metric.carry?.columns.includes(name))
        const schema = carried.map((column) => `${identifier(column.name)} ${sparkType(column)}`).join(', ')
        const path = sparkLiteral(exchange.uri('before.parquet'))
        views.push(`CREATE OR REPLACE TEMP VIEW before (${schema}) USING parquet OPTIONS (path ${path})`)
      }
      const list = metric.columns.map((column) => {
        const name = identifier(column.name)
        return `CAST(${name} AS ${sparkType(column)}) AS ${name}`
      })
      const made = `INSERT OVERWRITE DIRECTORY ${sparkLiteral(exchange.uri('made'))} USING parquet SELECT ${list.join(', ')} FROM (${metric.sql}) made`
      await run([...views, ...(SPARK_VIEWS[metric.name] ?? []), made])
      await using files = await exchange.take('made', signal)
      await insert(`SELECT * FROM read_parquet([${files.paths.map(literal).join(', ')}])`)
    }
  }

  return {
    engine: (day) => (isForSpark(options, day) ? selectStep(day) : duckDbEngine(day)),
    [Symbol.asyncDispose]: close,
  }
}

/** What DuckDB puts back into `extra` of promoted fields, Spark is not taught: a metric that reads one is left to DuckDB. */
function isForSpark({ metrics, from_bytes }: SparkOptions, { task, span, buckets }: TaskDay): boolean {
  const { metric } = task
  if (metrics && !metrics.includes(metric.name)) return false
  const sql = [metric.sql, ...(SPARK_VIEWS[metric.name] ?? [])].join()
  let bytes = 0
  for (const { input, snapshot } of inputsOf(task)) {
    if (promotedOf(snapshot).some(({ name }) => sql.includes(`extra['${name}']`))) return false
    for (const { size } of filesOf(snapshot, input, span, buckets)) bytes += size
  }
  return bytes >= from_bytes
}
