import { styleText } from 'node:util'
import { catalogue } from '../jobs/catalogue.ts'
import type { Explained, MetricRun, MetricStatus } from '../jobs/jobs.ts'
import type { Unit } from '../jobs/plan.ts'
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

export function planText(units: readonly Unit[], all: boolean): string {
  if (units.length === 0) return 'Nothing is due.'
  const shown = all ? units : units.slice(0, UNITS_SHOWN)
  const table = textTable(
    ['metric', 'hour', 'bucket', 'cause'],
    shown.map(({ metric, hour_ms, bucket, cause }) => [
      ...[metric, hourText(hour_ms), bucket === ALL ? 'all' : String(bucket), cause],
    ]),
  )
  const more = units.length - shown.length
  return more > 0 ? `${table}\n${styleText('dim', `… and ${more} more; --all prints them`)}` : table
}

function hourText(hour_ms: number | undefined): string {
  return hour_ms === 0 ? 'whole history' : shortTime(hour_ms)
}

/** A status in the words of its JSON. */
export function statusRows(told: readonly MetricStatus[], metrics = catalogue()) {
  return metrics.map(({ name, revision, hash, grain }) => {
    const { computed, newest_ms, due = [] } = told.find(({ metric }) => metric === name) ?? {}
    const state = { computed: computed ?? 0, newest_ms, due: due.length, oldest_ms: due[0]?.hour_ms }
    return { metric: name, ...state, revision, definition: hash, grain }
  })
}

export function statusText(rows: ReturnType<typeof statusRows>): string {
  const table = textTable(
    ['metric', 'computed', 'newest hour', 'due', 'oldest due', 'revision', 'definition', 'grain'],
    rows.map((row) => [
      ...[row.metric, row.computed, hourText(row.newest_ms), row.due, hourText(row.oldest_ms)],
      ...[row.revision, row.definition, row.grain],
    ]),
  )
  const due = rows.some((row) => row.due > 0)
  return due ? `${table}\n${styleText('dim', 'hearth jobs plan says why each is due.')}` : table
}

/** From what each bucket of an hour was made, and below it what that means for who asked. */
export function explainText(told: readonly Explained[]): string {
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
  const advice = 'hearth up makes it when its turn comes (hearth jobs status); hearth jobs run makes it now.'
  return `${table}\n${styleText('dim', `${what}: ${advice}`)}`
}

function madeFrom(record: Explained['record']): string {
  if (!record) return 'nothing yet'
  return Object.entries(record.inputs)
    .map(([table, version]) => `${table}@v${version}`)
    .join(' ')
}
