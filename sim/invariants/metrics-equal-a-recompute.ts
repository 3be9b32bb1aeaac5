import type { Touched } from '../../contract/touched.ts'
import { HOUR_MS } from '../../jobs/limits.ts'
import type { Metric } from '../../jobs/metric.ts'
import type { Row } from '../../lake/write-rows.ts'
import type { Evidence, Invariant } from '../evidence.ts'
import { eventInputs, plainRows } from '../plain-metrics.ts'
import { decodePlainRows } from '../plain-rows.ts'

/** As docs/jobs.md has it: so far back hours are made, and so long a silence of the whole fleet is none of them. */
const HISTORY_MAX_MS = 400 * 24 * HOUR_MS
const SILENCE_MAX_MS = 31 * 24 * HOUR_MS

/** Each metric holds what its definition makes of the rows that its inputs hold, each unit once. */
export const metricsEqualARecompute: Invariant = {
  name: 'metrics equal a recompute',
  check(evidence) {
    const { jobs, archive, rows, now_ms } = evidence
    const spans = spansOf(evidence)
    const tables = new Map([['events', eventInputs(rows)]])
    return jobs.metrics.flatMap((metric) => {
      const input = tables.get(metric.inputs[0]?.table ?? '') ?? []
      const expected = recompute(metric, input, spans)
      tables.set(metric.name, expected)
      const { files } = archive.table(metric.name)
      const units = files.map(({ tags }) => tags?.['unit'])
      const twice = units.filter((unit, i) => units.indexOf(unit) !== i)
      // What a driver whose clock was ahead has made is not yet of interest to anybody.
      const found = files
        .flatMap(({ path }) => decodePlainRows(archive.read(`${metric.name}/${path}`)))
        .filter(({ hour }) => Number(hour) <= now_ms)
      const [told, made] = [found, expected].map((all) => all.map(textOf).sort())
      const [kept, due] = [new Set(told), new Set(made)]
      return [
        ...twice.map((unit) => `${metric.name} has two files of ${unit}`),
        ...(told?.length === kept.size ? [] : [`${metric.name} has a row twice`]),
        ...[...due].filter((row) => !kept.has(row)).map((row) => `${metric.name} lacks ${row}`),
        ...[...kept].filter((row) => !due.has(row)).map((row) => `${metric.name} has ${row}, which it should not`),
      ]
    })
  },
}

function recompute(metric: Metric, input: readonly Row[], spans: readonly (readonly [number, number])[]): Row[] {
  const buckets = metric.shape === 'hour' ? [0, 1] : [-1]
  const inputOf = Map.groupBy(input, ({ hour, bucket }) => `${hour} ${metric.shape === 'hour' ? bucket : -1}`)
  return buckets.flatMap((bucket) =>
    spans.flatMap(([from_ms, to_ms]) => {
      const all: Row[] = []
      let before: readonly Row[] = []
      for (let hour = from_ms; hour <= to_ms; hour += HOUR_MS) {
        before = plainRows(metric, { hour, bucket, input: inputOf.get(`${hour} ${bucket}`) ?? [], before })
        all.push(...before)
      }
      return all
    }),
  )
}

/** From the first hour that a commit told of to now, without long silences. */
function spansOf({ archive, now_ms }: Evidence): readonly (readonly [from_ms: number, to_ms: number])[] {
  const told = new Set<number>()
  for (const { commit } of archive.entries) {
    const { hours = [], issued = [] } = (commit.info?.hearth?.['touched'] ?? {}) as Partial<Touched>
    for (const [hour_ms] of [...hours, ...issued]) told.add(hour_ms)
    for (const { dataChange, stats = '{}' } of commit.adds) {
      const { minValues, maxValues } = JSON.parse(stats)
      if (!dataChange || minValues?.received_time === undefined) continue
      for (
        let ms = floor(Date.parse(minValues.received_time));
        ms <= Date.parse(maxValues.received_time);
        ms += HOUR_MS
      )
        told.add(ms)
    }
  }
  const hours = [...told].filter((ms) => ms > now_ms - HISTORY_MAX_MS - HOUR_MS && ms <= now_ms).sort((a, b) => a - b)
  const firsts = hours.filter((ms, i) => i === 0 || ms - (hours[i - 1] ?? 0) > SILENCE_MAX_MS)
  return firsts
    .map((first, i) => [first, hours.findLast((ms) => ms < (firsts[i + 1] ?? Infinity)) ?? first] as const)
    .map(([from, to], i, all) => [from, i === all.length - 1 ? floor(now_ms) : to])
}

const floor = (ms: number) => Math.floor(ms / HOUR_MS) * HOUR_MS

function textOf(row: Row): string {
  return JSON.stringify(row, Object.keys(row).sort())
}
