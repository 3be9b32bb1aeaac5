import { createHash } from 'node:crypto'
import { Problem } from '../contract/problem.ts'
import type { Bench, BenchDay, Benches } from '../jobs/bench.ts'
import { DAY_MS } from '../jobs/day.ts'
import type { JobsOptions } from '../jobs/jobs.ts'
import { dateOf } from '../jobs/ledger.ts'
import { HOUR_MS } from '../jobs/limits.ts'
import { filesOf } from '../jobs/source.ts'
import type { Step } from '../jobs/step.ts'
import { ALL, unitKey } from '../jobs/touched.ts'
import type { AddFile } from '../lake/action.ts'
import { UNIT_TAG } from '../lake/conflict.ts'
import type { Row } from '../lake/write-rows.ts'
import { eventInputs, plainRows } from './plain-metrics.ts'
import { decodePlainRows, writePlainRows } from './plain-rows.ts'
import { decodeRows } from './row-encoder.ts'

/** Metrics by TypeScript over lines of JSON, in place of DuckDB over Parquet. */
export function openPlainBenches({ lake, random, clock }: JobsOptions): Benches {
  const { store } = lake

  async function read(prefix: string, files: readonly AddFile[]): Promise<readonly Row[]> {
    const rows: Row[] = []
    for (const { path } of files) {
      const body = await store.get(`${prefix}/${path}`)
      rows.push(...(prefix === 'events' ? eventInputs(decodeRows(body)) : decodePlainRows(body)))
    }
    return rows
  }

  async function open({ task, day_ms, units, yesterday }: BenchDay): ReturnType<Bench['open']> {
    const { metric, standing, cells } = task
    const buckets = [...new Set(units.map(({ bucket }) => bucket))]
    const ofDay = { from_ms: day_ms, to_ms: day_ms + DAY_MS }
    const inputs: Row[] = []
    for (const input of metric.inputs) {
      const pinned = task.inputs.get(input.table)
      if (pinned) inputs.push(...(await read(pinned.prefix, filesOf(pinned.snapshot, input, ofDay, buckets))))
    }
    const own = [...cells.values()].map(({ add }) => add)
    const made = new Set(yesterday.map(({ tags }) => tags?.[UNIT_TAG]))
    const before = [...own.filter(({ tags }) => !made.has(tags?.[UNIT_TAG])), ...yesterday]
    const days = metric.carry ? [day_ms - DAY_MS, day_ms] : [day_ms]
    const names = new Set(days.flatMap((day) => buckets.map((bucket) => `${dateOf(day)}/${bucket}`)))
    const stands = await read(
      standing.prefix,
      before.filter(({ tags }) => names.has(tags?.[UNIT_TAG] ?? '')),
    )
    const all = buckets.includes(ALL)
    const keyOf = ({ hour, bucket }: Row) => unitKey(Number(hour), all ? ALL : Number(bucket))
    const inputOf = Map.groupBy(inputs, keyOf)
    const result = new Map<string, readonly Row[]>(Map.groupBy(stands, keyOf))
    const unitsOf = ({ hours, buckets: of }: Step) => hours.flatMap((hour) => of.map((bucket) => ({ hour, bucket })))
    const rowsOf = (hour: number, bucket: number) => result.get(unitKey(hour, bucket)) ?? []
    return {
      async calculate(step) {
        for (const { hour, bucket } of unitsOf(step)) {
          const key = unitKey(hour, bucket)
          const carried = rowsOf(hour - HOUR_MS, bucket)
          result.set(key, plainRows(metric, { hour, bucket, input: inputOf.get(key) ?? [], before: carried }))
        }
      },
      async hashes(step) {
        const found = unitsOf(step).flatMap(({ hour, bucket }) => {
          const rows = rowsOf(hour, bucket)
          const out = metric.carry ? digest(rows.map(({ hub_id, n }) => [hub_id, n])) : ''
          return rows.length === 0
            ? []
            : [[unitKey(hour, bucket), { rows: digest(rows), out, count: rows.length }] as const]
        })
        return new Map(found)
      },
      async check() {
        const keys = [...result.values()]
          .flat()
          .map((row) => ['hour', 'bucket', ...metric.keys].map((key) => row[key]).join())
        if (new Set(keys).size < keys.length)
          throw new Problem('corrupt', `${metric.name} has a key twice: ${keys.join(' ')}`)
      },
      write: (bucket, tags) =>
        writePlainRows({
          rows: [...Array(24).keys()].flatMap((hour) => rowsOf(day_ms + hour * HOUR_MS, bucket)),
          ...{ store, prefix: standing.prefix, columns: metric.columns, tags, random, clock },
          partitionValues: { metric_date: dateOf(day_ms) },
        }),
    }
  }

  return {
    of: (day) => ({
      open: () => open(day),
      damage: async () => undefined,
      [Symbol.asyncDispose]: async () => undefined,
    }),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

function digest(rows: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(rows)).digest('hex').slice(0, 16)
}
