import { styleText } from 'node:util'
import type { Catalogue } from '../jobs/catalogue.ts'
import { type Failure, failureOf } from '../jobs/failure.ts'
import { freshWord } from '../jobs/fresh-word.ts'
import type { MetricRun } from '../jobs/jobs.ts'
import { FRESH_WITHIN_MS } from '../jobs/limits.ts'
import type { Explained, MetricStatus } from '../jobs/look.ts'
import type { Unit } from '../jobs/plan.ts'
import type { Rehearsed } from '../jobs/rehearsal.ts'
import type { RunUnderWay } from '../jobs/runs-under-way.ts'
import { type UnitShape, unitTime } from '../jobs/shape.ts'
import { ALL } from '../jobs/touched.ts'
import { shortTime, textTable } from './text-table.ts'

/** Units that `plan` prints unless all are asked for. */
const UNITS_SHOWN = 40

/** A run in the words of its JSON. */
export function summary({ metric, units, rows, ms, version }: MetricRun) {
  return { metric, units: units.length, rows, ms: Math.round(ms), version }
}

export function runText(runs: readonly MetricRun[]): string {
  if (runs.length === 0) return 'Nothing is due.'
  return textTable(
    ['metric', 'units', 'rows', 'ms', 'version'],
    runs.map(summary).map((run) => [run.metric, run.units, run.rows, run.ms, run.version ?? '']),
  )
}

export function planText(units: readonly Rehearsed[], all: boolean): string {
  if (units.length === 0) return 'Nothing is due.'
  const shown = all ? units : units.slice(0, UNITS_SHOWN)
  const table = textTable(
    ['metric', 'hour', 'bucket', 'cause'],
    shown.map(({ metric, hour_ms, bucket, cause }) => [
      ...[metric, hourText(hour_ms), bucket === ALL ? 'all' : String(bucket), cause],
    ]),
  )
  const more = units.length - shown.length
  const failed = new Set(units.flatMap((unit) => (unit.failed ? [`${unit.metric} failed: ${unit.failed}`] : [])))
  const cut = more > 0 ? [styleText('dim', `… and ${more} more; --all prints them`)] : []
  const wait =
    failed.size > 0 ? [styleText('dim', 'What reads it waits for it, and what follows from it is not known.')] : []
  return [table, ...cut, ...failed, ...wait].join('\n')
}

function hourText(hour_ms: number | undefined): string {
  return hour_ms === 0 ? 'whole history' : shortTime(hour_ms)
}

/** A status in the words of its JSON. */
export function statusRows(
  catalogue: Catalogue,
  told: readonly MetricStatus[],
  under: readonly RunUnderWay[],
  failures: readonly Failure[],
  now_ms: number,
) {
  const metrics = catalogue.map(({ name, revision, hash, grain, shape }) => {
    const found = told.find(({ metric }) => metric === name)
    const { computed = 0, newest_ms, due = [], complete_to_ms, fresh_until_ms = now_ms } = found ?? {}
    const state = { computed, newest_ms, due: due.length, oldest_ms: due[0]?.hour_ms }
    const fresh = { complete_to_ms, late_ms: Math.max(0, now_ms - fresh_until_ms) }
    const is_history = unitTime(shape) === undefined
    const failing = failureIn(failures, name, due)
    const how = { ...fresh, computed, due: due.length, reaches: complete_to_ms !== undefined, is_history }
    const word = freshWord({ ...how, failing: failing !== undefined })
    return { metric: name, ...state, ...fresh, fresh: word, failing, revision, definition: hash, grain }
  })
  return { metrics, runs_under_way: under.map(({ about, ...run }) => ({ ...run, ...about })) }
}

function failureIn(failures: readonly Failure[], metric: string, due: readonly Unit[]): Failure | undefined {
  return failureOf(
    failures,
    metric,
    due.map(({ hour_ms }) => ({ first_ms: hour_ms, last_ms: hour_ms })),
  )
}

/** `failed 19 times since 2026-11-28 16:03Z, last 2026-11-28 16:57Z: why` */
function failureText({ times, since_ms, last_ms, reason }: Failure): string {
  const when =
    times === 1 ? shortTime(last_ms) : `${times} times since ${shortTime(since_ms)}, last ${shortTime(last_ms)}`
  return `failed ${when}: ${reason}`
}

