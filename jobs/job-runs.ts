import type { DuckDBConnection } from '@duckdb/node-api'
import { type Clock, type Random, uuid } from '../contract/clock.ts'
import type { Column } from '../contract/column.ts'
import type { Lake } from '../lake/lake.ts'
import { literal } from '../lake/schema.ts'
import { writeFile } from '../lake/write.ts'
import type { How } from './calculate.ts'
import { FAILURES_CHARACTERS_MAX, HOUR_MS } from './limits.ts'
import { timestampSql } from './source.ts'

/** For people: what each run did. Nothing is decided from it; the ledger is in the metric tables. */
export const JOB_RUNS_TABLE = 'job_runs'

export const JOB_RUNS_COLUMNS: readonly Column[] = [
  { name: 'run_id', type: 'string', meaning: 'one run: all metrics that one tick made' },
  { name: 'started_time', type: 'timestamp', meaning: 'when the run began' },
  { name: 'metric', type: 'string', meaning: 'the metric' },
  { name: 'units', type: 'long', unit: 'units', meaning: 'hours × buckets that were made' },
  { name: 'first_hour', type: 'timestamp', meaning: 'the earliest of them' },
  { name: 'last_hour', type: 'timestamp', meaning: 'the latest of them' },
  { name: 'rows', type: 'long', unit: 'rows', meaning: 'rows that they hold' },
  { name: 'ms', type: 'double', unit: 'ms', meaning: 'how long it took' },
  { name: 'cause', type: 'string', meaning: 'why they were due, each cause once' },
  { name: 'outcome', type: 'string', meaning: 'committed or failed' },
  { name: 'reason', type: 'string', meaning: 'why it failed' },
  { name: 'version', type: 'long', meaning: 'version of the metric table that it committed' },
  { name: 'runner', type: 'string', meaning: 'who calculated it: process, or as the jobs are configured' },
  { name: 'parts', type: 'long', unit: 'parts', meaning: 'parts that were calculated beside each other' },
  { name: 'attempts', type: 'long', unit: 'attempts', meaning: 'tries that parts took, as far as they are known' },
  { name: 'failures', type: 'string', meaning: 'each try that failed, a line each: part, place, cause and last words' },
]

export type JobRun = {
  readonly metric: string
  readonly units: number
  readonly first_ms: number | undefined
  readonly last_ms: number | undefined
  readonly rows: number
  readonly ms: number
  readonly cause: string
  readonly outcome: 'committed' | 'failed'
  readonly reason?: string
  readonly version: number | undefined
  /** Unless this process calculated it. */
  readonly how?: How | undefined
}

/** Appends the story of one run. */
export async function recordRuns(
  { lake, clock, random, scratch_folder }: { lake: Lake; clock: Clock; random: Random; scratch_folder: string },
  connection: DuckDBConnection,
  started_ms: number,
  runs: readonly JobRun[],
): Promise<void> {
  const table = await lake.ensureTable(JOB_RUNS_TABLE, { columns: JOB_RUNS_COLUMNS, partition: [] })
  const run_id = uuid(random)
  const text = (value: string | undefined) => (value === undefined ? 'NULL' : literal(value))
  const time = (ms: number | undefined) => (ms === undefined || ms < HOUR_MS ? 'NULL' : timestampSql(ms))
  const rows = runs.map(
    (run) =>
      `(${[
        ...[
          literal(run_id),
          timestampSql(started_ms),
          literal(run.metric),
          run.units,
          time(run.first_ms),
          time(run.last_ms),
        ],
        ...[run.rows, run.ms, literal(run.cause), literal(run.outcome), text(run.reason), run.version ?? 'NULL'],
        ...howSql(run.how),
      ].join(', ')})`,
  )
  const names = JOB_RUNS_COLUMNS.map(({ name }) => name).join(', ')
  // Read before the file is uploaded, as every base is: by it a commit knows whether vacuum has passed its files.
  const base = await table.snapshot()
  const add = await writeFile({
    ...{ connection, store: lake.store, prefix: table.prefix, columns: JOB_RUNS_COLUMNS, partitionValues: {} },
    configuration: base.configuration,
    ...{ sort: [], random, clock, scratch_folder },
    select: `SELECT * FROM (VALUES ${rows.join(', ')}) runs(${names})`,
  })
  await table.commit({ id: run_id, kind: 'ingest', base, adds: [add], removes: [], txns: [], info: {} })
}

function howSql(how: How | undefined): readonly (string | number)[] {
  if (!how) return [literal('process'), 1, 1, 'NULL']
  const failures = how.attempts
    .filter(({ outcome }) => outcome === 'failed')
    .map(({ index, place, cause = 'no cause is known' }) => `part ${index} (${place}): ${cause}`)
  const told = failures.length === 0 ? 'NULL' : literal(failures.join('\n').slice(0, FAILURES_CHARACTERS_MAX))
  return [literal(how.runner), how.parts, how.attempts.length, told]
}
