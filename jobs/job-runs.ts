import { uuid } from '../contract/clock.ts'
import type { Column } from '../contract/column.ts'
import { Problem } from '../contract/problem.ts'
import { writeRows as asParquet, type Row } from '../lake/write-rows.ts'
import type { How } from './calculate.ts'
import type { JobsOptions } from './jobs.ts'
import { FAILURES_CHARACTERS_MAX, HOUR_MS, RUN_ATTEMPTS_MAX } from './limits.ts'

/** For people: what each run did. Nothing is decided from it; the ledger is in the metric tables. */
export const JOB_RUNS_TABLE = 'job_runs'

export const JOB_RUNS_COLUMNS: readonly Column[] = [
  { name: 'run_id', type: 'string', meaning: 'one share of what was due, of all metrics that had some' },
  { name: 'started_time', type: 'timestamp', meaning: 'when the run began' },
  { name: 'metric', type: 'string', meaning: 'the metric' },
  {
    name: 'units',
    type: 'long',
    unit: 'units',
    meaning: 'hours × buckets that were made, or that one that failed was to make',
  },
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

/** Appends the story of one run. Raises `conflict` when that is passed by vacuum each time. */
export async function recordRuns(
  { lake, clock, random, writeRows = asParquet }: Pick<JobsOptions, 'lake' | 'clock' | 'random' | 'writeRows'>,
  started_ms: number,
  runs: readonly JobRun[],
): Promise<void> {
  const table = await lake.ensureTable(JOB_RUNS_TABLE, { columns: JOB_RUNS_COLUMNS, partition: [] })
  const run_id = uuid(random)
  const rows = runs.map((run) => ({ run_id, started_time: started_ms, ...rowOf(run) }))
  for (let attempt = 1; ; attempt++) {
    // Read before the file is uploaded, as every base is: by it a commit knows whether vacuum has passed its files.
    const base = await table.snapshot()
    const add = await writeRows({
      ...{ rows, store: lake.store, prefix: table.prefix, columns: JOB_RUNS_COLUMNS, partitionValues: {} },
      ...{ random, clock },
    })
    const about = { kind: 'ingest', removes: [], txns: [], info: {} } as const
    const outcome = await table.commit({ ...about, id: run_id, base, adds: [add] })
    if (outcome.kind === 'committed') return
    if (attempt < RUN_ATTEMPTS_MAX) continue
    throw new Problem(
      'conflict',
      `what runs did could not be told in ${JOB_RUNS_TABLE}; the runs themselves are committed`,
    )
  }
}

function rowOf({ metric, units, first_ms, last_ms, rows, ms, cause, outcome, reason, version, how }: JobRun): Row {
  const hours = { first_hour: hourOf(first_ms), last_hour: hourOf(last_ms) }
  return { metric, units, ...hours, rows, ms, cause, outcome, reason, version, ...howRow(how) }
}

/** A whole history has none. */
function hourOf(ms: number | undefined): number | undefined {
  return ms === undefined || ms < HOUR_MS ? undefined : ms
}

function howRow(how: How | undefined): Row {
  if (!how) return { runner: 'process', parts: 1, attempts: 1 }
  const failures = how.attempts
    .filter(({ outcome }) => outcome === 'failed')
    .map(({ index, place, cause = 'no cause is known' }) => `part ${index} (${place}): ${cause}`)
  const told = failures.length === 0 ? undefined : failures.join('\n').slice(0, FAILURES_CHARACTERS_MAX)
  return { runner: how.runner, parts: how.parts, attempts: how.attempts.length, failures: told }
}
