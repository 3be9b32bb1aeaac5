import { catalogue } from '../../jobs/catalogue.ts'
import { DAY_MS } from '../../jobs/day.ts'
import { type Cells, cellName, cellsOf, cellTags, type HourRecord } from '../../jobs/ledger.ts'
import { HOUR_MS } from '../../jobs/limits.ts'
import type { Metric } from '../../jobs/metric.ts'
import { plan } from '../../jobs/plan.ts'
import { nothingTouched, spansOf } from '../../jobs/touched.ts'
import type { AddFile } from '../../lake/action.ts'

const DAYS = 3 * 365
const METRICS = 20
const BUCKETS = 16
const HASH = '0123456789abcdef'

/** What is told of 3 years of hours of 20 metrics in 16 buckets, of which the newest day moved since it was made. */
export function openPlans(now_ms: number) {
  const begin_ms = Math.floor(now_ms / DAY_MS - DAYS + 1) * DAY_MS
  const touched = nothingTouched()
  let version = 0
  for (let hour_ms = begin_ms; hour_ms <= now_ms; hour_ms += HOUR_MS) {
    version++
    for (let bucket = 0; bucket < BUCKETS; bucket++)
      for (const versions of [touched.hours, touched.issued, touched.receipts]) versions.set(hour_ms, bucket, version)
  }
  const metric = catalogue().find(({ name }) => name === 'hub_hours') as Metric
  const inputs = new Map(metric.inputs.map(({ table }) => [table, touched]))
  const made = Array.from({ length: METRICS }, () =>
    cellsOf(metric, { files: filesOf(metric, begin_ms, now_ms, version - 24) }),
  )
  const spans = spansOf(touched, now_ms)
  const planOf = (cells: Cells) => plan({ metric, now_ms, inputs, spans, cells, buckets: BUCKETS, floor: undefined })
  return {
    hours: METRICS * BUCKETS * DAYS * 24,
    /** Units that are due, of all metrics. */
    plan: () => made.reduce((sum, cells) => sum + planOf(cells).length, 0),
  }
}

function filesOf(metric: Metric, begin_ms: number, now_ms: number, version: number): ReadonlyMap<string, AddFile> {
  const files = new Map<string, AddFile>()
  const inputs = Object.fromEntries(metric.inputs.map(({ table }) => [table, version]))
  for (let day_ms = begin_ms; day_ms < now_ms; day_ms += DAY_MS) {
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const hours = new Map<number, HourRecord>()
      for (let hour_ms = day_ms; hour_ms < Math.min(day_ms + DAY_MS, now_ms); hour_ms += HOUR_MS) {
        const record = { carry: HASH, out: HASH, rows: HASH, open: hour_ms + HOUR_MS > now_ms }
        hours.set(hour_ms, { ...record, inputs, revision: metric.revision, definition: metric.hash })
      }
      const path = cellName(day_ms, bucket)
      files.set(path, {
        path,
        partitionValues: {},
        size: 1,
        modificationTime: 0,
        dataChange: true,
        tags: cellTags(path, hours),
      })
    }
  }
  return files
}
