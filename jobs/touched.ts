import { touched as touchedInfo } from '../contract/touched.ts'
import { decodeStatistics } from '../lake/statistics.ts'
import type { Version } from '../lake/table.ts'
import { HourVersions } from './hour-versions.ts'
import { dateOfFile } from './ledger.ts'
import { HISTORY_MAX_MS, HOUR_MS, SILENCE_MAX_MS } from './limits.ts'

/** The bucket of a unit that is about all of them. */
export const ALL = -1

/** Registry rows count from a moment on, without end. */
type ValidFrom = { readonly from_ms: number; readonly bucket: number; readonly version: number }

/** From when on which version made the history of a bucket another. */
export class Validity {
  readonly rows: ValidFrom[] = []
  /** By bucket: its rows and those of all, by time, each with the newest version up to it; made when it is asked for. */
  #index = new Map<number, readonly { readonly from_ms: number; readonly newest: number }[]>()

  add(row: ValidFrom): void {
    this.rows.push(row)
    this.#index.clear()
  }

  /** The newest version that counts before `until_ms`; −1 for none. ALL: of any bucket. */
  newest(bucket: number, until_ms: number): number {
    const known = this.#index.get(bucket) ?? this.#sorted(bucket)
    let [from, to] = [0, known.length]
    while (from < to) {
      const middle = (from + to) >>> 1
      if ((known[middle]?.from_ms ?? until_ms) < until_ms) from = middle + 1
      else to = middle
    }
    return known[from - 1]?.newest ?? -1
  }

  #sorted(bucket: number) {
    let newest = -1
    const rows = this.rows
      .filter((row) => bucket === ALL || row.bucket === ALL || row.bucket === bucket)
      .sort((a, b) => a.from_ms - b.from_ms)
    const sorted = rows.map(({ from_ms, version }) => ({ from_ms, newest: (newest = Math.max(newest, version)) }))
    this.#index.set(bucket, sorted)
    return sorted
  }
}

/** Which version last touched what, of one table; kept up by reading only what was committed since (touched-fold.ts). */
export type Touched = {
  /** The newest version folded in; −1 for none. */
  version: number
  /** The version of the newest fold that is kept; −1 for none. */
  folded: number
  readonly hours: HourVersions
  readonly issued: HourVersions
  /** Hours in which batches were received, from the files' statistics: may name an hour too many, never one too few. */
  readonly receipts: HourVersions
  readonly validity: Validity
}

export function nothingTouched(): Touched {
  const none = { hours: new HourVersions(), issued: new HourVersions(), receipts: new HourVersions() }
  return { version: -1, folded: -1, ...none, validity: new Validity() }
}

/** A unit in texts: folds, and hashes by unit. */
export function unitKey(hour_ms: number, bucket: number): string {
  return `${hour_ms}/${bucket}`
}

/** Folds one version. A commit that changes data and does not say what it touched touches the whole of its days. */
export function fold(touched: Touched, { version, info, adds, removes }: Version): void {
  const changed = [...adds, ...removes].filter(({ dataChange }) => dataChange)
  if (changed.length === 0) return
  for (const { partitionValues, stats } of adds) {
    const statistics = decodeStatistics(stats)
    const [from, to] = [statistics?.minValues['received_time'], statistics?.maxValues['received_time']]
    if (typeof from !== 'string' || typeof to !== 'string') continue
    const bucket = Number(partitionValues['bucket'] ?? ALL)
    for (let hour = Math.floor(Date.parse(from) / HOUR_MS); hour <= Date.parse(to) / HOUR_MS; hour++) {
      touched.receipts.set(hour * HOUR_MS, bucket, version)
    }
  }
  const told = touchedInfo.safeParse(info?.['touched'])
  if (told.success) {
    for (const [hour_ms, bucket] of told.data.hours) touched.hours.set(hour_ms, bucket, version)
    for (const [hour_ms, bucket] of told.data.issued) touched.issued.set(hour_ms, bucket, version)
    for (const [bucket, from_ms] of told.data.registry) touched.validity.add({ from_ms, bucket, version })
    return
  }
  for (const { partitionValues } of changed) {
    const date = dateOfFile(partitionValues)
    if (!date) continue
    const bucket = Number(partitionValues?.['bucket'] ?? ALL)
    for (let hour = 0; hour < 24; hour++) {
      const hour_ms = Date.parse(`${date}T00:00:00Z`) + hour * HOUR_MS
      for (const versions of [touched.hours, touched.issued, touched.receipts]) versions.set(hour_ms, bucket, version)
    }
  }
  touched.validity.add({ from_ms: 0, bucket: ALL, version })
}

/** Hours from one to another, both included. */
export type Span = { readonly from_ms: number; readonly to_ms: number }

/**
 * The hours that there is something to tell of, oldest first: those in which anything was touched, and the silent ones
 * between them and up to now, but for a silence of more than SILENCE_MAX_MS.
 */
export function spansOf({ hours, issued, receipts }: Touched, now_ms: number): readonly Span[] {
  const known = new Set<number>()
  for (const versions of [hours, issued, receipts]) for (const [hour_ms] of versions.entries()) known.add(hour_ms)
  const spans: { readonly from_ms: number; to_ms: number }[] = []
  for (const hour_ms of [...known].sort((a, b) => a - b)) {
    if (hour_ms <= now_ms - HISTORY_MAX_MS - HOUR_MS || hour_ms > now_ms) continue
    const last = spans.at(-1)
    if (last && hour_ms - last.to_ms <= SILENCE_MAX_MS) last.to_ms = hour_ms
    else spans.push({ from_ms: hour_ms, to_ms: hour_ms })
  }
  const last = spans.at(-1)
  if (last) last.to_ms = Math.floor(now_ms / HOUR_MS) * HOUR_MS
  return spans
}