export function statusText({ metrics, runs_under_way }: ReturnType<typeof statusRows>): string {
  const due = metrics.some((row) => row.due > 0)
  const late = metrics.some((row) => row.fresh === 'late')
  const table = textTable(
    ['metric', 'complete to', 'fresh', 'computed', 'newest hour', 'due', 'oldest due', 'revision', 'definition'],
    metrics.map((row) => [
      ...[row.metric, shortTime(row.complete_to_ms), freshText(row)],
      ...[row.computed, hourText(row.newest_ms), row.due, hourText(row.oldest_ms), row.revision, row.definition],
    ]),
  )
  const runs = textTable(
    ['under way elsewhere', 'metric', 'units', 'parts made', 'since'],
    runs_under_way.map(({ run, metric = '', units = '', parts = '?', made, since_ms }) => [
      ...[run, metric, units, `${made} of ${parts}`, shortTime(since_ms)],
    ]),
  )
  const failing = metrics.flatMap((row) => (row.failing ? [`${row.metric} ${failureText(row.failing)}`] : []))
  const advice = [
    ...(late ? [`late: the rows of an hour are to be final ${minutes(FRESH_WITHIN_MS)} after its end.`] : []),
    ...(due ? ['hearth jobs plan says why each is due, and what follows from it.'] : []),
    ...(runs_under_way.length > 0 ? ['hearth jobs cancel RUN ends one that is under way.'] : []),
  ].map((line) => styleText('dim', line))
  return [
    table,
    ...(failing.length > 0 ? ['', ...failing] : []),
    ...(runs_under_way.length > 0 ? ['', runs] : []),
    ...advice,
  ].join('\n')
}

function freshText(row: ReturnType<typeof statusRows>['metrics'][number]): string {
  if (row.fresh === 'late') return `late ${minutes(row.late_ms)}`
  return row.fresh === 'fresh' ? 'yes' : row.fresh
}

function minutes(ms: number): string {
  const whole = Math.ceil(ms / 60_000)
  return whole < 120 ? `${whole} min` : `${Math.floor(whole / 60)} h`
}

/** Of which hour or day of a metric it is told when this hour is asked for. */
export function unitText(shape: UnitShape, { metric, hour_ms }: Pick<Unit, 'metric' | 'hour_ms'>): string {
  const time = unitTime(shape)
  const what = time ? `the ${time.column} from ${shortTime(hour_ms - (hour_ms % time.length_ms))}` : 'its whole history'
  return styleText('dim', `${metric}, ${what}`)
}

/** From what each bucket of an hour was made, and below it what that means for who asked. */
export function explainText(told: readonly Explained[], failing?: Failure): string {
  const rows = told.map(({ bucket, record, cause, frozen }) => [
    ...[bucket === ALL ? 'all' : String(bucket), cause ?? (frozen ? 'never again' : 'no'), madeFrom(record)],
    ...[record ? String(record.revision) : '', record?.definition ?? '', record?.carry.slice(0, 8) ?? ''],
    ...[record?.rows.slice(0, 8) ?? '', record ? (record.open ? 'still running' : 'over') : ''],
  ])
  const table = textTable(['bucket', 'due', 'made from', 'revision', 'definition', 'carry-in', 'rows', 'hour'], rows)
  const due = told.filter(({ cause }) => cause !== undefined)
  const frozen = told.find((one) => one.frozen)?.frozen
  if (frozen) {
    const made = told.some(({ record }) => record) ? 'stays as it was made, by the definition above' : 'is never made'
    const why = `${frozen.table} keeps no rows from before ${shortTime(frozen.from_ms)} (retention), so this hour ${made}.`
    return `${table}\n${styleText('dim', why)}`
  }
  if (due.length === 0) return table
  const never = due.filter(({ record }) => record === undefined)
  const what =
    never.length === told.length
      ? 'Not computed yet'
      : never.length > 0
        ? `${never.length} of ${told.length} buckets are not computed yet`
        : 'Computed, and due to be made anew'
  if (failing) {
    const advice = 'mend that; hearth up tries it again, hearth jobs run tries it now.'
    return `${table}\n${what}: it ${failureText(failing)}\n${styleText('dim', advice)}`
  }
  const advice = 'hearth up makes it when its turn comes (hearth jobs status); hearth jobs run makes it now.'
  return `${table}\n${styleText('dim', `${what}: ${advice}`)}`
}

function madeFrom(record: Explained['record']): string {
  if (!record) return 'nothing yet'
  return Object.entries(record.inputs)
    .map(([table, version]) => `${table}@v${version}`)
    .join(' ')
}
